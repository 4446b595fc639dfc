package main

import (
	"fmt"
	"math/big"
	"slices"

	marketpb "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
)

// bookBuilder rebuilds one order book from a snapshot and the deltas after it. Prices are compared by value, and kept as
// the venue wrote them last.
type bookBuilder struct {
	bids, asks side
	sequence   *uint64
	gaps       int
}

type entry struct {
	price *big.Rat
	level *marketpb.BookLevel
}

type side map[string]entry

func newBook(snapshot *marketpb.OrderBook) (*bookBuilder, error) {
	book := &bookBuilder{bids: side{}, asks: side{}, sequence: snapshot.Sequence}
	if err := book.bids.set(snapshot.GetBids()); err != nil {
		return nil, err
	}
	return book, book.asks.set(snapshot.GetAsks())
}

// apply applies a delta, unless the book has it already; a gap in the sequence is counted.
func (b *bookBuilder) apply(delta *marketpb.OrderBookDelta) error {
	if delta.Sequence != nil && b.sequence != nil {
		if delta.GetSequence() <= *b.sequence {
			return nil
		}
		// Where a venue leaves numbers out, it says which one came before.
		before := delta.GetFirstSequence() - 1
		if delta.PreviousSequence != nil {
			before = delta.GetPreviousSequence()
		}
		if before > *b.sequence {
			b.gaps++
		}
		b.sequence = delta.Sequence
	}
	if err := b.bids.set(delta.GetBids()); err != nil {
		return err
	}
	return b.asks.set(delta.GetAsks())
}

func (s side) set(levels []*marketpb.BookLevel) error {
	for _, level := range levels {
		price, okPrice := new(big.Rat).SetString(level.GetPrice())
		quantity, okQuantity := new(big.Rat).SetString(level.GetQuantity())
		if !okPrice || !okQuantity {
			return fmt.Errorf("not decimal numbers: %q, %q", level.GetPrice(), level.GetQuantity())
		}
		key := price.RatString()
		if level.GetAction() == marketpb.BookAction_BOOK_ACTION_DELETE || quantity.Sign() == 0 {
			delete(s, key)
		} else {
			s[key] = entry{price, level}
		}
	}
	return nil
}

// rising lists the levels from the lowest price.
func (s side) rising() []*marketpb.BookLevel {
	entries := make([]entry, 0, len(s))
	for _, item := range s {
		entries = append(entries, item)
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.price.Cmp(b.price) })
	levels := make([]*marketpb.BookLevel, len(entries))
	for i, item := range entries {
		levels[i] = item.level
	}
	return levels
}

// bestFirst lists bids from the highest price, asks from the lowest.
func (b *bookBuilder) bestFirst() (bids, asks []*marketpb.BookLevel) {
	bids = b.bids.rising()
	slices.Reverse(bids)
	return bids, b.asks.rising()
}
