package cqc

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
)

// BookErrorKind specifies why a book cannot be trusted, or a message not applied to it.
type BookErrorKind string

const (
	// BookErrorKindSequenceGap: deltas are missing. Expected is the book's sequence, and Actual the sequence that the
	// delta follows.
	BookErrorKindSequenceGap BookErrorKind = "sequence_gap"
	// BookErrorKindChecksumMismatch: the book is not the venue's. Expected is the venue's checksum, and Actual the one of
	// this book.
	BookErrorKindChecksumMismatch BookErrorKind = "checksum_mismatch"
	// BookErrorKindChecksumKindUnknown: this version cannot compute the checksum. Actual is the number of its kind.
	BookErrorKindChecksumKindUnknown BookErrorKind = "checksum_kind_unknown"
	// BookErrorKindOrderUnknown: a level without price or quantity has an order id, Actual, that is not in the book.
	BookErrorKindOrderUnknown BookErrorKind = "order_unknown"
	// BookErrorKindLevelMalformed: a price or quantity, Actual, is not a plain decimal.
	BookErrorKindLevelMalformed BookErrorKind = "level_malformed"
	// BookErrorKindListingMismatch: the delta is for another listing, Actual.
	BookErrorKindListingMismatch BookErrorKind = "listing_mismatch"
)

// BookError reports a snapshot or delta that a book cannot be built from. Fetch a new snapshot and Reset the book with
// it.
type BookError struct {
	// Kind is the reason; it explains Expected and Actual.
	Kind BookErrorKind
	// Listing is the venue_symbol_id of the snapshot or delta, or the parts of its native_listing joined by colons.
	Listing string
	// Sequence is that of the snapshot or delta, nil if the venue does not number changes.
	Sequence         *uint64
	Expected, Actual string
}

func (e *BookError) Error() string {
	return fmt.Sprintf("%s: %s: expected %s, got %s", e.Listing, e.Kind, e.Expected, e.Actual)
}

func newBookError(kind BookErrorKind, message bookMessage, expected, actual string) *BookError {
	return &BookError{kind, listingOf(message), sequenceOf(message), expected, actual}
}

// BookBuilder builds the order book of one listing from a snapshot and the deltas that follow it. It is not safe for
// concurrent use.
//
// Levels are keyed by the numeric value of their price, so `1.0` and `1.00` are the same level, or by order id on
// venues that publish individual orders. There a price or quantity that a delta leaves out keeps its value, and an
// order that is new at a price comes after the others. Prices and quantities are kept as the venue last sent them. A
// book whose snapshot has a depth keeps that many prices per side.
type BookBuilder struct {
	verify     bool
	last       *marketsv1.OrderBook
	bids, asks *bookSide
}

// BookOption changes how a BookBuilder works.
type BookOption func(*BookBuilder)

// VerifyChecksums compares the checksum of each snapshot and delta that has one with the book's.
func VerifyChecksums() BookOption {
	return func(b *BookBuilder) { b.verify = true }
}

// NewBookBuilder starts a book from a snapshot. It returns a *BookError as Reset does.
func NewBookBuilder(snapshot *marketsv1.OrderBook, options ...BookOption) (*BookBuilder, error) {
	b := &BookBuilder{}
	for _, option := range options {
		option(b)
	}
	if err := b.Reset(snapshot); err != nil {
		return nil, err
	}
	return b, nil
}

// Reset replaces the whole book with a snapshot.
//
// It returns a *BookError if a level is malformed, or the checksum is to be verified and is not that of the snapshot.
// Neither changes the book.
func (b *BookBuilder) Reset(snapshot *marketsv1.OrderBook) error {
	bids, asks := &bookSide{entries: map[string]bookEntry{}}, &bookSide{entries: map[string]bookEntry{}}
	changedBids, err := bids.changes(snapshot.GetBids(), snapshot)
	if err != nil {
		return err
	}
	changedAsks, err := asks.changes(snapshot.GetAsks(), snapshot)
	if err != nil {
		return err
	}
	bids.commit(changedBids)
	asks.commit(changedAsks)
	if b.verify {
		if err := verify(bids, asks, snapshot); err != nil {
			return err
		}
	}
	// The levels are kept separately. The other fields describe the snapshot and do not survive a delta.
	last := proto.CloneOf(snapshot)
	last.Bids, last.Asks = nil, nil
	last.FirstSequence, last.PreviousSequence, last.Checksum = nil, nil, nil
	last.ChecksumKind, last.VenueFields = marketsv1.ChecksumKind_CHECKSUM_KIND_UNSPECIFIED, nil
	b.last, b.bids, b.asks = last, bids, asks
	b.trim()
	return nil
}

// Apply applies a delta. It returns false if the book already includes the delta.
//
// Apply follows the rules at the contract's OrderBookDelta. It returns a *BookError if deltas are missing between the
// book and this one, if the delta is for another listing or has a level that cannot be applied, or if the checksum is
// to be verified and is not that of the book. After an error about a checksum the book includes the delta; the others
// do not change the book.
func (b *BookBuilder) Apply(delta *marketsv1.OrderBookDelta) (bool, error) {
	if !sameListing(b.last, delta) {
		return false, newBookError(BookErrorKindListingMismatch, delta, listingOf(b.last), listingOf(delta))
	}
	have := b.last.GetSequence()
	// A venue that restarts its numbers states the previous one.
	continues := delta.PreviousSequence != nil && delta.GetPreviousSequence() == have
	if delta.Sequence != nil && b.last.Sequence != nil && !continues {
		if delta.GetSequence() <= have {
			return false, nil
		}
		if before := follows(delta); before > have {
			expected, actual := strconv.FormatUint(have, 10), strconv.FormatUint(before, 10)
			return false, newBookError(BookErrorKindSequenceGap, delta, expected, actual)
		}
	}
	bids, err := b.bids.changes(delta.GetBids(), delta)
	if err != nil {
		return false, err
	}
	asks, err := b.asks.changes(delta.GetAsks(), delta)
	if err != nil {
		return false, err
	}
	b.bids.commit(bids)
	b.asks.commit(asks)
	if delta.Sequence != nil {
		b.last.Sequence = proto.Uint64(delta.GetSequence())
	}
	b.last.Timestamp = delta.GetTimestamp()
	b.last.PublishedAt = delta.GetPublishedAt()
	b.last.ReceivedAt = delta.GetReceivedAt()
	b.trim()
	if b.verify {
		return true, verify(b.bids, b.asks, delta)
	}
	return true, nil
}

// Sequence returns the sequence of the last applied update, and false if the venue does not number its updates.
func (b *BookBuilder) Sequence() (uint64, bool) {
	return b.last.GetSequence(), b.last.Sequence != nil
}

// Bids returns the bids, highest price first.
func (b *BookBuilder) Bids() []*marketsv1.BookLevel {
	return b.bids.sorted(-1)
}

// Asks returns the asks, lowest price first.
func (b *BookBuilder) Asks() []*marketsv1.BookLevel {
	return b.asks.sorted(1)
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

// trim removes prices beyond the depth: the venue does not report when they are gone.
func (b *BookBuilder) trim() {
	if depth := int(b.last.GetDepth()); depth > 0 {
		b.bids.trim(depth, -1)
		b.asks.trim(depth, 1)
	}
}

// BookChecksum computes the checksum of a book, best level first.
//
// Prices and quantities must be spelled as the venue sent them. It returns a *BookError if this version does not know
// the kind.
//
// Sources: https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2 and l3-checksum-v2 beside it,
// https://www.okx.com/docs-v5/en (Order Book Channel),
// https://www.bitget.com/api-doc/spot/websocket/public/Depth-Channel.
func BookChecksum(book *marketsv1.OrderBook, kind marketsv1.ChecksumKind) (uint32, error) {
	return checksum(book.GetBids(), book.GetAsks(), kind, book)
}

// bookMessage is a snapshot or a delta.
type bookMessage interface {
	GetVenueSymbolId() string
	GetNativeListing() *marketsv1.NativeListing
	GetChecksumKind() marketsv1.ChecksumKind
}

func checksum(bids, asks []*marketsv1.BookLevel, kind marketsv1.ChecksumKind, message bookMessage) (uint32, error) {
	var text string
	switch kind {
	case marketsv1.ChecksumKind_CHECKSUM_KIND_CRC32_KRAKEN, marketsv1.ChecksumKind_CHECKSUM_KIND_CRC32_KRAKEN_ORDERS:
		for _, side := range [][]*marketsv1.BookLevel{asks, bids} {
			for _, level := range side[:bestPrices(side, 10)] {
				for _, number := range []string{level.GetPrice(), level.GetQuantity()} {
					text += strings.TrimLeft(strings.Replace(number, ".", "", 1), "0")
				}
			}
		}
	case marketsv1.ChecksumKind_CHECKSUM_KIND_CRC32_OKX, marketsv1.ChecksumKind_CHECKSUM_KIND_CRC32_BITGET:
		var numbers []string
		for i := range 25 {
			for _, side := range [][]*marketsv1.BookLevel{bids, asks} {
				if i < len(side) {
					numbers = append(numbers, side[i].GetPrice(), side[i].GetQuantity())
				}
			}
		}
		text = strings.Join(numbers, ":")
	default:
		expected := "a kind of checksum that this version knows"
		return 0, newBookError(BookErrorKindChecksumKindUnknown, message, expected, strconv.Itoa(int(kind)))
	}
	return crc32.ChecksumIEEE([]byte(text)), nil
}

// bestPrices returns how many levels there are at the best prices.
func bestPrices(levels []*marketsv1.BookLevel, prices int) int {
	for i, level := range levels {
		if i == 0 || canonical(level.GetPrice()) != canonical(levels[i-1].GetPrice()) {
			if prices == 0 {
				return i
			}
			prices--
		}
	}
	return len(levels)
}

func verify(bids, asks *bookSide, message bookMessage) error {
	var stated *uint32
	switch message := message.(type) {
	case *marketsv1.OrderBook:
		stated = message.Checksum
	case *marketsv1.OrderBookDelta:
		stated = message.Checksum
	}
	if stated == nil {
		return nil
	}
	actual, err := checksum(bids.sorted(-1), asks.sorted(1), message.GetChecksumKind(), message)
	if err == nil && actual != *stated {
		return newBookError(BookErrorKindChecksumMismatch, message, fmt.Sprint(*stated), fmt.Sprint(actual))
	}
	return err
}

func sameListing(book *marketsv1.OrderBook, delta *marketsv1.OrderBookDelta) bool {
	one, other := book.GetVenueSymbolId(), delta.GetVenueSymbolId()
	if one != "" && other != "" {
		return one == other
	}
	return listingOfNative(book.GetNativeListing()) == listingOfNative(delta.GetNativeListing())
}

func listingOf(message bookMessage) string {
	if id := message.GetVenueSymbolId(); id != "" {
		return id
	}
	return listingOfNative(message.GetNativeListing())
}

func listingOfNative(native *marketsv1.NativeListing) string {
	return strings.Join([]string{native.GetVenueId(), native.GetSegment(), native.GetSymbol(), native.GetId()}, ":")
}

func sequenceOf(message bookMessage) *uint64 {
	switch message := message.(type) {
	case *marketsv1.OrderBook:
		return message.Sequence
	case *marketsv1.OrderBookDelta:
		return message.Sequence
	default:
		return nil
	}
}

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

// bookSide holds levels by key. Orders at a price are in the order of their places, which is that of their priority.
type bookSide struct {
	entries map[string]bookEntry
	places  uint64
}

type bookEntry struct {
	level *marketsv1.BookLevel
	place uint64
}

// bookChange sets a level, or removes it if it is nil.
type bookChange struct {
	key   string
	level *marketsv1.BookLevel
}

// changes returns the changes to a side without making them, so that an error leaves the side as it was.
func (s *bookSide) changes(levels []*marketsv1.BookLevel, message bookMessage) ([]bookChange, error) {
	made := make([]bookChange, 0, len(levels))
	changed := map[string]*marketsv1.BookLevel{}
	for _, change := range levels {
		if change.OrderId == nil {
			if err := checkNumber(change.GetPrice(), message); err != nil {
				return nil, err
			}
		}
		key := keyOf(change)
		known, isChanged := changed[key]
		if !isChanged {
			known = s.entries[key].level
		}
		level, err := changedLevel(known, change, message)
		if err != nil {
			return nil, err
		}
		changed[key] = level
		made = append(made, bookChange{key, level})
	}
	return made, nil
}

// changedLevel returns what a level is after a change, nil if it is removed.
func changedLevel(known, change *marketsv1.BookLevel, message bookMessage) (*marketsv1.BookLevel, error) {
	price, quantity := change.GetPrice(), change.GetQuantity()
	if change.GetAction() == marketsv1.BookAction_BOOK_ACTION_DELETE {
		return nil, nil
	}
	if quantity != "" {
		if err := checkNumber(quantity, message); err != nil || strings.Trim(quantity, "0.") == "" {
			return nil, err
		}
	}
	level := proto.CloneOf(change)
	// Actions belong to updates, not to books.
	level.Action, level.RawAction = marketsv1.BookAction_BOOK_ACTION_UNSPECIFIED, ""
	if change.OrderId != nil && (price == "" || quantity == "") {
		if known == nil {
			return nil, newBookError(BookErrorKindOrderUnknown, message, "an order in the book", change.GetOrderId())
		}
		level.Price, level.Quantity = cmp.Or(price, known.GetPrice()), cmp.Or(quantity, known.GetQuantity())
	}
	if err := checkNumber(level.GetPrice(), message); err != nil {
		return nil, err
	}
	return level, checkNumber(level.GetQuantity(), message)
}

func (s *bookSide) commit(made []bookChange) {
	for _, change := range made {
		entry, known := s.entries[change.key]
		if change.level == nil {
			delete(s.entries, change.key)
			continue
		}
		// An order that moves to another price loses its priority.
		if !known || canonical(entry.level.GetPrice()) != canonical(change.level.GetPrice()) {
			s.places++
			entry.place = s.places
		}
		entry.level = change.level
		s.entries[change.key] = entry
	}
}

func (s *bookSide) trim(depth, direction int) {
	if len(s.entries) <= depth {
		return
	}
	levels := s.sorted(direction)
	for _, level := range levels[bestPrices(levels, depth):] {
		delete(s.entries, keyOf(level))
	}
}

func (s *bookSide) sorted(direction int) []*marketsv1.BookLevel {
	entries := slices.SortedFunc(maps.Values(s.entries), func(one, other bookEntry) int {
		if order := comparePlain(one.level.GetPrice(), other.level.GetPrice()); order != 0 {
			return order * direction
		}
		return cmp.Compare(one.place, other.place)
	})
	levels := make([]*marketsv1.BookLevel, len(entries))
	for i, entry := range entries {
		levels[i] = entry.level
	}
	return levels
}

func keyOf(level *marketsv1.BookLevel) string {
	if level.OrderId != nil {
		return "order " + level.GetOrderId()
	}
	return canonical(level.GetPrice())
}

func checkNumber(text string, message bookMessage) error {
	if !isPlain(text) {
		return newBookError(BookErrorKindLevelMalformed, message, "a plain decimal", text)
	}
	return nil
}

// canonical returns the same string for equal numbers; plain decimals differ only in trailing zeros.
func canonical(text string) string {
	if !strings.Contains(text, ".") {
		return text
	}
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
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
