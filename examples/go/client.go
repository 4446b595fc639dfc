package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

const (
	pageSize = 5
	timeout  = 60 * time.Second
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

	found, err := listVenueSymbols(ctx, servicesv1.NewAssetRegistryClient(conn))
	if err != nil {
		return result{}, err
	}
	marketData := servicesv1.NewMarketDataClient(conn)
	var total result
	var lines []string
	for _, listing := range found {
		name := listing.GetVenueSymbolId()
		book, deltas, err := followBook(ctx, marketData, name)
		if err != nil {
			return result{}, err
		}
		trades, err := followTrades(ctx, marketData, name)
		if err != nil {
			return result{}, err
		}
		if len(trades) > 0 {
			if err := checkPrice(ctx, marketData, listing, trades[len(trades)-1]); err != nil {
				return result{}, err
			}
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

func followBook(
	ctx context.Context, marketData servicesv1.MarketDataClient, name string,
) (*cqc.BookBuilder, int, error) {
	stream, err := marketData.StreamOrderBook(ctx, &servicesv1.StreamOrderBookRequest{VenueSymbolId: name})
	if err != nil {
		return nil, 0, err
	}
	var book *cqc.BookBuilder
	deltas := 0
	for {
		step, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
		switch event := step.GetEvent().(type) {
		case *servicesv1.StreamOrderBookResponse_Snapshot:
			if book, err = cqc.NewBookBuilder(event.Snapshot); err != nil {
				return nil, 0, err
			}
		case *servicesv1.StreamOrderBookResponse_Delta:
			if book == nil {
				return nil, 0, fmt.Errorf("the server sent a delta for %s before its snapshot", name)
			}
			if _, err := book.Apply(event.Delta); err != nil {
				return nil, 0, err
			}
			deltas++
		case *servicesv1.StreamOrderBookResponse_Reset_:
			book = nil
		}
	}
	if book == nil {
		return nil, 0, fmt.Errorf("the server sent no snapshot for %s", name)
	}
	return book, deltas, nil
}

func followTrades(
	ctx context.Context, marketData servicesv1.MarketDataClient, name string,
) ([]*marketsv1.Trade, error) {
	stream, err := marketData.StreamTrades(ctx, &servicesv1.StreamTradesRequest{VenueSymbolIds: []string{name}})
	if err != nil {
		return nil, err
	}
	var trades []*marketsv1.Trade
	for {
		step, err := stream.Recv()
		if errors.Is(err, io.EOF) {
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
	ctx context.Context, marketData servicesv1.MarketDataClient, listing *venuesv1.VenueSymbol, last *marketsv1.Trade,
) error {
	parts := strings.Split(listing.GetSymbolId(), "-")
	pair := parts[0] + "-" + parts[1]
	price, err := marketData.GetPrice(ctx, &servicesv1.GetPriceRequest{AssetId: pair})
	if err != nil {
		return err
	}
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
