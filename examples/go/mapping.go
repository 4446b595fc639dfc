package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// Binance joins base and quote without a separator: BTCUSDT.
var binanceQuotes = []string{"USDT", "BUSD", "USDC", "BTC", "ETH", "BNB", "EUR"}

const base = marketsv1.QuantityUnit_QUANTITY_UNIT_BASE

// market holds the captured data for one listing, in arrival order.
type market struct {
	listing  *venuesv1.VenueSymbol
	snapshot *marketsv1.OrderBook
	deltas   []*marketsv1.OrderBookDelta
	trades   []*marketsv1.Trade
}

type markets map[string]*market

// The venues' native formats. All of them send decimals as strings.
type (
	bookRow struct {
		URL        string      `json:"url"`
		ReceivedAt float64     `json:"received_at"`
		Body       binanceBook `json:"body"`
	}
	binanceBook struct {
		LastUpdateID uint64      `json:"lastUpdateId"`
		E            int64       `json:"E"`
		T            int64       `json:"T"`
		Bids         [][2]string `json:"bids"`
		Asks         [][2]string `json:"asks"`
	}
	binanceRow struct {
		ReceivedAt float64 `json:"received_at"`
		Frame      struct {
			Data json.RawMessage `json:"data"`
		} `json:"frame"`
	}
	// encoding/json falls back to a case-insensitive match, so `e` and `M` must be declared: otherwise they would be
	// decoded into `E` and `m`.
	binanceDelta struct {
		Event    string      `json:"e"`
		Symbol   string      `json:"s"`
		Sent     int64       `json:"E"`
		Matched  int64       `json:"T"`
		First    uint64      `json:"U"`
		Last     uint64      `json:"u"`
		Previous *uint64     `json:"pu"`
		Bids     [][2]string `json:"b"`
		Asks     [][2]string `json:"a"`
	}
	binanceTrade struct {
		Event        string `json:"e"`
		Symbol       string `json:"s"`
		Sent         int64  `json:"E"`
		Matched      int64  `json:"T"`
		ID           uint64 `json:"a"`
		Price        string `json:"p"`
		Quantity     string `json:"q"`
		First        uint64 `json:"f"`
		Last         uint64 `json:"l"`
		BuyerIsMaker bool   `json:"m"`
		BestMatch    *bool  `json:"M"`
	}
	coinbaseRow struct {
		ReceivedAt float64 `json:"received_at"`
		Frame      struct {
			Type         string      `json:"type"`
			ProductID    string      `json:"product_id"`
			Bids         [][2]string `json:"bids"`
			Asks         [][2]string `json:"asks"`
			Changes      [][3]string `json:"changes"`
			Time         string      `json:"time"`
			TradeID      uint64      `json:"trade_id"`
			MakerOrderID string      `json:"maker_order_id"`
			TakerOrderID string      `json:"taker_order_id"`
			Side         string      `json:"side"`
			Size         string      `json:"size"`
			Price        string      `json:"price"`
			Sequence     uint64      `json:"sequence"`
		} `json:"frame"`
	}
)

// load reads the captured data of Binance spot, Binance futures and Coinbase from <data>/<venue>/*.jsonl.
func load(data string) (markets, error) {
	found := markets{}
	for _, venue := range []string{"binance", "binance_futures"} {
		if err := eachRow(filepath.Join(data, venue, "books.jsonl"), func(row bookRow) error {
			match := regexp.MustCompile(`symbol=(\w+)`).FindStringSubmatch(row.URL)
			if match == nil {
				return fmt.Errorf("no symbol in %s", row.URL)
			}
			listing := found.of(venue, match[1])
			listing.snapshot = &marketsv1.OrderBook{
				VenueSymbolId: proto.String(listing.id()),
				Bids:          levels(row.Body.Bids),
				Asks:          levels(row.Body.Asks),
				Sequence:      proto.Uint64(row.Body.LastUpdateID),
				Timestamp:     millis(row.Body.T),
				PublishedAt:   millis(row.Body.E),
				ReceivedAt:    seconds(row.ReceivedAt),
				QuantityUnit:  base,
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if err := eachRow(filepath.Join(data, venue, "stream.jsonl"), func(row binanceRow) error {
			return found.addBinance(venue, row)
		}); err != nil {
			return nil, err
		}
	}
	return found, eachRow(filepath.Join(data, "coinbase", "stream.jsonl"), found.addCoinbase)
}

func (found markets) addBinance(venue string, row binanceRow) error {
	var kind struct {
		Event string `json:"e"`
		Sent  int64  `json:"E"`
	}
	if err := json.Unmarshal(row.Frame.Data, &kind); err != nil {
		return err
	}
	switch kind.Event {
	case "depthUpdate":
		var event binanceDelta
		if err := json.Unmarshal(row.Frame.Data, &event); err != nil {
			return err
		}
		listing := found.of(venue, event.Symbol)
		listing.deltas = append(listing.deltas, &marketsv1.OrderBookDelta{
			VenueSymbolId:    proto.String(listing.id()),
			Bids:             levels(event.Bids),
			Asks:             levels(event.Asks),
			FirstSequence:    &event.First,
			Sequence:         &event.Last,
			PreviousSequence: event.Previous,
			Timestamp:        millis(event.Matched),
			PublishedAt:      millis(event.Sent),
			ReceivedAt:       seconds(row.ReceivedAt),
			QuantityUnit:     base,
		})
	case "aggTrade":
		var event binanceTrade
		if err := json.Unmarshal(row.Frame.Data, &event); err != nil {
			return err
		}
		// `m` means the buyer was the maker, so the seller was the aggressor.
		aggressor := marketsv1.AggressorSide_AGGRESSOR_SIDE_BUYER
		if event.BuyerIsMaker {
			aggressor = marketsv1.AggressorSide_AGGRESSOR_SIDE_SELLER
		}
		// `M` has no field: the key is its JSON Pointer, the value its JSON.
		var rest map[string]string
		if event.BestMatch != nil {
			rest = map[string]string{"/M": strconv.FormatBool(*event.BestMatch)}
		}
		listing := found.of(venue, event.Symbol)
		listing.trades = append(listing.trades, &marketsv1.Trade{
			TradeId:       proto.String(strconv.FormatUint(event.ID, 10)),
			VenueSymbolId: proto.String(listing.id()),
			Price:         event.Price,
			Quantity:      event.Quantity,
			QuantityUnit:  base,
			Aggressor:     aggressor,
			FirstTradeId:  proto.String(strconv.FormatUint(event.First, 10)),
			LastTradeId:   proto.String(strconv.FormatUint(event.Last, 10)),
			VenueFields:   rest,
			Timestamp:     millis(event.Matched),
			PublishedAt:   millis(event.Sent),
			ReceivedAt:    seconds(row.ReceivedAt),
		})
	}
	return nil
}

func (found markets) addCoinbase(row coinbaseRow) error {
	frame := row.Frame
	if frame.ProductID == "" {
		return nil
	}
	switch frame.Type {
	case "snapshot":
		listing := found.of("coinbase", frame.ProductID)
		listing.snapshot = &marketsv1.OrderBook{
			VenueSymbolId: proto.String(listing.id()),
			Bids:          levels(frame.Bids),
			Asks:          levels(frame.Asks),
			ReceivedAt:    seconds(row.ReceivedAt),
			QuantityUnit:  base,
		}
	case "l2update":
		at, err := time.Parse(time.RFC3339Nano, frame.Time)
		if err != nil {
			return err
		}
		listing := found.of("coinbase", frame.ProductID)
		delta := &marketsv1.OrderBookDelta{
			VenueSymbolId: proto.String(listing.id()),
			Timestamp:     timestamppb.New(at),
			ReceivedAt:    seconds(row.ReceivedAt),
			QuantityUnit:  base,
		}
		for _, change := range frame.Changes {
			level := &marketsv1.BookLevel{Price: change[1], Quantity: change[2]}
			if change[0] == "buy" {
				delta.Bids = append(delta.Bids, level)
			} else {
				delta.Asks = append(delta.Asks, level)
			}
		}
		listing.deltas = append(listing.deltas, delta)
	case "match", "last_match":
		at, err := time.Parse(time.RFC3339Nano, frame.Time)
		if err != nil {
			return err
		}
		// `side` is the maker's side.
		aggressor := marketsv1.AggressorSide_AGGRESSOR_SIDE_SELLER
		if frame.Side == "sell" {
			aggressor = marketsv1.AggressorSide_AGGRESSOR_SIDE_BUYER
		}
		listing := found.of("coinbase", frame.ProductID)
		listing.trades = append(listing.trades, &marketsv1.Trade{
			TradeId:       proto.String(strconv.FormatUint(frame.TradeID, 10)),
			VenueSymbolId: proto.String(listing.id()),
			Price:         frame.Price,
			Quantity:      frame.Size,
			QuantityUnit:  base,
			Aggressor:     aggressor,
			RawAggressor:  frame.Side,
			MakerOrderId:  proto.String(frame.MakerOrderID),
			TakerOrderId:  proto.String(frame.TakerOrderID),
			Sequence:      proto.Uint64(frame.Sequence),
			Timestamp:     timestamppb.New(at),
			ReceivedAt:    seconds(row.ReceivedAt),
		})
	}
	return nil
}

// of returns the market for a native symbol, creating it on first use.
func (found markets) of(venue, native string) *market {
	baseAsset, quote, _ := strings.Cut(native, "-")
	if venue != "coinbase" {
		for _, candidate := range binanceQuotes {
			if rest, ok := strings.CutSuffix(native, candidate); ok {
				baseAsset, quote = rest, candidate
				break
			}
		}
	}
	symbol := baseAsset + "-" + quote + "-SPOT"
	if venue == "binance_futures" {
		symbol = baseAsset + "-" + quote + "-PERP-" + quote
	}
	id := venue + ":" + symbol
	if found[id] == nil {
		found[id] = &market{listing: &venuesv1.VenueSymbol{
			VenueSymbolId: id,
			VenueId:       venue,
			SymbolId:      symbol,
			NativeSymbol:  native,
			QuantityUnit:  base,
		}}
	}
	return found[id]
}

func (m *market) id() string { return m.listing.GetVenueSymbolId() }

func levels(pairs [][2]string) []*marketsv1.BookLevel {
	made := make([]*marketsv1.BookLevel, len(pairs))
	for i, pair := range pairs {
		made[i] = &marketsv1.BookLevel{Price: pair[0], Quantity: pair[1]}
	}
	return made
}

func seconds(unix float64) *timestamppb.Timestamp {
	return timestamppb.New(time.UnixMicro(int64(math.RoundToEven(unix * 1e6))))
}

// millis returns nil for zero, which is how a missing time decodes.
func millis(unix int64) *timestamppb.Timestamp {
	if unix == 0 {
		return nil
	}
	return timestamppb.New(time.UnixMilli(unix))
}

func eachRow[T any](path string, use func(T) error) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for number := 1; lines.Scan(); number++ {
		var row T
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
		if err := use(row); err != nil {
			return fmt.Errorf("%s:%d: %w", path, number, err)
		}
	}
	return lines.Err()
}
