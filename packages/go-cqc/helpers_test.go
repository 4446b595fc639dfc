package cqc_test

import (
	"slices"
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
	"github.com/Combine-Capital/cqc/packages/go-cqc/validation"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

const name = "binance:BTC-USDT-SPOT"

func TestViolationsHaveFieldRuleIDAndMessage(t *testing.T) {
	order := &servicesv1.NewOrder{Type: venuesv1.OrderType_ORDER_TYPE_LIMIT, SlippageLimitBps: proto.String("1.00001")}
	found := violations(t, order)
	const limitPrice = "a limit order needs exactly one of price, volatility_price, strike_asset_price and price_match"
	want := cqc.Violation{RuleID: "new_order.limit_price", Message: limitPrice}
	if found["new_order.limit_price"] != want {
		t.Errorf("got %+v, want %+v", found, want)
	}
	if found["required"].Field != "size" || found["string.decimal_max_scale"].Field != "slippage_limit_bps" {
		t.Errorf("got %+v, want violations of size and slippage_limit_bps", found)
	}
	leg := &marketsv1.SymbolLeg{SymbolId: "A-B-SPOT", Ratio: "0"}
	symbol := &marketsv1.Symbol{Legs: []*marketsv1.SymbolLeg{leg}}
	nested := violations(t, &servicesv1.CreateSymbolRequest{Symbol: symbol})
	if nested["string.decimal_positive"].Field != "symbol.legs[0].ratio" {
		t.Errorf("got %+v, want a violation of symbol.legs[0].ratio", nested)
	}
	if valid := violations(t, &marketsv1.Price{AssetId: "BTC-USD"}); len(valid) != 0 {
		t.Errorf("got violations of a valid message: %+v", valid)
	}
}

func violations(t *testing.T, message proto.Message) map[string]cqc.Violation {
	t.Helper()
	all, err := validation.Validate(message)
	if err != nil {
		t.Fatal(err)
	}
	byRule := map[string]cqc.Violation{}
	for _, violation := range all {
		byRule[violation.RuleID] = violation
	}
	return byRule
}

func FuzzDecimals(f *testing.F) {
	for _, text := range []string{"0", "-1", "0.00010000", "1e5", "-0", "01", "٣", "1\n", strings.Repeat("9", 79)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, err := cqc.ParseDecimal(text)
		violations, failed := validation.Validate(&marketsv1.BookLevel{Price: text, Quantity: "1"})
		if failed != nil {
			t.Skip("not valid UTF-8")
		}
		if (err == nil) != (len(violations) == 0) {
			t.Fatalf("%q: ParseDecimal returned %v, but the violations are %v", text, err, violations)
		}
		if err != nil {
			return
		}
		if back, err := cqc.FormatDecimal(value); err != nil || back != text {
			t.Fatalf("%q round-tripped to %q, %v", text, back, err)
		}
	})
}

func TestFormatDecimal(t *testing.T) {
	formatted := map[string]string{"2.288e-5": "0.00002288", "1E+3": "1000", "-0.00": "0.00", "0E+5": "0"}
	for text, want := range formatted {
		if got, err := cqc.FormatDecimal(decimal(t, text)); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"NaN", "Infinity", "1E78", "1E-39", "0E-39", "1E+9999"} {
		if got, err := cqc.FormatDecimal(decimal(t, text)); err == nil {
			t.Errorf("%s: got %q, want an error", text, got)
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

func TestToUnixNanos(t *testing.T) {
	roundTrip := func(nanos int64) bool {
		got, err := cqc.ToUnixNanos(cqc.FromUnixNanos(nanos))
		return err == nil && got == nanos
	}
	if err := quick.Check(roundTrip, nil); err != nil {
		t.Error(err)
	}
	tooEarly := timestamppb.New(time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, wrong := range []*timestamppb.Timestamp{nil, {Nanos: -1}, {Nanos: 1e9}, {Seconds: 9_223_372_037}, tooEarly} {
		if got, err := cqc.ToUnixNanos(wrong); err == nil {
			t.Errorf("%v: got %d, want an error", wrong, got)
		}
	}
}

func TestDisplayNames(t *testing.T) {
	for value := range venuesv1.OrderType_name {
		orderType := venuesv1.OrderType(value)
		shown := cqc.DisplayName(orderType)
		hyphenated := " " + strings.ReplaceAll(shown, " ", "-")
		for _, spelling := range []string{shown, strings.ToLower(shown), hyphenated, orderType.String()} {
			if got, err := cqc.ParseDisplayName[venuesv1.OrderType](spelling); err != nil || got != orderType {
				t.Errorf("%q: got %v, %v, want %v", spelling, got, err, orderType)
			}
		}
	}
	if got := cqc.DisplayName(venuesv1.OrderType_ORDER_TYPE_STOP_LIMIT); got != "STOP LIMIT" {
		t.Errorf("got %q, want STOP LIMIT", got)
	}
	unknown := cqc.DisplayName(venuesv1.OrderType(99))
	if got, err := cqc.ParseDisplayName[venuesv1.OrderType](unknown); err != nil || got != 99 {
		t.Errorf("got %v, %v, want 99", got, err)
	}
	_, err := cqc.ParseDisplayName[venuesv1.OrderType]("stopp")
	want := `unknown OrderType "stopp": expected one of UNSPECIFIED, MARKET, LIMIT`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCanTransition(t *testing.T) {
	tables := vectors[map[string]map[string][]string](t, "transitions.json")
	transitions(t, "ORDER_STATUS_", venuesv1.OrderStatus_value, tables["OrderStatus"],
		cqc.CanTransition[venuesv1.OrderStatus])
	transitions(t, "TRANSFER_STATE_", venuesv1.TransferState_value, tables["TransferState"],
		cqc.CanTransition[venuesv1.TransferState])
	const newer = venuesv1.OrderStatus(99)
	if !cqc.CanTransition(newer, venuesv1.OrderStatus_ORDER_STATUS_NEW) ||
		!cqc.CanTransition(venuesv1.OrderStatus_ORDER_STATUS_REJECTED, newer) {
		t.Error("CanTransition ruled out an unknown status")
	}
	defer func() {
		if recover() == nil {
			t.Error("an enum without transitions was accepted")
		}
	}()
	cqc.CanTransition(venuesv1.OrderType_ORDER_TYPE_MARKET, venuesv1.OrderType_ORDER_TYPE_LIMIT)
}

func transitions[E ~int32](
	t *testing.T, prefix string, values map[string]int32, table map[string][]string, canTransition func(E, E) bool,
) {
	t.Helper()
	if len(table) != len(values)-1 {
		t.Errorf("%s has %d values, the table %d", prefix, len(values), len(table))
	}
	for before := range values {
		for after := range values {
			one, other := strings.TrimPrefix(before, prefix), strings.TrimPrefix(after, prefix)
			want := one == other || one == "UNSPECIFIED" || other == "UNSPECIFIED" || slices.Contains(table[one], other)
			if got := canTransition(E(values[before]), E(values[after])); got != want {
				t.Errorf("CanTransition(%s, %s) = %t, want %t", before, after, got, want)
			}
		}
	}
}

func kinds(anomalies []cqc.Anomaly) string {
	texts := make([]string, 0, len(anomalies))
	for _, anomaly := range anomalies {
		texts = append(texts, string(anomaly.Kind)+" "+anomaly.Field)
	}
	return strings.Join(texts, ", ")
}

func TestChecks(t *testing.T) {
	check := func(got []cqc.Anomaly, want ...string) {
		t.Helper()
		if got := kinds(got); got != strings.Join(want, ", ") {
			t.Errorf("got %s, want %s", got, strings.Join(want, ", "))
		}
	}
	check(cqc.CheckBook(&marketsv1.OrderBook{
		VenueSymbolId: proto.String(name),
		Bids:          []*marketsv1.BookLevel{level("10.0", "1"), level("9", "2")},
		Asks:          []*marketsv1.BookLevel{level("11", "1")},
	}))
	crossed := &marketsv1.OrderBook{
		VenueSymbolId: proto.String(name),
		Bids:          []*marketsv1.BookLevel{level("10.00", "0"), level("10", "-1")},
		Asks:          []*marketsv1.BookLevel{level("9.99", "x")},
	}
	check(cqc.CheckBook(crossed),
		"book.zero_quantity bids[0].quantity",
		"book.negative_quantity bids[1].quantity",
		"book.duplicate_price bids[1].price",
		"number.malformed asks[0].quantity",
		"book.crossed bids")
	individual := []*marketsv1.BookLevel{level("", ""), {OrderId: proto.String("a")}}
	check(cqc.CheckBook(&marketsv1.OrderBook{VenueSymbolId: proto.String(name), Bids: individual}),
		"book.level_incomplete bids[0].quantity", "book.level_incomplete bids[0].price")
	fill := &venuesv1.ExecutionReport{
		VenueSymbolId:      proto.String(name),
		ExecType:           venuesv1.ExecType_EXEC_TYPE_TRADE,
		OrderStatus:        venuesv1.OrderStatus_ORDER_STATUS_PARTIALLY_FILLED,
		LastQuantity:       proto.String("0.001"),
		CumulativeQuantity: proto.String("0.001"),
		LeavesQuantity:     proto.String("0.000"),
		Order:              &venuesv1.Order{VenueSymbolId: proto.String(name), Quantity: proto.String("0.002")},
	}
	check(cqc.CheckExecution(fill),
		"execution.leaves_mismatch leaves_quantity", "execution.partial_without_leaves order_status")
	fill.Order.QuoteQuantity = proto.String("100")
	check(cqc.CheckExecution(fill), "execution.partial_without_leaves order_status")
	candle := &marketsv1.Candle{
		VenueSymbolId: proto.String(name),
		Open:          "2", High: "1.5", Low: "1", Close: "1.2",
		Volume: proto.String("5"), TakerBuyVolume: proto.String("5.01"),
	}
	check(cqc.CheckCandle(candle),
		"candle.open_outside open", "candle.taker_volume_above_volume taker_buy_volume")
}

func TestCheckReferences(t *testing.T) {
	check := func(message proto.Message, want ...string) {
		t.Helper()
		if got := kinds(cqc.CheckReferences(message)); got != strings.Join(want, ", ") {
			t.Errorf("got %s, want %s", got, strings.Join(want, ", "))
		}
	}
	report := &venuesv1.ExecutionReport{
		Order: &venuesv1.Order{}, Fees: []*venuesv1.Fee{{AssetCode: "BNB"}, {Amount: "1"}},
	}
	check(report, "reference.listing_missing venue_symbol_id", "reference.asset_missing fees[1].asset_id",
		"reference.listing_missing order.venue_symbol_id")
	report.NativeListing = &marketsv1.NativeListing{VenueId: "binance", Symbol: "BTCUSDT"}
	report.Order.QuoteId = proto.String("q")
	report.Fees[1].AssetId = proto.String("BNB")
	check(report)
	report.NativeListing.Symbol = ""
	check(report, "reference.listing_missing venue_symbol_id")
	report.Legs = []*venuesv1.ExecutionLeg{{VenueSymbolId: proto.String(name)}}
	check(report)
	check(&venuesv1.Balance{AssetId: proto.String("BTC")})
	check(&venuesv1.Balance{}, "reference.asset_missing asset_id")
	check(&marketsv1.Swap{VenueSymbolId: proto.String(name), InAssetCode: "0x1"},
		"reference.asset_missing out_asset_id")
	for _, anomalies := range [][]cqc.Anomaly{
		cqc.CheckBook(&marketsv1.OrderBook{}), cqc.CheckExecution(&venuesv1.ExecutionReport{}),
		cqc.CheckCandle(&marketsv1.Candle{Open: "1", High: "1", Low: "1", Close: "1"}),
	} {
		if got := kinds(anomalies); got != "reference.listing_missing venue_symbol_id" {
			t.Errorf("got %s, want a missing listing", got)
		}
	}
}
