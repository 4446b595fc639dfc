package cqc

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// Notional returns what a quantity is worth at a price, in quote units, exactly; it has the sign of the quantity.
//
// What the quantity counts is taken from the listing: base units are multiplied by the price, quote units are the value
// already, contracts are multiplied by the contract size first (in base units and by the price, or in quote units, as
// inverse contracts are). An error names what the listing does not say, or the text that is no decimal.
func Notional(price, quantity string, listing *venuesv1.VenueSymbol) (*apd.Decimal, error) {
	factors := []string{quantity}
	unit := listing.GetQuantityUnit()
	if unit == marketsv1.QuantityUnit_QUANTITY_UNIT_CONTRACTS {
		if listing.ContractSize == nil {
			return nil, fmt.Errorf("%s counts contracts and has no contract_size", listing.GetVenueSymbolId())
		}
		factors = append(factors, listing.GetContractSize())
		unit = listing.GetContractSizeUnit()
	}
	switch unit {
	case marketsv1.QuantityUnit_QUANTITY_UNIT_BASE:
		factors = append(factors, price)
	case marketsv1.QuantityUnit_QUANTITY_UNIT_QUOTE:
	default:
		return nil, fmt.Errorf("%s does not say what its quantities or contracts count", listing.GetVenueSymbolId())
	}
	product := apd.New(1, 0)
	for _, text := range factors {
		factor, err := ParseDecimal(text)
		if err != nil {
			return nil, err
		}
		if _, err := exact.Mul(product, product, factor); err != nil {
			return nil, err
		}
	}
	return product, nil
}
