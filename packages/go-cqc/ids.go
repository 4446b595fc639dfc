package cqc

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
)

// Forms of a product's id:
//
//	SPOT, MARGIN  <base>-<quote>-SPOT, <base>-<quote>-MARGIN
//	PERPETUAL     <base>-<quote>-PERP-<settlement>
//	FUTURE        <base>-<quote>-FUT-<settlement>-<expiry>
//	OPTION        <base>-<strike asset>-OPT-<settlement>-<expiry>-<strike>-C, or -P for a put
//	INDEX         <base>-<quote>-INDEX, or <base>-<quote>-INDEX-<variant>
//	EVENT         EVENT-<key>-<quote>
//	COMBO         COMBO-<key>
//
// A product has one id. An expiry is YYYYMMDD in UTC, followed by THHMM or, if it has seconds, THHMMSS only where the
// time of day is not 08:00. A strike has `d` for the decimal point and no needless zeros: `3000`, `0d25`.

const (
	maxSymbolID = 160
	maxName     = 64

	variantExpected = "1 to 20 letters A to Z and digits"
)

var (
	assetForm     = regexp.MustCompile(`^[A-Z0-9]{1,32}(_[A-Z0-9]{1,32}){0,2}$`)
	venueForm     = regexp.MustCompile(`^[a-z0-9]{1,32}(_[a-z0-9]{1,32}){0,7}$`)
	qualifierForm = regexp.MustCompile(`^[a-zA-Z0-9]{1,66}$`)
	ratioForm     = regexp.MustCompile(`^(0|[1-9][0-9]{0,77})([.][0-9]{1,38})?$`)
	strikeForm    = regexp.MustCompile(`^([1-9][0-9]{0,19}(d[0-9]{0,17}[1-9])?|0d[0-9]{0,17}[1-9])$`)
	expiryForm    = regexp.MustCompile(`^[0-9]{8}(T[0-9]{4}([0-9]{2})?)?$`)
	keyForm       = regexp.MustCompile(`^[A-Z0-9]{4,64}$`)
	variantForm   = regexp.MustCompile(`^[A-Z0-9]{1,20}$`)

	typeWords = map[marketsv1.SymbolType]string{
		marketsv1.SymbolType_SYMBOL_TYPE_SPOT:      "SPOT",
		marketsv1.SymbolType_SYMBOL_TYPE_MARGIN:    "MARGIN",
		marketsv1.SymbolType_SYMBOL_TYPE_PERPETUAL: "PERP",
		marketsv1.SymbolType_SYMBOL_TYPE_FUTURE:    "FUT",
		marketsv1.SymbolType_SYMBOL_TYPE_OPTION:    "OPT",
		marketsv1.SymbolType_SYMBOL_TYPE_INDEX:     "INDEX",
		marketsv1.SymbolType_SYMBOL_TYPE_EVENT:     "EVENT",
		marketsv1.SymbolType_SYMBOL_TYPE_COMBO:     "COMBO",
	}
	pairTypes = map[string]marketsv1.SymbolType{
		"SPOT":   marketsv1.SymbolType_SYMBOL_TYPE_SPOT,
		"MARGIN": marketsv1.SymbolType_SYMBOL_TYPE_MARGIN,
		"INDEX":  marketsv1.SymbolType_SYMBOL_TYPE_INDEX,
	}
	statedParts = map[string][]string{
		"SPOT":   {"base_asset_id", "quote_asset_id"},
		"MARGIN": {"base_asset_id", "quote_asset_id"},
		"PERP":   {"base_asset_id", "quote_asset_id", "settlement_asset_id"},
		"FUT":    {"base_asset_id", "quote_asset_id", "settlement_asset_id", "expiry"},
		"OPT":    {"base_asset_id", "strike_asset_id", "settlement_asset_id", "expiry", "strike", "option_type"},
		"INDEX":  {"base_asset_id", "quote_asset_id", "variant"},
		"EVENT":  {"key", "quote_asset_id"},
		"COMBO":  {"key"},
	}
	rights = map[string]marketsv1.OptionType{
		"C": marketsv1.OptionType_OPTION_TYPE_CALL,
		"P": marketsv1.OptionType_OPTION_TYPE_PUT,
	}
	sides = map[marketsv1.LegSide]string{
		marketsv1.LegSide_LEG_SIDE_BUY:  "BUY",
		marketsv1.LegSide_LEG_SIDE_SELL: "SELL",
	}
)

// InvalidIDError reports an id, or a part that it is to be built from, that is not valid.
type InvalidIDError struct {
	// Part names the part as the contracts do, such as `base_asset_id`, or is `symbol_id` or `venue_symbol_id` for the
	// whole id. A part of a combination's leg is prefixed, as in `legs[0].ratio`.
	Part string
	// Value is the offending text, empty if the part is missing.
	Value string
	// Expected describes what is valid.
	Expected string
}

func (e *InvalidIDError) Error() string {
	return fmt.Sprintf("%s %q is not valid: expected %s", e.Part, e.Value, e.Expected)
}

// SymbolIDParts is what a symbol id states. Parts that a type's id does not state are empty.
type SymbolIDParts struct {
	Type         marketsv1.SymbolType
	BaseAssetID  string
	QuoteAssetID string
	// StrikeAssetID is the asset in which the strike is stated. An option's id states it in place of the quote asset.
	StrikeAssetID     string
	SettlementAssetID string
	// Expiry is a whole second. Nil unless the product expires.
	Expiry *timestamppb.Timestamp
	// Strike is a decimal greater than zero, with at most 20 digits before and 18 after the point.
	Strike     string
	OptionType marketsv1.OptionType
	// Variant specifies which of several indices on the same assets, such as `DVOL`. Empty if there is only one.
	Variant string
	// Key is the outcome of an event, or the digest in the id of a combination.
	Key string
}

// VenueSymbolIDParts is what the id of a listing states.
type VenueSymbolIDParts struct {
	VenueID  string
	SymbolID string
	// Qualifier specifies which of a venue's several listings of the product. Empty if there is only one.
	Qualifier string
}

// SymbolID builds the id of a product.
//
// It returns an *InvalidIDError if a part is missing or malformed, or is not stated by an id of this type.
func SymbolID(parts SymbolIDParts) (string, error) {
	word, known := typeWords[parts.Type]
	if !known {
		return "", &InvalidIDError{"type", strconv.Itoa(int(parts.Type)), "a known type of product"}
	}
	expiry := ""
	if parts.Expiry != nil {
		var err error
		if expiry, err = expiryText(parts.Expiry); err != nil {
			return "", err
		}
	}
	texts := []struct{ name, text string }{
		{"base_asset_id", parts.BaseAssetID},
		{"quote_asset_id", parts.QuoteAssetID},
		{"strike_asset_id", parts.StrikeAssetID},
		{"settlement_asset_id", parts.SettlementAssetID},
		{"expiry", expiry},
		{"strike", parts.Strike},
		{"option_type", optionTypeText(parts.OptionType)},
		{"variant", parts.Variant},
		{"key", parts.Key},
	}
	given := map[string]string{}
	for _, part := range texts {
		if part.text != "" && !slices.Contains(statedParts[word], part.name) {
			return "", &InvalidIDError{part.name, part.text, fmt.Sprintf("nothing, as ids with %s do not state it", word)}
		}
		given[part.name] = part.text
	}
	var words []string
	for _, name := range statedParts[word] {
		spelled, err := spell(name, given[name])
		if err != nil {
			return "", err
		}
		if spelled != "" {
			words = append(words, spelled)
		}
	}
	if _, isPair := pairTypes[parts.QuoteAssetID]; isPair && word == "EVENT" {
		// EVENT is an asset too: EVENT-USDT-SPOT is a pair.
		return "", &InvalidIDError{
			"quote_asset_id", parts.QuoteAssetID,
			"another asset id than SPOT, MARGIN and INDEX, which would make the id that of a pair",
		}
	}
	place := 2
	if word == "EVENT" || word == "COMBO" {
		place = 0
	}
	built := strings.Join(slices.Insert(words, place, word), "-")
	if len(built) > maxSymbolID {
		return "", &InvalidIDError{"symbol_id", built, fmt.Sprintf("at most %d characters", maxSymbolID)}
	}
	return built, nil
}

// ParseSymbolID parses the id of a product; SymbolID of the result is the same text.
//
// It returns an *InvalidIDError for everything that SymbolID does not return: an expiry on 30 February, `T0800`, a
// strike of `3000d50`.
func ParseSymbolID(text string) (SymbolIDParts, error) {
	parts, err := splitSymbolID(text)
	if err == nil {
		_, err = SymbolID(parts)
	}
	if err != nil {
		return SymbolIDParts{}, err
	}
	return parts, nil
}

func splitSymbolID(text string) (SymbolIDParts, error) {
	words := strings.Split(text, "-")
	form := ""
	if len(words) > 2 {
		form = words[2]
	}
	pairType, isPair := pairTypes[form]
	switch {
	case len(words) == 3 && isPair:
		return SymbolIDParts{Type: pairType, BaseAssetID: words[0], QuoteAssetID: words[1]}, nil
	case len(words) == 4 && form == "INDEX":
		return SymbolIDParts{Type: pairType, BaseAssetID: words[0], QuoteAssetID: words[1], Variant: words[3]},
			matches("variant", words[3], variantForm, variantExpected)
	case len(words) == 4 && form == "PERP":
		return SymbolIDParts{
			Type:        marketsv1.SymbolType_SYMBOL_TYPE_PERPETUAL,
			BaseAssetID: words[0], QuoteAssetID: words[1], SettlementAssetID: words[3],
		}, nil
	case len(words) == 5 && form == "FUT":
		expiry, err := parseExpiry(words[4])
		return SymbolIDParts{
			Type:        marketsv1.SymbolType_SYMBOL_TYPE_FUTURE,
			BaseAssetID: words[0], QuoteAssetID: words[1], SettlementAssetID: words[3], Expiry: expiry,
		}, err
	case len(words) == 7 && form == "OPT":
		return splitOptionID(words)
	case len(words) == 3 && words[0] == "EVENT":
		return SymbolIDParts{Type: marketsv1.SymbolType_SYMBOL_TYPE_EVENT, QuoteAssetID: words[2], Key: words[1]}, nil
	case len(words) == 2 && words[0] == "COMBO":
		return SymbolIDParts{Type: marketsv1.SymbolType_SYMBOL_TYPE_COMBO, Key: words[1]}, nil
	default:
		expected := "a symbol id such as BTC-USDT-SPOT or ETH-USD-PERP-USDC"
		return SymbolIDParts{}, &InvalidIDError{"symbol_id", text, expected}
	}
}

func splitOptionID(words []string) (SymbolIDParts, error) {
	right, known := rights[words[6]]
	if !known {
		return SymbolIDParts{}, &InvalidIDError{"option_type", words[6], "C or P"}
	}
	expected := "a strike such as 3000 or 0d25, without needless zeros"
	if err := matches("strike", words[5], strikeForm, expected); err != nil {
		return SymbolIDParts{}, err
	}
	expiry, err := parseExpiry(words[4])
	return SymbolIDParts{
		Type:              marketsv1.SymbolType_SYMBOL_TYPE_OPTION,
		BaseAssetID:       words[0],
		StrikeAssetID:     words[1],
		SettlementAssetID: words[3],
		Expiry:            expiry,
		Strike:            strings.Replace(words[5], "d", ".", 1),
		OptionType:        right,
	}, err
}

// SymbolIDOf returns the id that a record must have, which a registry compares with the record's own.
//
// The id of a combination is ComboID of its legs. An index's variant and an event's key are fields of no record: they
// are taken from the record's id. It returns an *InvalidIDError if the record lacks a part of its id, or states one
// that no id can state.
func SymbolIDOf(symbol *marketsv1.Symbol) (string, error) {
	if symbol.GetType() == marketsv1.SymbolType_SYMBOL_TYPE_COMBO {
		return ComboID(symbol.GetLegs())
	}
	parts := SymbolIDParts{Type: symbol.GetType()}
	for _, name := range statedParts[typeWords[parts.Type]] {
		switch name {
		case "base_asset_id":
			parts.BaseAssetID = symbol.GetBaseAssetId()
		case "quote_asset_id":
			parts.QuoteAssetID = symbol.GetQuoteAssetId()
		case "strike_asset_id":
			parts.StrikeAssetID = symbol.GetStrikeAssetId()
		case "settlement_asset_id":
			parts.SettlementAssetID = symbol.GetSettlementAssetId()
		case "expiry":
			parts.Expiry = symbol.GetExpiry()
		case "strike":
			parts.Strike = symbol.GetStrike()
		case "option_type":
			parts.OptionType = symbol.GetOptionType()
		}
	}
	if own, err := ParseSymbolID(symbol.GetSymbolId()); err == nil && own.Type == parts.Type {
		parts.Variant, parts.Key = own.Variant, own.Key
	}
	return SymbolID(parts)
}

// ComboID returns the id of a combination: `COMBO-` and the first 32 hex digits, in upper case, of a SHA-256.
//
// The digest is of one text per leg, `<symbol_id>*<ratio>*<side>`, sorted and joined by `|`. The ratio has no needless
// zeros (`1`, `0.5`), and the side is `BUY` or `SELL`: `BTC-USD-PERP-BTC*1*SELL`. The order of the legs does not
// matter; ratios of 1 to 1 and of 2 to 2 are different combinations. It returns an *InvalidIDError if there is no leg
// or one is malformed.
func ComboID(legs []*marketsv1.SymbolLeg) (string, error) {
	if len(legs) == 0 {
		return "", &InvalidIDError{"legs", "", "at least one leg"}
	}
	texts := make([]string, 0, len(legs))
	for i, leg := range legs {
		part := fmt.Sprintf("legs[%d]", i)
		if _, err := ParseSymbolID(leg.GetSymbolId()); err != nil {
			var invalid *InvalidIDError
			if errors.As(err, &invalid) {
				return "", &InvalidIDError{part + "." + invalid.Part, invalid.Value, invalid.Expected}
			}
			return "", err
		}
		ratio := canonical(leg.GetRatio())
		if !ratioForm.MatchString(leg.GetRatio()) || ratio == "0" {
			return "", &InvalidIDError{part + ".ratio", leg.GetRatio(), "a decimal greater than zero"}
		}
		side, known := sides[leg.GetSide()]
		if !known {
			return "", &InvalidIDError{part + ".side", strconv.Itoa(int(leg.GetSide())), "buy or sell"}
		}
		texts = append(texts, fmt.Sprintf("%s*%s*%s", leg.GetSymbolId(), ratio, side))
	}
	slices.Sort(texts)
	digest := sha256.Sum256([]byte(strings.Join(texts, "|")))
	return "COMBO-" + strings.ToUpper(hex.EncodeToString(digest[:])[:32]), nil
}

// VenueSymbolID builds the id of a listing: venue and product, and a qualifier if the venue lists the product more than
// once.
//
// It returns an *InvalidIDError if a part is malformed. A qualifier that is an address, starting with `0x`, is in lower
// case.
func VenueSymbolID(venueID, symbolID, qualifier string) (string, error) {
	expected := "a venue id such as binance or uniswap_v3_ethereum"
	if err := matchesName("venue_id", venueID, venueForm, expected); err != nil {
		return "", err
	}
	if _, err := ParseSymbolID(symbolID); err != nil {
		return "", err
	}
	if qualifier == "" {
		return venueID + ":" + symbolID, nil
	}
	mixed := strings.HasPrefix(qualifier, "0x") && strings.ToLower(qualifier) != qualifier
	if mixed || !qualifierForm.MatchString(qualifier) {
		return "", &InvalidIDError{"qualifier", qualifier, "1 to 66 letters and digits, in lower case after 0x"}
	}
	return venueID + ":" + symbolID + ":" + qualifier, nil
}

// ParseVenueSymbolID parses the id of a listing; VenueSymbolID of the result's parts is the same text.
//
// It returns an *InvalidIDError for everything that VenueSymbolID does not return.
func ParseVenueSymbolID(text string) (VenueSymbolIDParts, error) {
	words := strings.Split(text, ":")
	if len(words) < 2 || len(words) > 3 || words[len(words)-1] == "" {
		expected := "a venue id and a symbol id joined by a colon, such as binance:BTC-USDT-SPOT"
		return VenueSymbolIDParts{}, &InvalidIDError{"venue_symbol_id", text, expected}
	}
	parts := VenueSymbolIDParts{VenueID: words[0], SymbolID: words[1], Qualifier: strings.Join(words[2:], "")}
	if _, err := VenueSymbolID(parts.VenueID, parts.SymbolID, parts.Qualifier); err != nil {
		return VenueSymbolIDParts{}, err
	}
	return parts, nil
}

// spell returns a part as an id spells it.
func spell(name, text string) (string, error) {
	switch name {
	case "expiry":
		if text == "" {
			return "", &InvalidIDError{name, text, "a time"}
		}
		return text, nil
	case "strike":
		spelled := strings.Replace(canonical(text), ".", "d", 1)
		if !ratioForm.MatchString(text) || !strikeForm.MatchString(spelled) {
			expected := "a decimal greater than zero with at most 20 digits before and 18 after the point"
			return "", &InvalidIDError{name, text, expected}
		}
		return spelled, nil
	case "option_type":
		if _, known := rights[text]; !known {
			return "", &InvalidIDError{name, text, "a call or a put"}
		}
		return text, nil
	case "variant":
		if text == "" {
			return "", nil
		}
		return text, matches(name, text, variantForm, variantExpected)
	case "key":
		return text, matches(name, text, keyForm, "4 to 64 letters A to Z and digits")
	default:
		return text, matchesName(name, text, assetForm, "an asset id such as BTC or USDC_ARBITRUM")
	}
}

func matches(name, text string, form *regexp.Regexp, expected string) error {
	if !form.MatchString(text) {
		return &InvalidIDError{name, text, expected}
	}
	return nil
}

// matchesName also limits the length, which the forms of assets and venues do not.
func matchesName(name, text string, form *regexp.Regexp, expected string) error {
	if err := matches(name, text, form, expected); err != nil || len(text) <= maxName {
		return err
	}
	return &InvalidIDError{name, text, fmt.Sprintf("at most %d characters", maxName)}
}

func optionTypeText(right marketsv1.OptionType) string {
	for letter, known := range rights {
		if known == right {
			return letter
		}
	}
	if right == marketsv1.OptionType_OPTION_TYPE_UNSPECIFIED {
		return ""
	}
	return strconv.Itoa(int(right))
}

func expiryText(expiry *timestamppb.Timestamp) (string, error) {
	if !expiry.IsValid() || expiry.GetNanos() != 0 {
		value := fmt.Sprintf("%d s and %d ns", expiry.GetSeconds(), expiry.GetNanos())
		return "", &InvalidIDError{"expiry", value, "a whole second in the years 1 to 9999"}
	}
	at := expiry.AsTime()
	day, clock := at.Format("20060102"), at.Format("T1504")
	if at.Second() != 0 {
		clock = at.Format("T150405")
	}
	if clock == "T0800" {
		clock = ""
	}
	return day + clock, nil
}

func parseExpiry(text string) (*timestamppb.Timestamp, error) {
	if expiryForm.MatchString(text) {
		layout, full := "20060102T150405"[:len(text)], text
		if len(text) == len("20060102") {
			layout, full = "20060102T1504", text+"T0800"
		}
		if at, err := time.Parse(layout, full); err == nil {
			expiry := timestamppb.New(at)
			if again, err := expiryText(expiry); err == nil && again == text {
				return expiry, nil
			}
		}
	}
	expected := "an existing date YYYYMMDD, with THHMM or THHMMSS in UTC only if the time is not 08:00"
	return nil, &InvalidIDError{"expiry", text, expected}
}
