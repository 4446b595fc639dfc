// The server replays captured traffic as the comments of the protos specify. A replay has no pauses, so no heartbeat
// falls due within a stream, and it ends after the captured traffic.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	"github.com/Combine-Capital/cqc/packages/go-cqc/access"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	"github.com/Combine-Capital/cqc/packages/go-cqc/interceptors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

const defaultPageSize = 100

// verify returns the holder of a token. A real service asks its identity provider, and serves over TLS.
func verify(_ context.Context, token string) (*access.Principal, error) {
	if token != "example" {
		return nil, nil
	}
	return &access.Principal{Subject: "reader", Scopes: []string{"market.read", "registry.read"}}, nil
}

// listings lists the captured listings. It keeps no history, and none of them changes.
type listings struct {
	servicesv1.UnimplementedAssetRegistryServer
	captured markets
	started  time.Time
}

// replay replays the captured data from the start for every client.
type replay struct {
	servicesv1.UnimplementedMarketDataServer
	captured markets
}

// ListVenueSymbols returns one page of listings, sorted by id.
func (l listings) ListVenueSymbols(
	_ context.Context, request *servicesv1.ListVenueSymbolsRequest,
) (*servicesv1.ListVenueSymbolsResponse, error) {
	if at := request.GetAsOf(); at != nil && at.AsTime().Before(l.started) {
		oldest := l.started.UTC().Format(time.RFC3339Nano)
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_AS_OF_NOT_KEPT,
			"the history starts at "+oldest, "oldest", oldest)
	}
	var found []*venuesv1.VenueSymbol
	for _, name := range slices.Sorted(maps.Keys(l.captured)) {
		listing := l.captured[name].listing
		if (request.VenueId == nil || request.GetVenueId() == listing.GetVenueId()) &&
			(request.SymbolId == nil || request.GetSymbolId() == listing.GetSymbolId()) {
			found = append(found, listing)
		}
	}
	page, next, err := page(found, request,
		"listings", request.GetVenueId(), request.GetSymbolId(), nanos(request.GetValidAt()), nanos(request.GetAsOf()))
	if err != nil {
		return nil, err
	}
	return &servicesv1.ListVenueSymbolsResponse{VenueSymbols: page, NextPageToken: next}, nil
}

// GetPrice returns the last captured trade price of a pair such as BTC-USD.
func (r replay) GetPrice(_ context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	asset, quote, found := strings.Cut(request.GetAssetId(), "-")
	if !found {
		quote = "USD"
	}
	known := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(r.captured)) {
		captured := r.captured[name]
		parts := strings.Split(captured.listing.GetSymbolId(), "-")
		known[parts[0]], known[parts[1]] = true, true
		if len(captured.trades) == 0 || parts[0] != asset || parts[1] != quote {
			continue
		}
		trade := captured.trades[len(captured.trades)-1]
		value, err := strconv.ParseFloat(trade.GetPrice(), 64)
		if err != nil {
			return nil, err
		}
		return &marketsv1.Price{
			AssetId:       request.GetAssetId(),
			Value:         value,
			Timestamp:     trade.GetTimestamp(),
			QuoteAssetId:  proto.String(quote),
			VenueSymbolId: proto.String(name),
			Kind:          marketsv1.PriceKind_PRICE_KIND_LAST,
			Source:        marketsv1.PriceSource_PRICE_SOURCE_VENUE,
			ReceivedAt:    trade.GetReceivedAt(),
		}, nil
	}
	for _, part := range []string{asset, quote} {
		if !known[part] {
			return nil, notFound("Asset", part)
		}
	}
	return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA,
		fmt.Sprintf("no trade of %s was captured", request.GetAssetId()))
}

// GetOrderBook returns the captured snapshot, cut to the requested depth.
func (r replay) GetOrderBook(
	_ context.Context, request *servicesv1.GetOrderBookRequest,
) (*servicesv1.GetOrderBookResponse, error) {
	captured, err := r.market(request.GetVenueSymbolId())
	if err != nil {
		return nil, err
	}
	return &servicesv1.GetOrderBookResponse{OrderBook: cut(captured.snapshot, int(request.GetDepth()))}, nil
}

// StreamOrderBook streams the snapshot and the captured deltas, then ends. A token holds the number of messages before
// it.
func (r replay) StreamOrderBook(
	request *servicesv1.StreamOrderBookRequest, stream grpc.ServerStreamingServer[servicesv1.StreamOrderBookResponse],
) error {
	captured, err := r.market(request.GetVenueSymbolId())
	if err != nil {
		return err
	}
	steps, err := captured.steps(int(request.GetDepth()))
	if err != nil {
		return err
	}
	filters := []any{"book", request.GetVenueSymbolId(), request.GetDepth()}
	sent, err := position(request.GetResumeToken(), resuming, len(steps), filters)
	if err != nil {
		return err
	}
	if sent < 2 {
		// The client left before SnapshotComplete, so it does not know the state.
		sent = 0
	} else if err := stream.Send(&servicesv1.StreamOrderBookResponse{
		Event:       &servicesv1.StreamOrderBookResponse_Heartbeat{Heartbeat: heartbeat()},
		ResumeToken: token(sent, filters),
	}); err != nil {
		return err
	}
	for ; sent < len(steps); sent++ {
		step := steps[sent]
		if step.GetReset_() == nil {
			step.ResumeToken = token(sent+1, filters)
		}
		if err := stream.Send(step); err != nil {
			return err
		}
	}
	return nil
}

// ListTrades returns one page of captured trades. The resume token continues after the last captured trade.
func (r replay) ListTrades(
	_ context.Context, request *servicesv1.ListTradesRequest,
) (*servicesv1.ListTradesResponse, error) {
	captured, err := r.market(request.GetVenueSymbolId())
	if err != nil {
		return nil, err
	}
	start, end := request.GetStartTime(), request.GetEndTime()
	var found []*marketsv1.Trade
	for _, trade := range captured.trades {
		at := trade.GetTimestamp()
		if at == nil {
			at = trade.GetReceivedAt()
		}
		if (start == nil || !at.AsTime().Before(start.AsTime())) && (end == nil || at.AsTime().Before(end.AsTime())) {
			found = append(found, trade)
		}
	}
	trades, next, err := page(found, request, "trades", request.GetVenueSymbolId(), nanos(start), nanos(end))
	if err != nil {
		return nil, err
	}
	answer := &servicesv1.ListTradesResponse{Trades: trades, NextPageToken: next}
	if end == nil {
		answer.ResumeToken = token(len(captured.trades), []any{"trades", []string{request.GetVenueSymbolId()}})
	}
	return answer, nil
}

// StreamTrades streams the captured trades of the listings, then ends. A token holds the number of trades before it.
func (r replay) StreamTrades(
	request *servicesv1.StreamTradesRequest, stream grpc.ServerStreamingServer[servicesv1.StreamTradesResponse],
) error {
	var trades []*marketsv1.Trade
	for _, name := range request.GetVenueSymbolIds() {
		captured, err := r.market(name)
		if err != nil {
			return err
		}
		trades = append(trades, captured.trades...)
	}
	filters := []any{"trades", request.GetVenueSymbolIds()}
	sent, err := position(request.GetResumeToken(), resuming, len(trades), filters)
	if err != nil {
		return err
	}
	if err := stream.Send(&servicesv1.StreamTradesResponse{
		Event:       &servicesv1.StreamTradesResponse_Heartbeat{Heartbeat: heartbeat()},
		ResumeToken: token(sent, filters),
	}); err != nil {
		return err
	}
	for ; sent < len(trades); sent++ {
		if err := stream.Send(&servicesv1.StreamTradesResponse{
			Event:       &servicesv1.StreamTradesResponse_Trade{Trade: trades[sent]},
			ResumeToken: token(sent+1, filters),
		}); err != nil {
			return err
		}
	}
	return nil
}

func (r replay) market(name string) (*market, error) {
	if captured := r.captured[name]; captured != nil {
		return captured, nil
	}
	return nil, notFound("VenueSymbol", name)
}

func notFound(kind, name string) error {
	return errors.New(servicesv1.ErrorReason_ERROR_REASON_RECORD_NOT_FOUND,
		fmt.Sprintf("no %s %s was captured; call ListVenueSymbols for the valid ids", kind, name),
		"type", kind, "id", name, "checked_at", time.Now().UTC().Format(time.RFC3339Nano))
}

func heartbeat() *servicesv1.Heartbeat { return &servicesv1.Heartbeat{SentAt: timestamppb.Now()} }

// cut returns the best prices of each side, or the whole book for depth 0.
func cut(book *marketsv1.OrderBook, depth int) *marketsv1.OrderBook {
	book = proto.CloneOf(book)
	if depth > 0 {
		book.Bids = best(book.Bids, depth)
		book.Asks = best(book.Asks, depth)
		book.Depth = proto.Uint32(uint32(depth))
		book.Checksum = nil
		book.ChecksumKind = marketsv1.ChecksumKind_CHECKSUM_KIND_UNSPECIFIED
	}
	return book
}

func best(levels []*marketsv1.BookLevel, depth int) []*marketsv1.BookLevel {
	return levels[:min(depth, len(levels))]
}

// steps returns the messages of a book's stream, without tokens.
func (m *market) steps(depth int) ([]*servicesv1.StreamOrderBookResponse, error) {
	steps := []*servicesv1.StreamOrderBookResponse{
		{Event: &servicesv1.StreamOrderBookResponse_Snapshot{Snapshot: cut(m.snapshot, depth)}},
		{Event: &servicesv1.StreamOrderBookResponse_SnapshotComplete{SnapshotComplete: &servicesv1.SnapshotComplete{}}},
	}
	book, err := cqc.NewBookBuilder(m.snapshot)
	if err != nil {
		return nil, err
	}
	last, numbered := book.Sequence()
	bids, asks := best(book.Bids(), depth), best(book.Asks(), depth)
	for _, captured := range m.deltas {
		applied, err := book.Apply(captured)
		if err != nil {
			// No later snapshot was captured, so the book stays unknown.
			return append(steps, &servicesv1.StreamOrderBookResponse{
				Event: &servicesv1.StreamOrderBookResponse_Reset_{Reset_: &servicesv1.StreamReset{
					Reason: servicesv1.StreamResetReason_STREAM_RESET_REASON_SEQUENCE_GAP, Detail: err.Error(),
				}},
			}), nil
		}
		if !applied {
			continue
		}
		delta := proto.CloneOf(captured)
		if depth > 0 {
			nowBids, nowAsks := best(book.Bids(), depth), best(book.Asks(), depth)
			delta.Bids, delta.Asks = changes(bids, nowBids), changes(asks, nowAsks)
			delta.Checksum, delta.ChecksumKind = nil, marketsv1.ChecksumKind_CHECKSUM_KIND_UNSPECIFIED
			bids, asks = nowBids, nowAsks
			if len(delta.Bids) == 0 && len(delta.Asks) == 0 {
				continue
			}
		}
		// What is left out must not look like a gap.
		if numbered && delta.Sequence != nil {
			delta.PreviousSequence = proto.Uint64(last)
			last = delta.GetSequence()
		}
		steps = append(steps, &servicesv1.StreamOrderBookResponse{
			Event: &servicesv1.StreamOrderBookResponse_Delta{Delta: delta},
		})
	}
	return steps, nil
}

// changes returns the levels that turn one side into another. Deletions come first, because 1.0 may become 1.00.
func changes(before, after []*marketsv1.BookLevel) []*marketsv1.BookLevel {
	var made []*marketsv1.BookLevel
	samePrice := func(level *marketsv1.BookLevel) func(*marketsv1.BookLevel) bool {
		return func(other *marketsv1.BookLevel) bool { return other.GetPrice() == level.GetPrice() }
	}
	for _, level := range before {
		if !slices.ContainsFunc(after, samePrice(level)) {
			made = append(made, &marketsv1.BookLevel{
				Price: level.GetPrice(), Quantity: "0", Action: marketsv1.BookAction_BOOK_ACTION_DELETE,
			})
		}
	}
	for _, level := range after {
		known := slices.IndexFunc(before, samePrice(level))
		if known < 0 || !proto.Equal(before[known], level) {
			made = append(made, level)
		}
	}
	return made
}

type paged interface {
	GetPageSize() int32
	GetPageToken() string
}

const (
	paging   = servicesv1.ErrorReason_ERROR_REASON_INVALID_PAGE_TOKEN
	resuming = servicesv1.ErrorReason_ERROR_REASON_INVALID_RESUME_TOKEN
)

func page[T any](all []T, request paged, filters ...any) ([]T, string, error) {
	start, err := position(request.GetPageToken(), paging, len(all), filters)
	if err != nil {
		return nil, "", err
	}
	size := int(request.GetPageSize())
	if size == 0 {
		size = defaultPageSize
	}
	end := min(start+size, len(all))
	next := ""
	if end < len(all) {
		next = token(end, filters)
	}
	return all[start:end], next, nil
}

// token returns a token that only a request with the same filters takes.
func token(position int, filters []any) string {
	digest := sha256.Sum256(fmt.Appendf(nil, "%q", filters))
	return fmt.Sprintf("%d-%x", position, digest[:8])
}

// position returns how many of size items come before the token. An empty token is before the first.
func position(given string, reason servicesv1.ErrorReason, size int, filters []any) (int, error) {
	if given == "" {
		return 0, nil
	}
	digits, _, _ := strings.Cut(given, "-")
	number, err := strconv.Atoi(digits)
	if err != nil || number < 0 || number > size || given != token(number, filters) {
		return 0, errors.New(reason,
			fmt.Sprintf("%q is not a token that this server returned for the same filters", given))
	}
	return number, nil
}

// nanos returns a string that is different for each time, and for a missing time.
func nanos(at *timestamppb.Timestamp) string {
	if at == nil {
		return ""
	}
	return fmt.Sprint(at.GetSeconds(), at.GetNanos())
}

// serve serves until SIGTERM or SIGINT. The first line printed is the listening address.
func serve(data, address string) error {
	captured, err := load(data)
	if err != nil {
		return err
	}
	maps.DeleteFunc(captured, func(_ string, m *market) bool { return m.snapshot == nil })
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer(append(access.ServerOptions(verify), interceptors.ServerOptions()...)...)
	servicesv1.RegisterMarketDataServer(server, replay{captured: captured})
	servicesv1.RegisterAssetRegistryServer(server, listings{captured: captured, started: time.Now()})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-stop
		server.Stop()
	}()
	fmt.Println("listening on", listener.Addr())
	return server.Serve(listener)
}
