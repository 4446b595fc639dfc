package cqc

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

const (
	// MaxIntegerDigits is the largest number of digits before the point of a decimal in the contracts: a uint256's.
	MaxIntegerDigits = 78
	// MaxFractionDigits is the largest number of digits after the point of a decimal in the contracts.
	MaxFractionDigits = 38
)

var (
	plainDecimal = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,77})([.][0-9]{1,38})?$`)
	// Wide enough that no product or sum of the contracts' numbers is rounded.
	exact = apd.Context{
		Precision:   1000,
		MaxExponent: apd.MaxExponent,
		MinExponent: apd.MinExponent,
		Traps:       apd.DefaultTraps | apd.Inexact | apd.Rounded,
	}
)

// ParseDecimal reads a decimal of the contracts, such as "0.00010000", exactly and with its trailing zeros.
//
// An error says what is wrong with a text that is not a plain decimal: exponents, signs of plus and of a zero, leading
// zeros and more than 78 or 38 digits are refused, as the rule `string.decimal` does.
func ParseDecimal(text string) (*apd.Decimal, error) {
	if !plainDecimal.MatchString(text) || (strings.HasPrefix(text, "-") && strings.Trim(text, "-0.") == "") {
		return nil, fmt.Errorf("%q is not a plain decimal number such as 0.00010000", text)
	}
	value, _, err := apd.NewFromString(text)
	return value, err
}

// FormatDecimal writes a number as the contracts do: all of its digits, trailing zeros included, no exponent.
//
// An error is returned for what is no finite number, and for more than 78 digits before or 38 after the point.
func FormatDecimal(value *apd.Decimal) (string, error) {
	if value.Form != apd.Finite {
		return "", fmt.Errorf("%s is not a finite number", value)
	}
	integer := value.NumDigits() + int64(value.Exponent)
	if value.Exponent < -MaxFractionDigits || (integer > MaxIntegerDigits && !value.IsZero()) {
		return "", fmt.Errorf("%s has more than %d digits before or %d after the point", value, MaxIntegerDigits, MaxFractionDigits)
	}
	if value.IsZero() {
		// A zero has no sign, and no digits before the point but one.
		return apd.New(0, min(value.Exponent, 0)).Text('f'), nil
	}
	return value.Text('f'), nil
}
