//go:build cqc_code

// The operations of a peer that call CQC's helpers, as documented in python/helpers.py.

package main

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

func init() {
	maps.Copy(operations, map[string]func(request) (any, error){
		"validate":        validate,
		"check":           check,
		"transition":      transition,
		"decimal":         decimal,
		"nanos":           nanos,
		"notional":        notional,
		"name":            name,
		"book":            book,
		"checksum":        checksum,
		"symbol_id":       symbolID,
		"venue_symbol_id": venueSymbolID,
		"symbol_id_of":    symbolIDOf,
		"combo_id":        comboID,
	})
}

func validate(req request) (any, error) {
	message, err := newMessage(req.Type)
	if err == nil {
		err = decode(req.Data, message)
	}
	if err != nil {
		return nil, err
	}
	violations, err := cqc.Validate(message)
	found := [][]string{}
	for _, violation := range violations {
		found = append(found, []string{violation.Field, violation.RuleID, violation.Message})
	}
	return found, err
}

func check(req request) (any, error) {
	message, err := newMessage(req.Type)
	if err == nil {
		err = decode(req.Data, message)
	}
	if err != nil {
		return nil, err
	}
	var anomalies []cqc.Anomaly
	switch reported := message.(type) {
	case *marketsv1.OrderBook:
		anomalies = cqc.CheckBook(reported)
	case *venuesv1.ExecutionReport:
		anomalies = cqc.CheckExecution(reported)
	case *marketsv1.Candle:
		anomalies = cqc.CheckCandle(reported)
	default:
		return nil, fmt.Errorf("there is no check for %s", req.Type)
	}
	found := [][]string{}
	for _, anomaly := range anomalies {
		found = append(found, []string{string(anomaly.Kind), anomaly.Field, anomaly.Message})
	}
	return found, nil
}

func transition(req request) (any, error) {
	return cqc.CanTransition(venuesv1.OrderStatus(req.Before), venuesv1.OrderStatus(req.After)), nil
}

func decimal(req request) (any, error) {
	value, err := cqc.ParseDecimal(req.Text)
	if err != nil {
		return nil, err
	}
	return cqc.FormatDecimal(value)
}

func nanos(req request) (any, error) {
	timestamp := &timestamppb.Timestamp{}
	if err := decode(req.Data, timestamp); err != nil {
		return nil, err
	}
	first, err := cqc.ToUnixNanos(timestamp)
	if err != nil {
		return nil, err
	}
	again, err := cqc.ToUnixNanos(cqc.FromUnixNanos(first))
	return strconv.FormatInt(again, 10), err
}

func notional(req request) (any, error) {
	listing := &venuesv1.VenueSymbol{}
	if err := decode(req.Data, listing); err != nil {
		return nil, err
	}
	value, err := cqc.Notional(req.Price, req.Quantity, listing)
	if err != nil {
		return nil, err
	}
	text := value.Text('f')
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text, nil
}

func name(req request) (any, error) {
	parsers := map[string]func(string) (protoreflect.Enum, error){
		"OrderType":   parseDisplayName[venuesv1.OrderType],
		"OrderStatus": parseDisplayName[venuesv1.OrderStatus],
		"TimeInForce": parseDisplayName[venuesv1.TimeInForce],
	}
	enumType, err := protoregistry.GlobalTypes.FindEnumByName(protoreflect.FullName("cqc.venues.v1." + req.Enum))
	if err != nil {
		return nil, err
	}
	shown := cqc.DisplayName(enumType.New(protoreflect.EnumNumber(req.Value)))
	value, err := parsers[req.Enum](strings.ReplaceAll(strings.ToLower(shown), " ", "-"))
	if err != nil {
		return nil, err
	}
	return []any{shown, value.Number()}, nil
}

func parseDisplayName[E protoreflect.Enum](text string) (protoreflect.Enum, error) {
	return cqc.ParseDisplayName[E](text)
}

func book(req request) (any, error) {
	snapshot := &marketsv1.OrderBook{}
	if err := decode(req.Snapshot, snapshot); err != nil {
		return nil, err
	}
	builder, err := cqc.NewBookBuilder(snapshot, cqc.VerifyChecksums())
	if err != nil {
		return bookError(err)
	}
	results := []any{}
	for _, data := range req.Deltas {
		delta := &marketsv1.OrderBookDelta{}
		if err := decode(data, delta); err != nil {
			return nil, err
		}
		applied, err := builder.Apply(delta)
		var result any
		switch {
		case err != nil:
			if result, err = bookError(err); err != nil {
				return nil, err
			}
		case applied:
			result = "applied"
		default:
			result = "stale"
		}
		results = append(results, result)
	}
	text, err := encode(builder.Book())
	return []any{results, text}, err
}

func bookError(err error) (any, error) {
	var failed *cqc.BookError
	if !errors.As(err, &failed) {
		return nil, err
	}
	var sequence any
	if failed.Sequence != nil {
		sequence = strconv.FormatUint(*failed.Sequence, 10)
	}
	return []any{failed.Kind, failed.Listing, sequence, failed.Expected, failed.Actual}, nil
}

func checksum(req request) (any, error) {
	book := &marketsv1.OrderBook{}
	if err := decode(req.Data, book); err != nil {
		return nil, err
	}
	return cqc.BookChecksum(book, marketsv1.ChecksumKind(req.Kind))
}

func symbolID(req request) (any, error) {
	parts, err := cqc.ParseSymbolID(req.Text)
	if err != nil {
		return idError(err)
	}
	expiry := ""
	if parts.Expiry != nil {
		expiry = strconv.FormatInt(parts.Expiry.GetSeconds(), 10)
	}
	stated := []any{
		parts.Type, parts.BaseAssetID, parts.QuoteAssetID, parts.StrikeAssetID, parts.SettlementAssetID, expiry,
		parts.Strike, parts.OptionType, parts.Variant, parts.Key,
	}
	id, err := cqc.SymbolID(parts)
	return []any{stated, id}, err
}

func venueSymbolID(req request) (any, error) {
	parts, err := cqc.ParseVenueSymbolID(req.Text)
	if err != nil {
		return idError(err)
	}
	id, err := cqc.VenueSymbolID(parts.VenueID, parts.SymbolID, parts.Qualifier)
	return []any{[]string{parts.VenueID, parts.SymbolID, parts.Qualifier}, id}, err
}

func symbolIDOf(req request) (any, error) {
	symbol := &marketsv1.Symbol{}
	if err := decode(req.Data, symbol); err != nil {
		return nil, err
	}
	id, err := cqc.SymbolIDOf(symbol)
	if err != nil {
		return idError(err)
	}
	return id, nil
}

func comboID(req request) (any, error) {
	symbol := &marketsv1.Symbol{}
	if err := decode(req.Data, symbol); err != nil {
		return nil, err
	}
	id, err := cqc.ComboID(symbol.GetLegs())
	if err != nil {
		return idError(err)
	}
	return id, nil
}

func idError(err error) (any, error) {
	var invalid *cqc.InvalidIDError
	if !errors.As(err, &invalid) {
		return nil, err
	}
	return []string{invalid.Part, invalid.Value, invalid.Expected}, nil
}
