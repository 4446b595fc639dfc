package cqc_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"testing/quick"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

type notionalVectors struct {
	Quantities []struct {
		Name       string           `json:"name"`
		Listing    json.RawMessage  `json:"listing"`
		Symbol     json.RawMessage  `json:"symbol"`
		Quantities []quantityVector `json:"quantities"`
	} `json:"quantities"`
	Gross []struct {
		Notionals [][2]string `json:"notionals"`
		Gross     [][2]string `json:"gross"`
	} `json:"gross"`
	Differences []struct {
		Name       string `json:"name"`
		Of         string `json:"of"`
		From       int    `json:"from"`
		To         int    `json:"to"`
		Difference string `json:"difference"`
	} `json:"differences"`
}

type quantityVector struct {
	Price              string     `json:"price"`
	Quantity           string     `json:"quantity"`
	Unit               string     `json:"unit"`
	Notional           *[2]string `json:"notional"`
	BaseQuantity       *string    `json:"base_quantity"`
	BasePrice          string     `json:"base_price"`
	UnderlyingPrice    string     `json:"underlying_price"`
	UnderlyingNotional *[2]string `json:"underlying_notional"`
}

func (v quantityVector) unit() marketsv1.QuantityUnit {
	return marketsv1.QuantityUnit(marketsv1.QuantityUnit_value[v.Unit])
}

func TestNotionalVectors(t *testing.T) {
	for _, item := range vectors[notionalVectors](t, "notional.json").Quantities {
		t.Run(item.Name, func(t *testing.T) {
			listing := fromJSON(t, item.Listing, &venuesv1.VenueSymbol{})
			symbol := fromJSON(t, item.Symbol, &marketsv1.Symbol{})
			for _, given := range item.Quantities {
				refused := func(err error) {
					t.Helper()
					var refusal *cqc.UnitNotReconcilableError
					if !errors.As(err, &refusal) || refusal.VenueSymbolID != listing.GetVenueSymbolId() ||
						refusal.Unit != given.unit() || refusal.Reason() != "UNIT_NOT_RECONCILABLE" {
						t.Errorf("%+v: got %v, want a UnitNotReconcilableError", given, err)
					}
				}
				is := func(got *apd.Decimal, err error, want string) {
					t.Helper()
					if err != nil || got.Cmp(decimal(t, want)) != 0 {
						t.Errorf("%+v: got %v, %v, want %s", given, got, err, want)
					}
				}
				if got, err := cqc.Notional(given.Price, given.Quantity, given.unit(), listing, symbol); given.Notional == nil {
					refused(err)
				} else if is(got.Value, err, given.Notional[0]); got.AssetID != given.Notional[1] {
					t.Errorf("%+v: got asset %s", given, got.AssetID)
				}
				if got, err := cqc.BaseQuantity(given.Quantity, given.unit(), listing, given.Price); given.BaseQuantity == nil {
					refused(err)
				} else {
					is(got, err, *given.BaseQuantity)
				}
				got, err := cqc.BasePrice(given.Price, listing)
				is(got, err, given.BasePrice)
				if given.UnderlyingPrice == "" {
					continue
				}
				underlying, err := cqc.UnderlyingNotional(given.UnderlyingPrice, given.Quantity, given.unit(), listing, symbol)
				if given.UnderlyingNotional == nil {
					refused(err)
					continue
				}
				is(underlying.Value, err, given.UnderlyingNotional[0])
				if underlying.AssetID != given.UnderlyingNotional[1] {
					t.Errorf("%+v: got asset %s", given, underlying.AssetID)
				}
			}
		})
	}
}

func TestGrossNotional(t *testing.T) {
	for _, test := range vectors[notionalVectors](t, "notional.json").Gross {
		var amounts []cqc.Amount
		for _, pair := range test.Notionals {
			amounts = append(amounts, cqc.Amount{Value: decimal(t, pair[0]), AssetID: pair[1]})
		}
		got, err := cqc.GrossNotional(amounts...)
		if err != nil || len(got) != len(test.Gross) {
			t.Fatalf("%v: got %v, %v", test, got, err)
		}
		for i, pair := range test.Gross {
			if got[i].Value.Cmp(decimal(t, pair[0])) != 0 || got[i].AssetID != pair[1] {
				t.Errorf("%v: got %v, want %v", test.Notionals, got[i], pair)
			}
		}
	}
}

func TestGainOfAPriceMove(t *testing.T) {
	read := vectors[notionalVectors](t, "notional.json")
	for _, test := range read.Differences {
		for _, item := range read.Quantities {
			if item.Name != test.Name {
				continue
			}
			listing := fromJSON(t, item.Listing, &venuesv1.VenueSymbol{})
			symbol := fromJSON(t, item.Symbol, &marketsv1.Symbol{})
			value := func(given quantityVector) *big.Rat {
				got, err := cqc.BaseQuantity(given.Quantity, given.unit(), listing, given.Price)
				if test.Of == "notional" {
					var amount cqc.Amount
					amount, err = cqc.Notional(given.Price, given.Quantity, given.unit(), listing, symbol)
					got = amount.Value
				}
				if err != nil {
					t.Fatal(err)
				}
				return rational(t, got.Text('f'))
			}
			from, to := value(item.Quantities[test.From]), value(item.Quantities[test.To])
			if got := new(big.Rat).Sub(to, from); got.Cmp(rational(t, test.Difference)) != 0 {
				t.Errorf("%s: got %s, want %s", test.Name, got.FloatString(20), test.Difference)
			}
		}
	}
}

func TestNotionalArguments(t *testing.T) {
	listing := &venuesv1.VenueSymbol{VenueSymbolId: "a:B", SymbolId: "B"}
	symbol := &marketsv1.Symbol{SymbolId: "B"}
	base, quote := marketsv1.QuantityUnit_QUANTITY_UNIT_BASE, marketsv1.QuantityUnit_QUANTITY_UNIT_QUOTE
	_, other := cqc.Notional("1", "1", base, listing, &marketsv1.Symbol{SymbolId: "C"})
	_, notOption := cqc.UnderlyingNotional("1", "1", base, listing, symbol)
	_, noPrice := cqc.BaseQuantity("1", quote, listing, "")
	_, zeroPrice := cqc.BaseQuantity("1", quote, listing, "0.0")
	zero := &venuesv1.VenueSymbol{VenueSymbolId: "a:B", BaseMultiplier: proto.String("0")}
	_, zeroMultiplier := cqc.BasePrice("1", zero)
	_, malformed := cqc.Notional("1e5", "1", quote, listing, symbol)
	for want, err := range map[string]error{
		"a:B lists B, not C":          other,
		"B has no strike_asset_id":    notOption,
		"needs a price":               noPrice,
		"the price is zero":           zeroPrice,
		"the base_multiplier is zero": zeroMultiplier,
		"not a plain decimal":         malformed,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestNotionalIsExactAndQuotientsAreRounded(t *testing.T) {
	base, quote := marketsv1.QuantityUnit_QUANTITY_UNIT_BASE, marketsv1.QuantityUnit_QUANTITY_UNIT_QUOTE
	listing, symbol := &venuesv1.VenueSymbol{}, &marketsv1.Symbol{}
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil))
	holds := func(a uint64, b int64, digits uint8) bool {
		denominator := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits%30)), nil)
		price := new(big.Rat).SetFrac(new(big.Int).SetUint64(max(a, 1)), denominator)
		quantity := new(big.Rat).SetInt64(b)
		product, err := cqc.Notional(price.FloatString(30), quantity.FloatString(0), base, listing, symbol)
		if err != nil || rational(t, product.Value.Text('f')).Cmp(new(big.Rat).Mul(price, quantity)) != 0 {
			return false
		}
		quotient, err := cqc.BaseQuantity(quantity.FloatString(0), quote, listing, price.FloatString(30))
		if err != nil {
			return false
		}
		got := rational(t, quotient.Text('f'))
		got.Mul(got, scale)
		want := new(big.Rat).Quo(quantity, price)
		distance := new(big.Rat).Sub(got, want.Mul(want, scale))
		half := distance.Abs(distance).Cmp(big.NewRat(1, 2))
		return got.IsInt() && (half < 0 || half == 0 && got.Num().Bit(0) == 0)
	}
	if err := quick.Check(holds, nil); err != nil {
		t.Error(err)
	}
}

func rational(t *testing.T, text string) *big.Rat {
	t.Helper()
	value, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is not a number", text)
	}
	return value
}
