package cqc

import (
	"fmt"
	"sort"
	"strings"

	"google.golang.org/protobuf/proto"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
)

// SequenceGapError says that deltas are missing: get a new snapshot and Reset the book with it.
type SequenceGapError struct {
	// VenueSymbolID names the book's listing.
	VenueSymbolID string
	// Have is the sequence of the book, Before the one that the delta follows.
	Have, Before uint64
}

func (gap *SequenceGapError) Error() string {
	return fmt.Sprintf("%s: the delta follows sequence %d, the book is at %d: deltas are missing, take a new snapshot", gap.VenueSymbolID, gap.Before, gap.Have)
}

// BookBuilder keeps an order book: a snapshot and the deltas after it. It is not safe for concurrent use.
//
// Levels are told apart by the value of their price, so `1.0` and `1.00` are one level, or by the order where a venue
// publishes single orders; they are kept as the venue wrote them last. Numbers are converted only where they are
// compared.
type BookBuilder struct {
	last       *marketsv1.OrderBook
	bids, asks map[string]*marketsv1.BookLevel
}

// NewBookBuilder starts a book from a snapshot.
func NewBookBuilder(snapshot *marketsv1.OrderBook) *BookBuilder {
	book := &BookBuilder{}
	book.Reset(snapshot)
	return book
}

// Reset drops everything and starts again from a snapshot.
func (book *BookBuilder) Reset(snapshot *marketsv1.OrderBook) {
	last := proto.CloneOf(snapshot)
	last.Bids, last.Asks = nil, nil
	// They describe the snapshot, not the book that grows out of it.
	last.FirstSequence, last.PreviousSequence, last.Checksum = nil, nil, nil
	last.ChecksumKind = marketsv1.ChecksumKind_CHECKSUM_KIND_UNSPECIFIED
	book.last, book.bids, book.asks = last, map[string]*marketsv1.BookLevel{}, map[string]*marketsv1.BookLevel{}
	set(book.bids, snapshot.GetBids())
	set(book.asks, snapshot.GetAsks())
}

// Apply brings the book up to a delta and says whether it did: false for a delta that the book has already.
//
// It returns a SequenceGapError, and leaves the book as it was, when deltas between the two are missing; a delta of
// another listing is an error too. Deltas without a sequence are applied as they come.
func (book *BookBuilder) Apply(delta *marketsv1.OrderBookDelta) (bool, error) {
	if delta.GetVenueSymbolId() != book.last.GetVenueSymbolId() {
		return false, fmt.Errorf("a delta of %s cannot be applied to a book of %s", delta.GetVenueSymbolId(), book.last.GetVenueSymbolId())
	}
	if delta.Sequence != nil && book.last.Sequence != nil {
		have, sequence := book.last.GetSequence(), delta.GetSequence()
		if sequence <= have {
			return false, nil
		}
		if before := follows(delta); before > have {
			return false, &SequenceGapError{delta.GetVenueSymbolId(), have, before}
		}
	}
	if delta.Sequence != nil {
		book.last.Sequence = proto.Uint64(delta.GetSequence())
	}
	set(book.bids, delta.GetBids())
	set(book.asks, delta.GetAsks())
	book.last.Timestamp, book.last.PublishedAt, book.last.ReceivedAt = delta.GetTimestamp(), delta.GetPublishedAt(), delta.GetReceivedAt()
	return true, nil
}

// Sequence returns the sequence up to which the book is complete, and whether its venue numbers them.
func (book *BookBuilder) Sequence() (uint64, bool) {
	return book.last.GetSequence(), book.last.Sequence != nil
}

// Bids returns the levels to sell to, highest price first.
func (book *BookBuilder) Bids() []*marketsv1.BookLevel {
	return sorted(book.bids, -1)
}

// Asks returns the levels to buy from, lowest price first.
func (book *BookBuilder) Asks() []*marketsv1.BookLevel {
	return sorted(book.asks, 1)
}

// Book returns the book as it is now, as a snapshot of its own.
func (book *BookBuilder) Book() *marketsv1.OrderBook {
	now := proto.CloneOf(book.last)
	for _, level := range book.Bids() {
		now.Bids = append(now.Bids, proto.CloneOf(level))
	}
	for _, level := range book.Asks() {
		now.Asks = append(now.Asks, proto.CloneOf(level))
	}
	return now
}

// follows is the sequence that a delta comes after. Where a venue leaves numbers out, it says which one came before.
func follows(delta *marketsv1.OrderBookDelta) uint64 {
	switch {
	case delta.PreviousSequence != nil:
		return delta.GetPreviousSequence()
	case delta.FirstSequence != nil:
		return max(delta.GetFirstSequence(), 1) - 1
	default:
		return delta.GetSequence() - 1
	}
}

func set(side map[string]*marketsv1.BookLevel, levels []*marketsv1.BookLevel) {
	for _, level := range levels {
		key := canonical(level.GetPrice())
		if level.OrderId != nil {
			key = "order " + level.GetOrderId()
		}
		if level.GetAction() == marketsv1.BookAction_BOOK_ACTION_DELETE || isZero(level.GetQuantity()) {
			delete(side, key)
		} else {
			side[key] = level
		}
	}
}

// canonical writes equal numbers alike; plain decimals differ in trailing zeros only.
func canonical(text string) string {
	if !strings.Contains(text, ".") {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

func isZero(text string) bool {
	return strings.Trim(text, "0.") == ""
}

func sorted(side map[string]*marketsv1.BookLevel, direction int) []*marketsv1.BookLevel {
	levels := make([]*marketsv1.BookLevel, 0, len(side))
	for _, level := range side {
		levels = append(levels, level)
	}
	sort.Slice(levels, func(i, j int) bool {
		one, other := levels[i], levels[j]
		if order := compareTexts(one.GetPrice(), other.GetPrice()); order != 0 {
			return order*direction < 0
		}
		return one.GetOrderId() < other.GetOrderId()
	})
	return levels
}

// compareTexts compares two plain decimals by value, without converting them: by sign, digits before the point, digits.
func compareTexts(one, other string) int {
	negative := strings.HasPrefix(one, "-")
	if negative != strings.HasPrefix(other, "-") {
		if negative {
			return -1
		}
		return 1
	}
	one, other = canonical(strings.TrimPrefix(one, "-")), canonical(strings.TrimPrefix(other, "-"))
	oneInteger, oneFraction, _ := strings.Cut(one, ".")
	otherInteger, otherFraction, _ := strings.Cut(other, ".")
	order := len(oneInteger) - len(otherInteger)
	if order == 0 {
		order = strings.Compare(oneInteger, otherInteger)
	}
	if order == 0 {
		order = strings.Compare(oneFraction, otherFraction)
	}
	if negative {
		return -order
	}
	return order
}
