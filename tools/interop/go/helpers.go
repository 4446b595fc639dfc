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
	eventsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/events/v1"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/validation"
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
		"gross":           gross,
		"stated":          stated,
		"event":           event,
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
	violations, err := validation.Validate(message)
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
		anomalies = cqc.CheckReferences(message)
	}
	found := [][]string{}
	for _, anomaly := range anomalies {
		found = append(found, []string{string(anomaly.Kind), anomaly.Field, anomaly.Message})
	}
	return found, nil
}

func transition(req request) (any, error) {
	switch req.Enum {
	case "OrderStatus":
		return cqc.CanTransition(venuesv1.OrderStatus(req.Before), venuesv1.OrderStatus(req.After)), nil
	case "TransferState":
		return cqc.CanTransition(venuesv1.TransferState(req.Before), venuesv1.TransferState(req.After)), nil
	default:
		return nil, fmt.Errorf("%s is not among the enums of this peer", req.Enum)
	}
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
	symbol := &marketsv1.Symbol{}
	if err := decode(req.Symbol, symbol); err != nil {
		return nil, err
	}
	unit := marketsv1.QuantityUnit(req.Unit)
	value, failed := cqc.Notional(req.Price, req.Quantity, unit, listing, symbol)
	units, noUnits := cqc.BaseQuantity(req.Quantity, unit, listing, req.Price)
	price, noPrice := cqc.BasePrice(req.Price, listing)
	underlying, noUnderlying := cqc.UnderlyingNotional(req.Underlying, req.Quantity, unit, listing, symbol)
	return []any{
		answer(func() any { return pair(value) }, failed),
		answer(func() any { return plain(units) }, noUnits),
		answer(func() any { return plain(price) }, noPrice),
		answer(func() any { return pair(underlying) }, noUnderlying),
	}, nil
}

func answer(found func() any, err error) any {
	var refused *cqc.UnitNotReconcilableError
	switch {
	case err == nil:
		return found()
	case errors.As(err, &refused):
		return []any{refused.Reason(), refused.VenueSymbolID, refused.Unit, refused.Error()}
	default:
		return "rejected"
	}
}

func pair(amount cqc.Amount) []string { return []string{plain(amount.Value), amount.AssetID} }

func plain(value interface {
	IsZero() bool
	Text(format byte) string
}) string {
	if value.IsZero() {
		return "0"
	}
	text := value.Text('f')
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func gross(req request) (any, error) {
	var amounts []cqc.Amount
	for _, amount := range req.Amounts {
		value, err := cqc.ParseDecimal(amount[0])
		if err != nil {
			return nil, err
		}
		amounts = append(amounts, cqc.Amount{Value: value, AssetID: amount[1]})
	}
	sums, err := cqc.GrossNotional(amounts...)
	found := [][]string{}
	for _, sum := range sums {
		found = append(found, pair(sum))
	}
	return found, err
}

func stated(req request) (any, error) {
	old, err := newMessage(req.Type)
	if err != nil {
		return nil, err
	}
	next := old.ProtoReflect().New().Interface()
	if err := errors.Join(decode(req.Old, old), decode(req.New, next)); err != nil {
		return nil, err
	}
	result, err := cqc.ApplyStated(old.(cqc.Stated), next.(cqc.Stated))
	if err != nil {
		return nil, err
	}
	return encode(result)
}

func event(req request) (any, error) {
	published := &eventsv1.Event{}
	if err := decode(req.Data, published); err != nil {
		return nil, err
	}
	attributes, err := cqc.Attributes(published)
	subject, noSubject := cqc.NATSSubject(published)
	topic, noTopic := cqc.KafkaTopic(published)
	err = errors.Join(err, noSubject, noTopic)
	var unknown *cqc.UnknownEventError
	if errors.As(err, &unknown) {
		return []string{
			unknown.Topic, unknown.Subject, strconv.FormatUint(unknown.Sequence, 10), unknown.Error(),
		}, nil
	}
	return []any{attributes, subject, topic}, err
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
