// The Go peer of the interoperability tests. It reads one JSON request per line from standard input and writes one
// response per line, as documented in peer.py.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/timestamppb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	_ "github.com/Combine-Capital/cqc/packages/go-cqc/assets/v1"
	_ "github.com/Combine-Capital/cqc/packages/go-cqc/events/v1"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	_ "github.com/Combine-Capital/cqc/packages/go-cqc/portfolio/v1"
	_ "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

type request struct {
	Op       string   `json:"op"`
	Type     string   `json:"type"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Data     string   `json:"data"`
	Text     string   `json:"text"`
	Price    string   `json:"price"`
	Quantity string   `json:"quantity"`
	Enum     string   `json:"enum"`
	Value    int32    `json:"value"`
	Before   int32    `json:"before"`
	After    int32    `json:"after"`
	Snapshot string   `json:"snapshot"`
	Deltas   []string `json:"deltas"`
}

type response struct {
	Data  any    `json:"data"`
	Error string `json:"error,omitempty"`
}

var operations = map[string]func(request) (any, error){
	"convert":  convert,
	"validate": validate,
	"check":    check,
	"transition": func(req request) (any, error) {
		return cqc.CanTransition(venuesv1.OrderStatus(req.Before), venuesv1.OrderStatus(req.After)), nil
	},
	"decimal":  decimal,
	"nanos":    nanos,
	"notional": notional,
	"name":     name,
	"book":     book,
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		var req request
		var resp response
		err := json.Unmarshal(lines.Bytes(), &req)
		if err == nil {
			resp.Data, err = operations[req.Op](req)
		}
		if err != nil {
			resp = response{Error: err.Error()}
		}
		if err := encoder.Encode(resp); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func decode(data string, message proto.Message) error {
	wire, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return err
	}
	return proto.Unmarshal(wire, message)
}

func encode(message proto.Message) (string, error) {
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	return base64.StdEncoding.EncodeToString(wire), err
}

func newMessage(name string) (proto.Message, error) {
	messageType, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return messageType.New().Interface(), nil
}

func convert(req request) (any, error) {
	message, err := newMessage(req.Type)
	if err != nil {
		return nil, err
	}
	if req.From == "binary" {
		err = decode(req.Data, message)
	} else {
		err = protojson.Unmarshal([]byte(req.Data), message)
	}
	if err != nil {
		return nil, err
	}
	if req.To == "binary" {
		return encode(message)
	}
	text, err := protojson.Marshal(message)
	return string(text), err
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
	builder := cqc.NewBookBuilder(snapshot)
	results := []string{}
	for _, data := range req.Deltas {
		delta := &marketsv1.OrderBookDelta{}
		if err := decode(data, delta); err != nil {
			return nil, err
		}
		applied, err := builder.Apply(delta)
		var gap *cqc.SequenceGapError
		switch {
		case errors.As(err, &gap):
			results = append(results, fmt.Sprintf("gap %d %d", gap.Have, gap.Before))
		case err != nil:
			return nil, err
		case applied:
			results = append(results, "applied")
		default:
			results = append(results, "stale")
		}
	}
	text, err := encode(builder.Book())
	return []any{results, text}, err
}
