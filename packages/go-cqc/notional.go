package cqc

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// Notional returns the exact value of a quantity at a price, in quote units, with the sign of the quantity.
//
// The listing specifies what a quantity counts. Base units are multiplied by the price; quote units already are the
// value. Contracts are multiplied by the contract size first, which is in base units, or in quote units for inverse
// contracts. Notional returns an error if the listing lacks a unit or the contract size, or if a number is malformed.
func Notional(price, quantity string, listing *venuesv1.VenueSymbol) (*apd.Decimal, error) {
	factors := []string{quantity}
	unit := listing.GetQuantityUnit()
	if unit == marketsv1.QuantityUnit_QUANTITY_UNIT_CONTRACTS {
		if listing.ContractSize == nil {
			return nil, fmt.Errorf("%s counts contracts but has no contract_size", listing.GetVenueSymbolId())
		}
		factors = append(factors, listing.GetContractSize())
		unit = listing.GetContractSizeUnit()
	}
	switch unit {
	case marketsv1.QuantityUnit_QUANTITY_UNIT_BASE:
		factors = append(factors, price)
	case marketsv1.QuantityUnit_QUANTITY_UNIT_QUOTE:
	default:
		return nil, fmt.Errorf("%s does not specify the unit of its quantities or contracts", listing.GetVenueSymbolId())
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
