package main

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

const defaultPageSize = 100

// listings lists the captured listings.
type listings struct {
	servicesv1.UnimplementedAssetRegistryServer
	captured markets
}

// replay replays the captured data from the start for every client.
type replay struct {
	servicesv1.UnimplementedMarketDataServer
	captured markets
}

func (l listings) ListVenueSymbols(
	_ context.Context, request *servicesv1.ListVenueSymbolsRequest,
) (*servicesv1.ListVenueSymbolsResponse, error) {
	names := slices.Sorted(maps.Keys(l.captured))
	names, next, err := page(names, request)
	if err != nil {
		return nil, err
	}
	answer := &servicesv1.ListVenueSymbolsResponse{NextPageToken: next}
	for _, name := range names {
		answer.VenueSymbols = append(answer.VenueSymbols, l.captured[name].listing)
	}
	return answer, nil
}

// GetPrice returns the last captured trade price of a pair such as BTC-USD.
func (r replay) GetPrice(_ context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	asset, quote, found := strings.Cut(request.GetAssetId(), "-")
	if !found {
		quote = "USD"
	}
	for _, name := range slices.Sorted(maps.Keys(r.captured)) {
		captured := r.captured[name]
		if len(captured.trades) == 0 || !strings.HasPrefix(captured.listing.GetSymbolId(), asset+"-"+quote+"-") {
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
	return nil, status.Errorf(codes.NotFound, "no captured trade for %s", request.GetAssetId())
}

// GetOrderBook returns the captured snapshot, cut to the requested depth.
func (r replay) GetOrderBook(
	_ context.Context, request *servicesv1.GetOrderBookRequest,
) (*servicesv1.GetOrderBookResponse, error) {
	captured, err := r.market(request.GetVenueSymbolId())
	if err != nil {
		return nil, err
	}
	book := proto.CloneOf(captured.snapshot)
	if depth := int(request.GetDepth()); depth > 0 {
		book.Bids = book.Bids[:min(depth, len(book.Bids))]
		book.Asks = book.Asks[:min(depth, len(book.Asks))]
		book.Depth = proto.Uint32(request.GetDepth())
	}
	return &servicesv1.GetOrderBookResponse{OrderBook: book}, nil
}

// StreamOrderBook streams the snapshot and the captured deltas, then ends. The resume token is the number of deltas
// sent.
func (r replay) StreamOrderBook(
	request *servicesv1.StreamOrderBookRequest, stream grpc.ServerStreamingServer[servicesv1.StreamOrderBookResponse],
) error {
	captured, err := r.market(request.GetVenueSymbolId())
	if err != nil {
		return err
	}
	sent, err := position(request.GetResumeToken())
	if err != nil {
		return err
	}
	if request.GetResumeToken() == "" {
		if err := stream.Send(&servicesv1.StreamOrderBookResponse{
			Event:       &servicesv1.StreamOrderBookResponse_Snapshot{Snapshot: captured.snapshot},
			ResumeToken: "0",
		}); err != nil {
			return err
		}
	}
	for ; sent < len(captured.deltas); sent++ {
		if err := stream.Send(&servicesv1.StreamOrderBookResponse{
			Event:       &servicesv1.StreamOrderBookResponse_Delta{Delta: captured.deltas[sent]},
			ResumeToken: strconv.Itoa(sent + 1),
		}); err != nil {
			return err
		}
	}
	return stream.Send(&servicesv1.StreamOrderBookResponse{
		Event: &servicesv1.StreamOrderBookResponse_Heartbeat{
			Heartbeat: &servicesv1.Heartbeat{SentAt: timestamppb.Now()},
		},
		ResumeToken: strconv.Itoa(len(captured.deltas)),
	})
}

// ListTrades returns one page of captured trades.
func (r replay) ListTrades(
	_ context.Context, request *servicesv1.ListTradesRequest,
) (*servicesv1.ListTradesResponse, error) {
	captured, err := r.market(request.GetVenueSymbolId())
	if err != nil {
		return nil, err
	}
	trades, next, err := page(captured.trades, request)
	return &servicesv1.ListTradesResponse{Trades: trades, NextPageToken: next}, err
}

// StreamTrades streams the captured trades of the listings, then ends. The resume token is the number of trades sent.
func (r replay) StreamTrades(
	request *servicesv1.StreamTradesRequest, stream grpc.ServerStreamingServer[servicesv1.StreamTradesResponse],
) error {
	sent, err := position(request.GetResumeToken())
	if err != nil {
		return err
	}
	number := 0
	for _, name := range request.GetVenueSymbolIds() {
		captured, err := r.market(name)
		if err != nil {
			return err
		}
		for _, trade := range captured.trades {
			number++
			if number <= sent {
				continue
			}
			if err := stream.Send(&servicesv1.StreamTradesResponse{
				Event:       &servicesv1.StreamTradesResponse_Trade{Trade: trade},
				ResumeToken: strconv.Itoa(number),
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r replay) market(name string) (*market, error) {
	if captured := r.captured[name]; captured != nil {
		return captured, nil
	}
	return nil, status.Errorf(codes.NotFound, "no captured data for %s; call ListVenueSymbols for the valid ids", name)
}

type paged interface {
	GetPageSize() int32
	GetPageToken() string
}

func page[T any](all []T, request paged) ([]T, string, error) {
	start, err := position(request.GetPageToken())
	if err != nil {
		return nil, "", err
	}
	size := int(request.GetPageSize())
	if size == 0 {
		size = defaultPageSize
	}
	start = min(start, len(all))
	end := min(start+size, len(all))
	next := ""
	if end < len(all) {
		next = strconv.Itoa(end)
	}
	return all[start:end], next, nil
}

// position parses a page or resume token, which is a number of items. An empty token is zero.
func position(token string) (int, error) {
	if token == "" {
		return 0, nil
	}
	number, err := strconv.Atoi(token)
	if err != nil || number < 0 {
		return 0, status.Errorf(codes.InvalidArgument, "invalid token %q: pass one that this server returned", token)
	}
	return number, nil
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
	server := grpc.NewServer()
	servicesv1.RegisterMarketDataServer(server, replay{captured: captured})
	servicesv1.RegisterAssetRegistryServer(server, listings{captured: captured})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-stop
		server.Stop()
	}()
	fmt.Println("listening on", listener.Addr())
	return server.Serve(listener)
}
