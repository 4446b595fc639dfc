package cqc_test

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

const name = "binance:BTC-USDT-SPOT"

func TestValidateNamesFieldRuleAndText(t *testing.T) {
	order := &servicesv1.NewOrder{Type: venuesv1.OrderType_ORDER_TYPE_LIMIT, SlippageLimitBps: proto.String("1.00001")}
	found := violations(t, order)
	if found["new_order.limit_price"] != (cqc.Violation{Rule: "new_order.limit_price", Message: "a limit order needs a price, or a price_match"}) {
		t.Errorf("limit order without price: %+v", found)
	}
	if found["required"].Field != "size" || found["string.decimal_max_scale"].Field != "slippage_limit_bps" {
		t.Errorf("paths: %+v", found)
	}
	leg := &marketsv1.SymbolLeg{SymbolId: "A-B-SPOT", Ratio: "0"}
	nested := violations(t, &servicesv1.CreateSymbolRequest{Symbol: &marketsv1.Symbol{Legs: []*marketsv1.SymbolLeg{leg}}})
	if nested["string.decimal_positive"].Field != "symbol.legs[0].ratio" {
		t.Errorf("nested path: %+v", nested)
	}
	if valid := violations(t, &marketsv1.Price{AssetId: "BTC-USD"}); len(valid) != 0 {
		t.Errorf("a valid message breaks %+v", valid)
	}
}

func violations(t *testing.T, message proto.Message) map[string]cqc.Violation {
	t.Helper()
	all, err := cqc.Validate(message)
	if err != nil {
		t.Fatal(err)
	}
	byRule := map[string]cqc.Violation{}
	for _, violation := range all {
		byRule[violation.Rule] = violation
	}
	return byRule
}

func FuzzDecimals(f *testing.F) {
	for _, text := range []string{"0", "-1", "0.00010000", "1e5", "-0", "01", "٣", "1\n", strings.Repeat("9", 79)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, err := cqc.ParseDecimal(text)
		broken, failed := cqc.Validate(&marketsv1.BookLevel{Price: text, Quantity: "1"})
		if failed != nil {
			t.Skip("no UTF-8, which no message can hold")
		}
		if (err == nil) != (len(broken) == 0) {
			t.Fatalf("%q: the helper says %v, the rule %v", text, err, broken)
		}
		if err != nil {
			return
		}
		if back, err := cqc.FormatDecimal(value); err != nil || back != text {
			t.Fatalf("%q came back as %q, %v", text, back, err)
		}
	})
}

func TestFormatDecimal(t *testing.T) {
	for text, want := range map[string]string{"2.288e-5": "0.00002288", "1E+3": "1000", "-0.00": "0.00", "0E+5": "0"} {
		if got, err := cqc.FormatDecimal(decimal(t, text)); err != nil || got != want {
			t.Errorf("%s is written as %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"NaN", "Infinity", "1E78", "1E-39", "0E-39", "1E+9999"} {
		if got, err := cqc.FormatDecimal(decimal(t, text)); err == nil {
			t.Errorf("%s is written as %q", text, got)
		}
	}
}

func decimal(t *testing.T, text string) *apd.Decimal {
	t.Helper()
	value, _, err := apd.NewFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestNotional(t *testing.T) {
	base, quote := marketsv1.QuantityUnit_QUANTITY_UNIT_BASE, marketsv1.QuantityUnit_QUANTITY_UNIT_QUOTE
	contracts := marketsv1.QuantityUnit_QUANTITY_UNIT_CONTRACTS
	for _, test := range []struct {
		listing               *venuesv1.VenueSymbol
		price, quantity, want string
	}{
		{&venuesv1.VenueSymbol{QuantityUnit: base}, "67890.50", "0.00010000", "6.7890500000"},
		{&venuesv1.VenueSymbol{QuantityUnit: quote}, "67890.50", "-250.00", "-250.00"},
		{&venuesv1.VenueSymbol{QuantityUnit: contracts, ContractSize: proto.String("0.01"), ContractSizeUnit: base}, "50000", "3", "1500.00"},
		{&venuesv1.VenueSymbol{QuantityUnit: contracts, ContractSize: proto.String("10"), ContractSizeUnit: quote}, "50000", "3", "30"},
	} {
		if got, err := cqc.Notional(test.price, test.quantity, test.listing); err != nil || got.Text('f') != test.want {
			t.Errorf("%s x %s is %v, %v", test.price, test.quantity, got, err)
		}
	}
	for _, listing := range []*venuesv1.VenueSymbol{{VenueSymbolId: name}, {VenueSymbolId: name, QuantityUnit: contracts}} {
		if _, err := cqc.Notional("1", "1", listing); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v", listing, err)
		}
	}
	exact := func(a, b uint64, scale uint8) bool {
		price := new(big.Rat).SetFrac(new(big.Int).SetUint64(a), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale%30)), nil))
		quantity := new(big.Rat).SetUint64(b)
		got, err := cqc.Notional(price.FloatString(30), quantity.FloatString(30), &venuesv1.VenueSymbol{QuantityUnit: base})
		if err != nil {
			return false
		}
		value, ok := new(big.Rat).SetString(got.Text('f'))
		return ok && value.Cmp(price.Mul(price, quantity)) == 0
	}
	if err := quick.Check(exact, nil); err != nil {
		t.Error(err)
	}
}

func TestUnixNanos(t *testing.T) {
	back := func(nanos int64) bool {
		got, err := cqc.UnixNanos(cqc.FromUnixNanos(nanos))
		return err == nil && got == nanos
	}
	if err := quick.Check(back, nil); err != nil {
		t.Error(err)
	}
	for _, wrong := range []*timestamppb.Timestamp{nil, {Nanos: -1}, {Nanos: 1e9}, {Seconds: 9_223_372_037}, timestamppb.New(time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC))} {
		if got, err := cqc.UnixNanos(wrong); err == nil {
			t.Errorf("%v is %d", wrong, got)
		}
	}
}

func TestDisplayNames(t *testing.T) {
	for value := range venuesv1.OrderType_name {
		orderType := venuesv1.OrderType(value)
		shown := cqc.DisplayName(orderType)
		for _, spelling := range []string{shown, strings.ToLower(shown), " " + strings.ReplaceAll(shown, " ", "-"), orderType.String()} {
			if got, err := cqc.ParseDisplayName[venuesv1.OrderType](spelling); err != nil || got != orderType {
				t.Errorf("%q is %v, %v", spelling, got, err)
			}
		}
	}
	if shown := cqc.DisplayName(venuesv1.OrderType_ORDER_TYPE_STOP_LIMIT); shown != "STOP LIMIT" {
		t.Error(shown)
	}
	if value, err := cqc.ParseDisplayName[venuesv1.OrderType](cqc.DisplayName(venuesv1.OrderType(99))); err != nil || value != 99 {
		t.Error(value, err)
	}
	if _, err := cqc.ParseDisplayName[venuesv1.OrderType]("stopp"); err == nil || !strings.Contains(err.Error(), "STOP LIMIT") {
		t.Error(err)
	}
}

func level(price, quantity string) *marketsv1.BookLevel {
	return &marketsv1.BookLevel{Price: price, Quantity: quantity}
}

func snapshot() *marketsv1.OrderBook {
	return &marketsv1.OrderBook{
		VenueSymbolId: name,
		Bids:          []*marketsv1.BookLevel{level("10.0", "1"), level("9", "2")},
		Asks:          []*marketsv1.BookLevel{level("11", "1"), level("100", "5")},
		Sequence:      proto.Uint64(5),
		Checksum:      proto.Uint32(1),
	}
}

func delta(first, last uint64, bids ...*marketsv1.BookLevel) *marketsv1.OrderBookDelta {
	return &marketsv1.OrderBookDelta{VenueSymbolId: name, FirstSequence: &first, Sequence: &last, Bids: bids}
}

func pricesOf(levels []*marketsv1.BookLevel) string {
	texts := make([]string, 0, len(levels))
	for _, level := range levels {
		texts = append(texts, level.GetPrice())
	}
	return strings.Join(texts, " ")
}

func TestBookBuilder(t *testing.T) {
	book := cqc.NewBookBuilder(snapshot())
	if applied, err := book.Apply(delta(4, 5, level("10", "7"))); applied || err != nil {
		t.Error("a delta that the book has:", applied, err)
	}
	if applied, err := book.Apply(delta(5, 7, level("10.00", "0.0"), level("9.50", "3"))); !applied || err != nil {
		t.Error("the next delta:", applied, err)
	}
	if sequence, ok := book.Sequence(); sequence != 7 || !ok || pricesOf(book.Bids()) != "9.50 9" || pricesOf(book.Asks()) != "11 100" {
		t.Error(sequence, ok, book.Bids(), book.Asks())
	}
	if now := book.Book(); now.Checksum != nil || now.GetSequence() != 7 || pricesOf(now.GetBids()) != "9.50 9" {
		t.Error(now)
	}
	var gap *cqc.SequenceGapError
	if _, err := book.Apply(delta(9, 9, level("9", "0"))); !errors.As(err, &gap) || gap.Have != 7 || gap.Before != 8 {
		t.Error("a gap:", err)
	}
	if pricesOf(book.Bids()) != "9.50 9" {
		t.Error("a gap changed the book:", book.Bids())
	}
	book.Reset(snapshot())
	after := delta(8, 9)
	after.PreviousSequence = proto.Uint64(5)
	if applied, err := book.Apply(after); !applied || err != nil {
		t.Error("after a new snapshot:", applied, err)
	}
	if _, err := book.Apply(&marketsv1.OrderBookDelta{VenueSymbolId: "kraken:BTC-USD-SPOT"}); err == nil {
		t.Error("a delta of another listing was applied")
	}
}

func TestBooksAreSortedByValue(t *testing.T) {
	sorted := func(numbers []int32) bool {
		book := &marketsv1.OrderBook{VenueSymbolId: name}
		for _, number := range numbers {
			book.Bids = append(book.Bids, level(fmt.Sprintf("%d.%d", number/1000, max(number, -number)%1000), "1"))
		}
		bids := cqc.NewBookBuilder(book).Bids()
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

func kinds(oddities []cqc.Oddity) string {
	texts := make([]string, 0, len(oddities))
	for _, oddity := range oddities {
		texts = append(texts, oddity.Kind+" "+oddity.Field)
	}
	return strings.Join(texts, ", ")
}

func TestChecks(t *testing.T) {
	if odd := kinds(cqc.CheckBook(snapshot())); odd != "" {
		t.Error(odd)
	}
	crossed := &marketsv1.OrderBook{Bids: []*marketsv1.BookLevel{level("10.00", "0"), level("10", "-1")}, Asks: []*marketsv1.BookLevel{level("9.99", "x")}}
	if odd := kinds(cqc.CheckBook(crossed)); odd != "book.zero_quantity bids[0].quantity, book.negative_quantity bids[1].quantity, book.duplicate_price bids[1].price, number.malformed asks[0].quantity, book.crossed bids" {
		t.Error(odd)
	}
	fill := &venuesv1.ExecutionReport{
		ExecType:           venuesv1.ExecType_EXEC_TYPE_TRADE,
		OrderStatus:        venuesv1.OrderStatus_ORDER_STATUS_PARTIALLY_FILLED,
		LastQuantity:       proto.String("0.001"),
		CumulativeQuantity: proto.String("0.001"),
		LeavesQuantity:     proto.String("0.000"),
		Order:              &venuesv1.Order{Size: &venuesv1.Order_Quantity{Quantity: "0.002"}},
	}
	if odd := kinds(cqc.CheckExecution(fill)); odd != "execution.leaves_mismatch leaves_quantity, execution.partial_without_leaves order_status" {
		t.Error(odd)
	}
	candle := &marketsv1.Candle{Open: "2", High: "1.5", Low: "1", Close: "1.2", Volume: proto.String("5"), TakerBuyBaseVolume: proto.String("5.01")}
	if odd := kinds(cqc.CheckCandle(candle)); odd != "candle.open_outside open, candle.taker_volume_above_volume taker_buy_base_volume" {
		t.Error(odd)
	}
}
