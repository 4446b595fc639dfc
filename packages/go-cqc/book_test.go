package cqc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"testing"
	"testing/quick"

	"google.golang.org/protobuf/proto"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
)

type bookFailure struct {
	Kind, Listing    string
	Sequence         *string
	Expected, Actual string
}

type bookVectors struct {
	Checksums []struct {
		Source, Kind string
		Bids, Asks   [][]string
		Checksum     uint32
	}
	Books []struct {
		Name     string
		Verify   bool
		Snapshot json.RawMessage
		Error    *bookFailure
		Steps    []struct {
			Delta, Result json.RawMessage
		}
		Bids, Asks [][]string
	}
}

func level(price, quantity string) *marketsv1.BookLevel {
	return &marketsv1.BookLevel{Price: price, Quantity: quantity}
}

func levels(pairs [][]string) []*marketsv1.BookLevel {
	read := make([]*marketsv1.BookLevel, 0, len(pairs))
	for _, pair := range pairs {
		read = append(read, level(pair[0], pair[1]))
	}
	return read
}

func pairsOf(levels []*marketsv1.BookLevel) [][]string {
	pairs := make([][]string, 0, len(levels))
	for _, level := range levels {
		pairs = append(pairs, []string{level.GetPrice(), level.GetQuantity()})
	}
	return pairs
}

func samePairs(one, other [][]string) bool {
	return slices.EqualFunc(one, other, slices.Equal[[]string])
}

func failureOf(t *testing.T, err error) string {
	t.Helper()
	var failed *cqc.BookError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v, want a BookError", err)
	}
	failure := bookFailure{string(failed.Kind), failed.Listing, nil, failed.Expected, failed.Actual}
	if failed.Sequence != nil {
		failure.Sequence = proto.String(strconv.FormatUint(*failed.Sequence, 10))
	}
	return text(t, failure)
}

func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestBookChecksum(t *testing.T) {
	for _, item := range vectors[bookVectors](t, "books.json").Checksums {
		book := &marketsv1.OrderBook{Bids: levels(item.Bids), Asks: levels(item.Asks)}
		kind := marketsv1.ChecksumKind(marketsv1.ChecksumKind_value[item.Kind])
		if checksum, err := cqc.BookChecksum(book, kind); err != nil || checksum != item.Checksum {
			t.Errorf("%s: got %d, %v, want %d", item.Source, checksum, err, item.Checksum)
		}
	}
	_, err := cqc.BookChecksum(&marketsv1.OrderBook{}, marketsv1.ChecksumKind_CHECKSUM_KIND_UNSPECIFIED)
	var failed *cqc.BookError
	if !errors.As(err, &failed) || failed.Kind != cqc.BookErrorKindChecksumKindUnknown {
		t.Errorf("got %v, want an unknown kind", err)
	}
}

func TestBookBuilder(t *testing.T) {
	for _, item := range vectors[bookVectors](t, "books.json").Books {
		t.Run(item.Name, func(t *testing.T) {
			var options []cqc.BookOption
			if item.Verify {
				options = append(options, cqc.VerifyChecksums())
			}
			book, err := cqc.NewBookBuilder(fromJSON(t, item.Snapshot, &marketsv1.OrderBook{}), options...)
			if item.Error != nil {
				if got, want := failureOf(t, err), text(t, item.Error); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range item.Steps {
				applied, err := book.Apply(fromJSON(t, step.Delta, &marketsv1.OrderBookDelta{}))
				got, want := strconv.FormatBool(applied), string(step.Result)
				if err != nil {
					var failure bookFailure
					if err := json.Unmarshal(step.Result, &failure); err != nil {
						t.Fatalf("step %d: got %s, want %s", i, failureOf(t, err), want)
					}
					got, want = failureOf(t, err), text(t, failure)
				}
				if got != want {
					t.Errorf("step %d: got %s, want %s", i, got, want)
				}
			}
			bids, asks := pairsOf(book.Bids()), pairsOf(book.Asks())
			if !samePairs(bids, item.Bids) || !samePairs(asks, item.Asks) {
				t.Errorf("got bids %s and asks %s", bids, asks)
			}
		})
	}
}

func TestBookIsASnapshotOfItsState(t *testing.T) {
	snapshot := &marketsv1.OrderBook{
		VenueSymbolId: proto.String(name), Bids: []*marketsv1.BookLevel{level("9", "1")},
		Sequence: proto.Uint64(5), Checksum: proto.Uint32(1), Depth: proto.Uint32(10),
		VenueFields: map[string]string{"/x": "1"},
	}
	book, err := cqc.NewBookBuilder(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	change := level("9.0", "2")
	change.Action, change.RawAction = marketsv1.BookAction_BOOK_ACTION_CHANGE, "u"
	delta := &marketsv1.OrderBookDelta{
		VenueSymbolId: proto.String(name), Sequence: proto.Uint64(6), Bids: []*marketsv1.BookLevel{change},
	}
	if applied, err := book.Apply(delta); !applied || err != nil {
		t.Errorf("got %t, %v", applied, err)
	}
	now := book.Book()
	sameLevel := proto.Equal(now.GetBids()[0], level("9.0", "2"))
	if now.Checksum != nil || now.VenueFields != nil || now.GetSequence() != 6 || now.GetDepth() != 10 || !sameLevel {
		t.Errorf("got snapshot %v", now)
	}
	if change.GetRawAction() != "u" {
		t.Error("the delta was changed")
	}
	bad := &marketsv1.OrderBook{VenueSymbolId: proto.String(name), Bids: []*marketsv1.BookLevel{level("x", "1")}}
	if err := book.Reset(bad); err == nil || !samePairs(pairsOf(book.Bids()), [][]string{{"9.0", "2"}}) {
		t.Errorf("after a failed reset: got %v and bids %v", err, book.Bids())
	}
	if err := book.Reset(snapshot); err != nil {
		t.Error(err)
	}
	if sequence, ok := book.Sequence(); sequence != 5 || !ok {
		t.Errorf("got sequence %d, %t after a reset", sequence, ok)
	}
}

func TestBookIsSortedByValue(t *testing.T) {
	sorted := func(numbers []int32) bool {
		snapshot := &marketsv1.OrderBook{}
		for _, number := range numbers {
			price := fmt.Sprintf("%d.%03d", number/1000, max(number, -number)%1000)
			if new(big.Rat).SetInt64(int64(number/1000)).Sign() == 0 {
				price = fmt.Sprintf("0.%03d", max(number, -number)%1000)
			}
			snapshot.Bids = append(snapshot.Bids, level(price, "1"))
		}
		book, err := cqc.NewBookBuilder(snapshot)
		if err != nil {
			return false
		}
		bids := book.Bids()
		for i := 1; i < len(bids); i++ {
			one, _ := new(big.Rat).SetString(bids[i-1].GetPrice())
			other, _ := new(big.Rat).SetString(bids[i].GetPrice())
			if one.Cmp(other) <= 0 {
				return false
			}
		}
		return true
	}
	if err := quick.Check(sorted, nil); err != nil {
		t.Error(err)
	}
}

func FuzzBookBuilder(f *testing.F) {
	f.Add("10", "1", "", "9", "", "a", uint32(2))
	f.Add("", "1", "a", "", "2", "a", uint32(1))
	f.Add("1e5", "", "a", "", "0", "", uint32(0))
	f.Fuzz(func(t *testing.T, price, quantity, id, otherPrice, otherQuantity, otherID string, depth uint32) {
		one, other := level(price, quantity), level(otherPrice, otherQuantity)
		if id != "" {
			one.OrderId = &id
		}
		if otherID != "" {
			other.OrderId = &otherID
		}
		snapshot := &marketsv1.OrderBook{Bids: []*marketsv1.BookLevel{one}, Depth: &depth}
		book, err := cqc.NewBookBuilder(snapshot)
		if err != nil {
			failureOf(t, err)
			return
		}
		before := book.Book()
		if _, err := book.Apply(&marketsv1.OrderBookDelta{Bids: []*marketsv1.BookLevel{other, one}}); err != nil {
			failureOf(t, err)
			if !proto.Equal(book.Book(), before) {
				t.Errorf("%v changed the book to %v", err, book.Book())
			}
		}
	})
}
