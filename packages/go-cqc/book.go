package cqc

import (
	"fmt"
	"sort"
	"strings"

	"google.golang.org/protobuf/proto"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
)

// SequenceGapError reports missing deltas: fetch a new snapshot and Reset the book with it.
type SequenceGapError struct {
	// VenueSymbolID identifies the book's listing.
	VenueSymbolID string
	// Have is the book's sequence, and Before the sequence that the delta follows.
	Have, Before uint64
}

func (e *SequenceGapError) Error() string {
	return fmt.Sprintf("%s: deltas are missing: the book is at sequence %d, but the delta follows %d; "+
		"reset the book with a new snapshot", e.VenueSymbolID, e.Have, e.Before)
}

// BookBuilder builds the order book of one listing from a snapshot and the deltas that follow it. It is not safe for
// concurrent use.
//
// Levels are keyed by the numeric value of their price, so `1.0` and `1.00` are the same level, or by order id on
// venues that publish individual orders. Prices and quantities are kept as the venue last sent them, and parsed only
// for comparison.
type BookBuilder struct {
	last       *marketsv1.OrderBook
	bids, asks map[string]*marketsv1.BookLevel
}

// NewBookBuilder starts a book from a snapshot.
func NewBookBuilder(snapshot *marketsv1.OrderBook) *BookBuilder {
	b := &BookBuilder{}
	b.Reset(snapshot)
	return b
}

// Reset replaces the whole book with a snapshot.
func (b *BookBuilder) Reset(snapshot *marketsv1.OrderBook) {
	last := proto.CloneOf(snapshot)
	// The levels are kept separately. The other fields describe the snapshot and do not survive a delta.
	last.Bids, last.Asks = nil, nil
	last.FirstSequence, last.PreviousSequence, last.Checksum = nil, nil, nil
	last.ChecksumKind = marketsv1.ChecksumKind_CHECKSUM_KIND_UNSPECIFIED
	b.last, b.bids, b.asks = last, map[string]*marketsv1.BookLevel{}, map[string]*marketsv1.BookLevel{}
	set(b.bids, snapshot.GetBids())
	set(b.asks, snapshot.GetAsks())
}

// Apply applies a delta. It returns false if the book already includes the delta.
//
// Deltas without a sequence are always applied. Apply returns a *SequenceGapError if deltas are missing between the
// book and this one, and another error if the delta is for another listing; neither changes the book.
func (b *BookBuilder) Apply(delta *marketsv1.OrderBookDelta) (bool, error) {
	if delta.GetVenueSymbolId() != b.last.GetVenueSymbolId() {
		return false, fmt.Errorf("cannot apply a delta for %s to %s", delta.GetVenueSymbolId(), b.last.GetVenueSymbolId())
	}
	if delta.Sequence != nil && b.last.Sequence != nil {
		have, sequence := b.last.GetSequence(), delta.GetSequence()
		if sequence <= have {
			return false, nil
		}
		if before := follows(delta); before > have {
			return false, &SequenceGapError{delta.GetVenueSymbolId(), have, before}
		}
	}
	if delta.Sequence != nil {
		b.last.Sequence = proto.Uint64(delta.GetSequence())
	}
	set(b.bids, delta.GetBids())
	set(b.asks, delta.GetAsks())
	b.last.Timestamp = delta.GetTimestamp()
	b.last.PublishedAt = delta.GetPublishedAt()
	b.last.ReceivedAt = delta.GetReceivedAt()
	return true, nil
}

// Sequence returns the sequence of the last applied update, and false if the venue does not number its updates.
func (b *BookBuilder) Sequence() (uint64, bool) {
	return b.last.GetSequence(), b.last.Sequence != nil
}

// Bids returns the bids, highest price first.
func (b *BookBuilder) Bids() []*marketsv1.BookLevel {
	return sorted(b.bids, -1)
}

// Asks returns the asks, lowest price first.
func (b *BookBuilder) Asks() []*marketsv1.BookLevel {
	return sorted(b.asks, 1)
}

// Book returns a snapshot of the current book.
func (b *BookBuilder) Book() *marketsv1.OrderBook {
	now := proto.CloneOf(b.last)
	for _, level := range b.Bids() {
		now.Bids = append(now.Bids, proto.CloneOf(level))
	}
	for _, level := range b.Asks() {
		now.Asks = append(now.Asks, proto.CloneOf(level))
	}
	return now
}

// follows returns the sequence that a delta follows. Venues that skip numbers state it in previous_sequence.
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

// canonical returns the same string for equal numbers; plain decimals differ only in trailing zeros.
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
		if order := comparePlain(one.GetPrice(), other.GetPrice()); order != 0 {
			return order*direction < 0
		}
		return one.GetOrderId() < other.GetOrderId()
	})
	return levels
}

// comparePlain compares two plain decimals by value without parsing them: by sign, then length and digits of the
// integer part, then fraction.
func comparePlain(one, other string) int {
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
