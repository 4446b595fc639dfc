package cqc_test

import (
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

func TestViolationsHaveFieldRuleIDAndMessage(t *testing.T) {
	order := &servicesv1.NewOrder{Type: venuesv1.OrderType_ORDER_TYPE_LIMIT, SlippageLimitBps: proto.String("1.00001")}
	found := violations(t, order)
	want := cqc.Violation{RuleID: "new_order.limit_price", Message: "a limit order needs a price, or a price_match"}
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
	all, err := cqc.Validate(message)
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
		violations, failed := cqc.Validate(&marketsv1.BookLevel{Price: text, Quantity: "1"})
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

func TestNotional(t *testing.T) {
	base, quote := marketsv1.QuantityUnit_QUANTITY_UNIT_BASE, marketsv1.QuantityUnit_QUANTITY_UNIT_QUOTE
	contracts := marketsv1.QuantityUnit_QUANTITY_UNIT_CONTRACTS
	ofContracts := func(size string, unit marketsv1.QuantityUnit) *venuesv1.VenueSymbol {
		return &venuesv1.VenueSymbol{QuantityUnit: contracts, ContractSize: &size, ContractSizeUnit: unit}
	}
	for _, test := range []struct {
		listing               *venuesv1.VenueSymbol
		price, quantity, want string
	}{
		{&venuesv1.VenueSymbol{QuantityUnit: base}, "67890.50", "0.00010000", "6.7890500000"},
		{&venuesv1.VenueSymbol{QuantityUnit: quote}, "67890.50", "-250.00", "-250.00"},
		{ofContracts("0.01", base), "50000", "3", "1500.00"},
		{ofContracts("10", quote), "50000", "3", "30"},
	} {
		if got, err := cqc.Notional(test.price, test.quantity, test.listing); err != nil || got.Text('f') != test.want {
			t.Errorf("%s x %s: got %v, %v, want %s", test.price, test.quantity, got, err, test.want)
		}
	}
	incomplete := []*venuesv1.VenueSymbol{{VenueSymbolId: name}, {VenueSymbolId: name, QuantityUnit: contracts}}
	for _, listing := range incomplete {
		if _, err := cqc.Notional("1", "1", listing); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: got %v, want an error about %s", listing, err, name)
		}
	}
	exact := func(a, b uint64, scale uint8) bool {
		denominator := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale%30)), nil)
		price := new(big.Rat).SetFrac(new(big.Int).SetUint64(a), denominator)
		quantity := new(big.Rat).SetUint64(b)
		listing := &venuesv1.VenueSymbol{QuantityUnit: base}
		got, err := cqc.Notional(price.FloatString(30), quantity.FloatString(30), listing)
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
	status := func(name string) venuesv1.OrderStatus {
		number, ok := venuesv1.OrderStatus_value["ORDER_STATUS_"+name]
		if !ok {
			t.Fatalf("there is no status %s", name)
		}
		return venuesv1.OrderStatus(number)
	}
	for _, test := range []struct {
		before, after string
		legal         bool
	}{
		{"NEW", "PARTIALLY_FILLED", true},
		{"NEW", "REJECTED", true},
		{"NEW", "PENDING_NEW", false},
		{"PENDING_NEW", "NEW", true},
		{"UNTRIGGERED", "NEW", true},
		{"PARTIALLY_FILLED", "PARTIALLY_FILLED", true},
		{"PARTIALLY_FILLED", "NEW", true},
		{"PARTIALLY_FILLED", "REJECTED", false},
		{"FILLED", "PARTIALLY_FILLED", true},
		{"FILLED", "CANCELLED", true},
		{"FILLED", "NEW", true},
		{"FILLED", "REJECTED", false},
		{"FILLED", "PENDING_NEW", false},
		{"PENDING_CANCEL", "FILLED", true},
		{"PENDING_CANCEL", "NEW", true},
		{"PENDING_CANCEL", "CANCELLED", true},
		{"PENDING_REPLACE", "REPLACED", true},
		{"CANCELLED", "FILLED", true},
		{"CANCELLED", "PARTIALLY_FILLED", true},
		{"CANCELLED", "NEW", false},
		{"EXPIRED", "FILLED", true},
		{"EXPIRED", "CANCELLED", false},
		{"REJECTED", "NEW", false},
		{"REJECTED", "FILLED", false},
		{"REPLACED", "PARTIALLY_FILLED", true},
		{"UNSPECIFIED", "FILLED", true},
		{"REJECTED", "UNSPECIFIED", true},
	} {
		if got := cqc.CanTransition(status(test.before), status(test.after)); got != test.legal {
			t.Errorf("CanTransition(%s, %s) = %t, want %t", test.before, test.after, got, test.legal)
		}
	}
	const newer = venuesv1.OrderStatus(99)
	if !cqc.CanTransition(newer, status("NEW")) || !cqc.CanTransition(status("REJECTED"), newer) {
		t.Error("CanTransition ruled out an unknown status")
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
		Bids: []*marketsv1.BookLevel{level("10.0", "1"), level("9", "2")},
		Asks: []*marketsv1.BookLevel{level("11", "1")},
	}))
	crossed := &marketsv1.OrderBook{
		Bids: []*marketsv1.BookLevel{level("10.00", "0"), level("10", "-1")},
		Asks: []*marketsv1.BookLevel{level("9.99", "x")},
	}
	check(cqc.CheckBook(crossed),
		"book.zero_quantity bids[0].quantity",
		"book.negative_quantity bids[1].quantity",
		"book.duplicate_price bids[1].price",
		"number.malformed asks[0].quantity",
		"book.crossed bids")
	fill := &venuesv1.ExecutionReport{
		ExecType:           venuesv1.ExecType_EXEC_TYPE_TRADE,
		OrderStatus:        venuesv1.OrderStatus_ORDER_STATUS_PARTIALLY_FILLED,
		LastQuantity:       proto.String("0.001"),
		CumulativeQuantity: proto.String("0.001"),
		LeavesQuantity:     proto.String("0.000"),
		Order:              &venuesv1.Order{Size: &venuesv1.Order_Quantity{Quantity: "0.002"}},
	}
	check(cqc.CheckExecution(fill),
		"execution.leaves_mismatch leaves_quantity", "execution.partial_without_leaves order_status")
	candle := &marketsv1.Candle{
		Open: "2", High: "1.5", Low: "1", Close: "1.2",
		Volume: proto.String("5"), TakerBuyBaseVolume: proto.String("5.01"),
	}
	check(cqc.CheckCandle(candle),
		"candle.open_outside open", "candle.taker_volume_above_volume taker_buy_base_volume")
}
