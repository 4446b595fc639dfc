package cqc

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

const (
	// MaxIntegerDigits is the maximum number of digits before the decimal point, enough for a uint256.
	MaxIntegerDigits = 78
	// MaxFractionDigits is the maximum number of digits after the decimal point.
	MaxFractionDigits = 38
)

var (
	plainDecimal = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,77})([.][0-9]{1,38})?$`)
	// Wide enough for any sum or product of valid decimals. The traps turn a lost digit into an error.
	exact = apd.Context{
		Precision:   1000,
		MaxExponent: apd.MaxExponent,
		MinExponent: apd.MinExponent,
		Traps:       apd.DefaultTraps | apd.Inexact | apd.Rounded,
	}
)

// ParseDecimal parses a decimal string such as "0.00010000" exactly, keeping trailing zeros.
//
// It accepts what the rule `string.decimal` accepts. It returns an error for an exponent, a plus sign, a negative zero,
// leading zeros, and more than 78 digits before or 38 after the point.
func ParseDecimal(text string) (*apd.Decimal, error) {
	if !isPlain(text) {
		return nil, fmt.Errorf("%q is not a plain decimal such as 0.00010000", text)
	}
	value, _, err := apd.NewFromString(text)
	return value, err
}

func isPlain(text string) bool {
	return plainDecimal.MatchString(text) && !(strings.HasPrefix(text, "-") && strings.Trim(text, "-0.") == "")
}

// FormatDecimal formats a number as a decimal string with all its digits, including trailing zeros, and no exponent.
//
// It returns an error if the number is not finite or has more than 78 digits before or 38 after the point.
func FormatDecimal(value *apd.Decimal) (string, error) {
	if value.Form != apd.Finite {
		return "", fmt.Errorf("%s is not a finite number", value)
	}
	integer := value.NumDigits() + int64(value.Exponent)
	if value.Exponent < -MaxFractionDigits || (integer > MaxIntegerDigits && !value.IsZero()) {
		return "", fmt.Errorf("%s has more than %d digits before or %d after the point",
			value, MaxIntegerDigits, MaxFractionDigits)
	}
	if value.IsZero() {
		// Drop the sign and a positive exponent.
		return apd.New(0, min(value.Exponent, 0)).Text('f'), nil
	}
	return value.Text('f'), nil
}
