//go:build go1.25

package client_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strconv"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

const listing = "binance:BTC-USDT-SPOT"

// venue is a server of one book that does whatever the bytes say. When they end, it makes a last change and works well.
type venue struct {
	script []byte
	ended  bool
	idle   int
	// books has the bids after each sequence, and deltas the change that led there.
	books  []map[string]string
	deltas []*marketsv1.OrderBookDelta
}

func (v *venue) next() byte {
	if len(v.script) == 0 {
		return 0 // All is well.
	}
	first := v.script[0]
	v.script = v.script[1:]
	return first
}

// trade changes the book.
func (v *venue) trade() {
	price, quantity := strconv.Itoa(100+int(v.next())%5), strconv.Itoa(int(v.next())%3)
	sequence := uint64(len(v.books))
	changed := maps.Clone(v.books[sequence-1])
	if changed[price] = quantity; quantity == "0" {
		delete(changed, price)
	}
	v.books = append(v.books, changed)
	v.deltas = append(v.deltas, &marketsv1.OrderBookDelta{
		VenueSymbolId: proto.String(listing),
		Sequence:      proto.Uint64(sequence), PreviousSequence: proto.Uint64(sequence - 1),
		Bids: []*marketsv1.BookLevel{{Price: price, Quantity: quantity}},
	})
}

func (v *venue) open(
	ctx context.Context, request *servicesv1.StreamOrderBookRequest, _ ...grpc.CallOption,
) (grpc.ServerStreamingClient[servicesv1.StreamOrderBookResponse], error) {
	if v.next()%4 == 3 {
		return nil, status.Error(codes.Unavailable, "restarting")
	}
	sent, err := strconv.Atoi(request.GetResumeToken())
	if err != nil {
		sent = -1
	}
	return &connection{venue: v, ctx: ctx, sent: sent, complete: err == nil}, nil
}

// connection is one attempt of the client.
type connection struct {
	grpc.ClientStream
	venue *venue
	ctx   context.Context
	// sent is the sequence that the client knows, -1 if it knows none.
	sent     int
	complete bool
}

func (c *connection) Recv() (*servicesv1.StreamOrderBookResponse, error) {
	if len(c.venue.script) == 0 && !c.venue.ended {
		c.venue.ended = true
		c.venue.trade()
	}
	last := len(c.venue.books) - 1
	switch c.venue.next() % 10 {
	case 1:
		c.venue.trade()
		last++
	case 2:
		return nil, io.EOF
	case 3:
		return nil, status.Error(codes.Internal, "broken")
	case 4: // Silence.
		<-c.ctx.Done()
		return nil, c.ctx.Err()
	case 5:
		return c.heartbeat(), nil
	case 6: // A gap: the client misses what happened.
		c.venue.trade()
		c.venue.trade()
		if last += 2; c.sent >= 0 {
			c.sent = last - 1
		}
	case 7: // A change comes again.
		if c.sent > 0 {
			return c.delta(c.sent), nil
		}
	case 8:
		c.sent, c.complete = -1, false
		reset := &servicesv1.StreamReset{Reason: servicesv1.StreamResetReason_STREAM_RESET_REASON_SLOW_CONSUMER}
		return &servicesv1.StreamOrderBookResponse{Event: &servicesv1.StreamOrderBookResponse_Reset_{Reset_: reset}}, nil
	}
	switch {
	case c.sent < 0:
		c.sent = last
		snapshot := &marketsv1.OrderBook{VenueSymbolId: proto.String(listing), Sequence: proto.Uint64(uint64(last))}
		for price, quantity := range c.venue.books[last] {
			snapshot.Bids = append(snapshot.Bids, &marketsv1.BookLevel{Price: price, Quantity: quantity})
		}
		return &servicesv1.StreamOrderBookResponse{
			Event: &servicesv1.StreamOrderBookResponse_Snapshot{Snapshot: snapshot}, ResumeToken: c.token(),
		}, nil
	case c.sent < last:
		c.sent++
		return c.delta(c.sent), nil
	case !c.complete:
		c.complete = true
		complete := &servicesv1.StreamOrderBookResponse_SnapshotComplete{SnapshotComplete: &servicesv1.SnapshotComplete{}}
		return &servicesv1.StreamOrderBookResponse{Event: complete, ResumeToken: c.token()}, nil
	}
	if c.venue.ended {
		c.venue.idle++
	}
	if c.venue.idle > 10 {
		return nil, status.Error(codes.Aborted, "the client has all changes and does not return the book")
	}
	return c.heartbeat(), nil
}

// token continues after what was sent. One from before snapshot_complete starts anew.
func (c *connection) token() string {
	if !c.complete {
		return "snapshot"
	}
	return strconv.Itoa(c.sent)
}

func (c *connection) delta(sequence int) *servicesv1.StreamOrderBookResponse {
	return &servicesv1.StreamOrderBookResponse{
		Event:       &servicesv1.StreamOrderBookResponse_Delta{Delta: c.venue.deltas[sequence]},
		ResumeToken: c.token(),
	}
}

func (c *connection) heartbeat() *servicesv1.StreamOrderBookResponse {
	return &servicesv1.StreamOrderBookResponse{
		Event: &servicesv1.StreamOrderBookResponse_Heartbeat{Heartbeat: &servicesv1.Heartbeat{}}, ResumeToken: c.token(),
	}
}

// FuzzFollowBook checks that a LIVE book is always one that the venue had, never older than the one before, and that
// the client has the newest book when the troubles end.
func FuzzFollowBook(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 1, 1, 1, 2, 0, 1, 2, 1})
	f.Add([]byte{0, 0, 0, 6, 1, 1, 2, 2, 3, 3, 0, 5, 4, 0, 8, 0, 2})
	f.Add([]byte{0, 0, 2, 0, 0, 0, 7, 1, 3, 2, 0, 7, 3, 3, 0, 8, 2, 0, 5, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			served := &venue{script: script, books: []map[string]string{{"100": "1"}}}
			served.deltas = []*marketsv1.OrderBookDelta{nil} // No change leads to the first book.
			request := &servicesv1.StreamOrderBookRequest{VenueSymbolId: listing}
			state, newest, shown := client.BookState(""), uint64(0), ""
			for update, err := range client.FollowBook(t.Context(), served.open, request, client.FollowOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				switch update.State {
				case client.BookStateLive:
					sequence, _ := update.Book.Sequence()
					if shown = text(update.Book); sequence < newest || shown != fmt.Sprint(served.books[sequence]) {
						t.Fatalf("the book of %d is %s, want %v; before came %d", sequence, shown, served.books[sequence], newest)
					}
					newest = sequence
				case client.BookStateStale:
					if state != client.BookStateLive || text(update.Book) != shown {
						t.Fatalf("the book went from %s to STALE as %s, want %s", state, text(update.Book), shown)
					}
				case client.BookStateReset:
					if update.Book != nil || update.Reason == "" {
						t.Fatalf("got %+v", update)
					}
				}
				if state = update.State; state == client.BookStateLive && served.ended &&
					newest == uint64(len(served.books)-1) {
					return
				}
			}
		})
	})
}

// text returns the bids of a book as fmt prints a map.
func text(book *cqc.BookBuilder) string {
	levels := map[string]string{}
	for _, level := range book.Bids() {
		levels[level.GetPrice()] = level.GetQuantity()
	}
	return fmt.Sprint(levels)
}
