package cqc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/apd/v3"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

const (
	unitBase      = marketsv1.QuantityUnit_QUANTITY_UNIT_BASE
	unitQuote     = marketsv1.QuantityUnit_QUANTITY_UNIT_QUOTE
	unitContracts = marketsv1.QuantityUnit_QUANTITY_UNIT_CONTRACTS

	quotientDigits = 18
)

// Round05Up keeps enough of a quotient that does not end to round it again without error.
var quotients = apd.Context{
	Precision:   1000,
	MaxExponent: apd.MaxExponent,
	MinExponent: apd.MinExponent,
	Rounding:    apd.Round05Up,
	Traps:       apd.DefaultTraps,
}

// Amount is an exact number of units of an asset.
type Amount struct {
	Value   *apd.Decimal
	AssetID string
}

// ReasonUnitNotReconcilable is the name of the ErrorReason for which a service refuses what UnitNotReconcilableError
// describes.
const ReasonUnitNotReconcilable = "UNIT_NOT_RECONCILABLE"

// UnitNotReconcilableError means that a quantity cannot be converted, because its listing does not define its unit that
// way.
type UnitNotReconcilableError struct {
	// VenueSymbolID is the listing.
	VenueSymbolID string
	// Unit is the unit of the quantity.
	Unit marketsv1.QuantityUnit
	// Why describes what the listing lacks.
	Why string
}

// Reason returns ReasonUnitNotReconcilable.
func (e *UnitNotReconcilableError) Reason() string { return ReasonUnitNotReconcilable }

func (e *UnitNotReconcilableError) Error() string { return e.VenueSymbolID + ": " + e.Why }

// Notional returns the exact value of a quantity at a price: an option's premium, otherwise the value of what is
// traded.
//
// price is in quote units per unit of the listing's base, and quantity counts unit. symbol is the listing's product.
// The amount is in the quote asset; for contracts with a quanto_multiplier it is in the settlement asset. Its sign is
// that of price times quantity, and so it is zero at a price of zero. It is exact, never rounded.
//
// It returns a *UnitNotReconcilableError for a combination, whose legs have notionals of their own, for a unit that is
// unspecified or not defined by the listing, and for a quanto contract counted in anything but contracts. It returns
// another error if symbol is not the listing's product, or if a number is malformed.
func Notional(
	price, quantity string, unit marketsv1.QuantityUnit, listing *venuesv1.VenueSymbol, symbol *marketsv1.Symbol,
) (Amount, error) {
	if err := requireProduct(listing, symbol); err != nil {
		return Amount{}, err
	}
	size, err := sizeOf(quantity, unit, listing)
	if err != nil {
		return Amount{}, err
	}
	factor, err := ParseDecimal(price)
	if err != nil {
		return Amount{}, err
	}
	asset := symbol.GetQuoteAssetId()
	switch size.unit {
	case unitQuote:
		factor = apd.New(int64(factor.Sign()), 0)
	case unitContracts:
		if asset = symbol.GetSettlementAssetId(); asset == "" {
			return Amount{}, &UnitNotReconcilableError{
				listing.GetVenueSymbolId(), unit, "the product has no settlement_asset_id",
			}
		}
	}
	value, err := multiply(size.value, factor)
	return Amount{value, asset}, err
}

// BaseQuantity returns a quantity in units of the base asset, base_multiplier included, with the sign of the quantity.
//
// price is in quote units per unit of the listing's base. It is needed only for quantities in quote units and for
// contracts whose size is in quote units, such as inverse contracts, and may be empty otherwise. Their base quantity is
// a quotient, rounded half to even at 18 digits after the point; every other one is exact.
//
// It returns a *UnitNotReconcilableError as Notional does, and for every quanto contract. It returns another error if
// the price is needed and is missing or zero, or if a number is malformed.
func BaseQuantity(
	quantity string, unit marketsv1.QuantityUnit, listing *venuesv1.VenueSymbol, price string,
) (*apd.Decimal, error) {
	size, err := sizeOf(quantity, unit, listing)
	if err != nil {
		return nil, err
	}
	units := size.value
	if listing.BaseMultiplier != nil {
		if units, err = multiplyText(units, listing.GetBaseMultiplier()); err != nil {
			return nil, err
		}
	}
	switch size.unit {
	case unitBase:
		return units, nil
	case unitContracts:
		return nil, &UnitNotReconcilableError{
			listing.GetVenueSymbolId(), unit, "a quanto contract has no base quantity",
		}
	}
	if price == "" {
		return nil, fmt.Errorf("%s: a quantity in quote units needs a price", listing.GetVenueSymbolId())
	}
	divisor, err := ParseDecimal(price)
	if err != nil {
		return nil, err
	}
	return divide(units, divisor.Abs(divisor), listing, "price")
}

// BasePrice returns a price per unit of the base asset, which makes the prices of two listings of a product comparable.
//
// price is in quote units per unit of the listing's base. The result is the price divided by the listing's
// base_multiplier, rounded half to even at 18 digits after the point. A price without multiplier is returned as it is.
// BasePrice returns an error if a number is malformed or the multiplier is zero.
func BasePrice(price string, listing *venuesv1.VenueSymbol) (*apd.Decimal, error) {
	amount, err := ParseDecimal(price)
	if err != nil || listing.BaseMultiplier == nil {
		return amount, err
	}
	multiplier, err := ParseDecimal(listing.GetBaseMultiplier())
	if err != nil {
		return nil, err
	}
	return divide(amount, multiplier, listing, "base_multiplier")
}

// UnderlyingNotional returns the exact value of an option's underlying, in the strike asset, with the sign of price
// times quantity.
//
// underlyingPrice is in units of the strike asset per unit of the base asset. UnderlyingNotional returns a
// *UnitNotReconcilableError as Notional does, and for an option counted in quote units, whose size depends on its
// premium. It returns another error if symbol is not an option or not the listing's product, or if a number is
// malformed.
func UnderlyingNotional(
	underlyingPrice, quantity string, unit marketsv1.QuantityUnit,
	listing *venuesv1.VenueSymbol, symbol *marketsv1.Symbol,
) (Amount, error) {
	if err := requireProduct(listing, symbol); err != nil {
		return Amount{}, err
	}
	if symbol.GetStrikeAssetId() == "" {
		return Amount{}, fmt.Errorf("%s has no strike_asset_id, so it is not an option", symbol.GetSymbolId())
	}
	size, err := sizeOf(quantity, unit, listing)
	if err != nil {
		return Amount{}, err
	}
	if size.unit == unitQuote {
		return Amount{}, &UnitNotReconcilableError{
			listing.GetVenueSymbolId(), unit, "an option in quote units has no fixed size",
		}
	}
	units, err := BaseQuantity(quantity, unit, listing, "")
	if err != nil {
		return Amount{}, err
	}
	value, err := multiplyText(units, underlyingPrice)
	return Amount{value, symbol.GetStrikeAssetId()}, err
}

// GrossNotional returns the exact sum of amounts without their signs, one per asset, in the order in which the assets
// appear.
//
// A combination has no notional of its own: its size is the gross notional of its legs' notionals. The error is that of
// numbers too large to add.
func GrossNotional(notionals ...Amount) ([]Amount, error) {
	var sums []Amount
	places := map[string]int{}
	for _, amount := range notionals {
		place, ok := places[amount.AssetID]
		if !ok {
			place = len(sums)
			places[amount.AssetID] = place
			sums = append(sums, Amount{new(apd.Decimal), amount.AssetID})
		}
		sum := sums[place].Value
		if _, err := exact.Add(sum, sum, new(apd.Decimal).Abs(amount.Value)); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// size is a quantity in BASE or QUOTE, or in CONTRACTS for settlement units per quote unit of a quanto's price.
type size struct {
	value *apd.Decimal
	unit  marketsv1.QuantityUnit
}

func sizeOf(quantity string, unit marketsv1.QuantityUnit, listing *venuesv1.VenueSymbol) (size, error) {
	count, err := ParseDecimal(quantity)
	if err != nil {
		return size{}, err
	}
	refuse := func(why string) (size, error) {
		return size{}, &UnitNotReconcilableError{listing.GetVenueSymbolId(), unit, why}
	}
	contractSize := listing.GetContractSizeUnit()
	switch {
	case strings.HasPrefix(listing.GetSymbolId(), "COMBO-"):
		return refuse("a combination is counted by its legs")
	case listing.QuantoMultiplier != nil && unit != unitContracts:
		return refuse("a quanto listing is counted in contracts")
	case listing.QuantoMultiplier != nil:
		value, err := multiplyText(count, listing.GetQuantoMultiplier())
		return size{value, unitContracts}, err
	case unit == unitBase || unit == unitQuote:
		return size{count, unit}, nil
	case unit != unitContracts:
		return refuse("the unit of the quantity is not known")
	case listing.ContractSize == nil || (contractSize != unitBase && contractSize != unitQuote):
		return refuse("the listing does not define the size of its contracts")
	}
	value, err := multiplyText(count, listing.GetContractSize())
	return size{value, contractSize}, err
}

func requireProduct(listing *venuesv1.VenueSymbol, symbol *marketsv1.Symbol) error {
	if listing.GetSymbolId() != symbol.GetSymbolId() {
		return fmt.Errorf("%s lists %s, not %s",
			listing.GetVenueSymbolId(), listing.GetSymbolId(), symbol.GetSymbolId())
	}
	return nil
}

func multiply(one, other *apd.Decimal) (*apd.Decimal, error) {
	product := new(apd.Decimal)
	_, err := exact.Mul(product, one, other)
	return product, err
}

func multiplyText(one *apd.Decimal, text string) (*apd.Decimal, error) {
	other, err := ParseDecimal(text)
	if err != nil {
		return nil, err
	}
	return multiply(one, other)
}

func divide(one, other *apd.Decimal, listing *venuesv1.VenueSymbol, divisor string) (*apd.Decimal, error) {
	if other.IsZero() {
		return nil, errors.New(listing.GetVenueSymbolId() + ": the " + divisor + " is zero")
	}
	quotient := new(apd.Decimal)
	if _, err := quotients.Quo(quotient, one, other); err != nil {
		return nil, err
	}
	if quotient.Exponent < -quotientDigits {
		halfEven := quotients
		halfEven.Rounding = apd.RoundHalfEven
		if _, err := halfEven.Quantize(quotient, quotient, -quotientDigits); err != nil {
			return nil, err
		}
	}
	quotient.Reduce(quotient)
	return quotient, nil
}
