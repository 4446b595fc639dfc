package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	stderrors "errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

const (
	pageSize = 5
	top      = 3
	// The number of books that are also followed with a limited depth.
	limitedBooks = 2
	timeout      = 60 * time.Second
)

// result holds totals, and a SHA-256 of the final books and trades that is the same in every language.
type result struct {
	Books  int    `json:"books"`
	Deltas int    `json:"deltas"`
	Trades int    `json:"trades"`
	Digest string `json:"digest"`
}

// rebuild consumes the streams of every listing until the server ends them.
func rebuild(address string) (result, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return result{}, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	// Over a network a token needs TLS: credentials.NewTLS and oauth.TokenSource.
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer example")

	registry := servicesv1.NewAssetRegistryClient(conn)
	_, err = registry.ListVenueSymbols(ctx, &servicesv1.ListVenueSymbolsRequest{PageToken: "1"})
	failure, ok := errors.From(err)
	if !ok || failure.Reason != servicesv1.ErrorReason_ERROR_REASON_INVALID_PAGE_TOKEN {
		return result{}, fmt.Errorf("a page token that the server did not return: got error %v", err)
	}
	found, err := listVenueSymbols(ctx, registry)
	if err != nil {
		return result{}, err
	}
	marketData := servicesv1.NewMarketDataClient(conn)
	var total result
	var lines []string
	for _, listing := range found {
		name := listing.GetVenueSymbolId()
		book, deltas, err := followBook(ctx, marketData, name, 0)
		if err != nil {
			return result{}, err
		}
		if total.Books < limitedBooks {
			if err := checkDepth(ctx, marketData, name, book); err != nil {
				return result{}, err
			}
		}
		trades, err := allTrades(ctx, marketData, name)
		if err != nil {
			return result{}, err
		}
		if err := checkPrice(ctx, marketData, listing, trades); err != nil {
			return result{}, err
		}
		total.Books++
		total.Deltas += deltas
		total.Trades += len(trades)
		sequence := "-"
		if number, ok := book.Sequence(); ok {
			sequence = strconv.FormatUint(number, 10)
		}
		lines = append(lines, fmt.Sprintf("book %s %s", name, sequence))
		for _, level := range book.Bids() {
			lines = append(lines, "b "+level.GetPrice()+" "+level.GetQuantity())
		}
		for _, level := range book.Asks() {
			lines = append(lines, "a "+level.GetPrice()+" "+level.GetQuantity())
		}
		for _, trade := range trades {
			lines = append(lines, fmt.Sprintf(
				"t %s %s %s %d", trade.GetTradeId(), trade.GetPrice(), trade.GetQuantity(), trade.GetAggressor()))
		}
	}
	digest := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	total.Digest = hex.EncodeToString(digest[:])
	return total, nil
}

func listVenueSymbols(ctx context.Context, registry servicesv1.AssetRegistryClient) ([]*venuesv1.VenueSymbol, error) {
	var found []*venuesv1.VenueSymbol
	request := &servicesv1.ListVenueSymbolsRequest{PageSize: pageSize}
	for {
		page, err := registry.ListVenueSymbols(ctx, request)
		if err != nil {
			return nil, err
		}
		found = append(found, page.GetVenueSymbols()...)
		request.PageToken = page.GetNextPageToken()
		if request.PageToken == "" {
			return found, nil
		}
	}
}

func checkDepth(ctx context.Context, marketData servicesv1.MarketDataClient, name string, whole *cqc.BookBuilder) error {
	limited, _, err := followBook(ctx, marketData, name, top)
	if err != nil {
		return err
	}
	if !same(limited.Bids(), best(whole.Bids(), top)) || !same(limited.Asks(), best(whole.Asks(), top)) {
		return fmt.Errorf("the best %d prices of %s differ from those of its whole book", top, name)
	}
	return nil
}

func same[T proto.Message](some, others []T) bool {
	return slices.EqualFunc(some, others, func(one, other T) bool { return proto.Equal(one, other) })
}

// followBook follows a book to the end. It leaves after the first delta and resumes, as after a lost connection.
func followBook(
	ctx context.Context, marketData servicesv1.MarketDataClient, name string, depth uint32,
) (*cqc.BookBuilder, int, error) {
	var book *cqc.BookBuilder
	deltas := 0
	request := &servicesv1.StreamOrderBookRequest{VenueSymbolId: name, Depth: depth}
	for {
		left, err := func() (bool, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			stream, err := marketData.StreamOrderBook(ctx, request)
			if err != nil {
				return false, err
			}
			for {
				step, err := stream.Recv()
				if stderrors.Is(err, io.EOF) {
					return false, nil
				}
				if err != nil {
					return false, err
				}
				switch event := step.GetEvent().(type) {
				case *servicesv1.StreamOrderBookResponse_Snapshot:
					if book, err = cqc.NewBookBuilder(event.Snapshot); err != nil {
						return false, err
					}
				case *servicesv1.StreamOrderBookResponse_Delta:
					if book == nil {
						return false, fmt.Errorf("the server sent a delta for %s before its snapshot", name)
					}
					if _, err := book.Apply(event.Delta); err != nil {
						return false, err
					}
					deltas++
				case *servicesv1.StreamOrderBookResponse_Reset_:
					book = nil
				}
				if deltas == 1 && request.ResumeToken == "" {
					request.ResumeToken = step.GetResumeToken()
					return true, nil
				}
			}
		}()
		if err != nil {
			return nil, 0, err
		}
		if !left {
			break
		}
	}
	if book == nil {
		return nil, 0, fmt.Errorf("the server sent no snapshot for %s", name)
	}
	return book, deltas, nil
}

// allTrades returns the trades that are listed, and those that the stream adds to the list.
func allTrades(
	ctx context.Context, marketData servicesv1.MarketDataClient, name string,
) ([]*marketsv1.Trade, error) {
	var trades []*marketsv1.Trade
	request := &servicesv1.ListTradesRequest{VenueSymbolId: name, PageSize: pageSize}
	token := ""
	for {
		page, err := marketData.ListTrades(ctx, request)
		if err != nil {
			return nil, err
		}
		trades = append(trades, page.GetTrades()...)
		if token == "" {
			token = page.GetResumeToken()
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			break
		}
	}
	added, err := streamTrades(ctx, marketData, name, token)
	if err != nil {
		return nil, err
	}
	for _, trade := range added {
		// What was traded while the pages were read comes twice.
		if !slices.ContainsFunc(trades, func(known *marketsv1.Trade) bool {
			return known.GetTradeId() == trade.GetTradeId()
		}) {
			trades = append(trades, trade)
		}
	}
	streamed, err := streamTrades(ctx, marketData, name, "")
	if err != nil {
		return nil, err
	}
	if !same(trades, streamed) {
		return nil, fmt.Errorf("the listed trades of %s differ from the streamed ones", name)
	}
	return trades, nil
}

func streamTrades(
	ctx context.Context, marketData servicesv1.MarketDataClient, name, token string,
) ([]*marketsv1.Trade, error) {
	stream, err := marketData.StreamTrades(
		ctx, &servicesv1.StreamTradesRequest{VenueSymbolIds: []string{name}, ResumeToken: token})
	if err != nil {
		return nil, err
	}
	var trades []*marketsv1.Trade
	for {
		step, err := stream.Recv()
		if stderrors.Is(err, io.EOF) {
			return trades, nil
		}
		if err != nil {
			return nil, err
		}
		if trade := step.GetTrade(); trade != nil {
			trades = append(trades, trade)
		}
	}
}

func checkPrice(
	ctx context.Context, marketData servicesv1.MarketDataClient, listing *venuesv1.VenueSymbol,
	trades []*marketsv1.Trade,
) error {
	parts := strings.Split(listing.GetSymbolId(), "-")
	pair := parts[0] + "-" + parts[1]
	price, err := marketData.GetPrice(ctx, &servicesv1.GetPriceRequest{AssetId: pair})
	if len(trades) == 0 {
		if failure, ok := errors.From(err); ok && failure.Reason == servicesv1.ErrorReason_ERROR_REASON_NO_DATA {
			return nil
		}
		return err
	}
	if err != nil {
		return err
	}
	last := trades[len(trades)-1]
	value, err := strconv.ParseFloat(last.GetPrice(), 64)
	if err != nil {
		return err
	}
	if price.GetVenueSymbolId() == listing.GetVenueSymbolId() && price.GetValue() != value {
		return fmt.Errorf(
			"the server's price for %s is %v, but its last trade was at %s", pair, price.GetValue(), last.GetPrice())
	}
	return nil
}
