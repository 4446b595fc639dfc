// The Go peer of the tests across languages: reads requests from standard input, one JSON object a line, and answers
// each with a line, as peer.py describes.
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

type answer struct {
	Data  any    `json:"data"`
	Error string `json:"error,omitempty"`
}

var operations = map[string]func(request) (any, error){
	"convert":  convert,
	"validate": validate,
	"check":    check,
	"transition": func(asked request) (any, error) {
		return cqc.CanTransition(venuesv1.OrderStatus(asked.Before), venuesv1.OrderStatus(asked.After)), nil
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
		var asked request
		var reply answer
		err := json.Unmarshal(lines.Bytes(), &asked)
		if err == nil {
			reply.Data, err = operations[asked.Op](asked)
		}
		if err != nil {
			reply = answer{Error: err.Error()}
		}
		if err := encoder.Encode(reply); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func parse(data string, message proto.Message) error {
	wire, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return err
	}
	return proto.Unmarshal(wire, message)
}

func written(message proto.Message) (string, error) {
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	return base64.StdEncoding.EncodeToString(wire), err
}

func empty(name string) (proto.Message, error) {
	messageType, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return messageType.New().Interface(), nil
}

func convert(asked request) (any, error) {
	message, err := empty(asked.Type)
	if err != nil {
		return nil, err
	}
	if asked.From == "binary" {
		err = parse(asked.Data, message)
	} else {
		err = protojson.Unmarshal([]byte(asked.Data), message)
	}
	if err != nil {
		return nil, err
	}
	if asked.To == "binary" {
		return written(message)
	}
	text, err := protojson.Marshal(message)
	return string(text), err
}

func validate(asked request) (any, error) {
	message, err := empty(asked.Type)
	if err == nil {
		err = parse(asked.Data, message)
	}
	if err != nil {
		return nil, err
	}
	violations, err := cqc.Validate(message)
	found := [][]string{}
	for _, violation := range violations {
		found = append(found, []string{violation.Field, violation.Rule, violation.Message})
	}
	return found, err
}

func check(asked request) (any, error) {
	message, err := empty(asked.Type)
	if err == nil {
		err = parse(asked.Data, message)
	}
	if err != nil {
		return nil, err
	}
	var oddities []cqc.Oddity
	switch fact := message.(type) {
	case *marketsv1.OrderBook:
		oddities = cqc.CheckBook(fact)
	case *venuesv1.ExecutionReport:
		oddities = cqc.CheckExecution(fact)
	case *marketsv1.Candle:
		oddities = cqc.CheckCandle(fact)
	default:
		return nil, fmt.Errorf("there is no check for %s", asked.Type)
	}
	found := [][]string{}
	for _, oddity := range oddities {
		found = append(found, []string{oddity.Kind, oddity.Field, oddity.Text})
	}
	return found, nil
}

func decimal(asked request) (any, error) {
	value, err := cqc.ParseDecimal(asked.Text)
	if err != nil {
		return nil, err
	}
	return cqc.FormatDecimal(value)
}

func nanos(asked request) (any, error) {
	timestamp := &timestamppb.Timestamp{}
	if err := parse(asked.Data, timestamp); err != nil {
		return nil, err
	}
	first, err := cqc.UnixNanos(timestamp)
	if err != nil {
		return nil, err
	}
	again, err := cqc.UnixNanos(cqc.FromUnixNanos(first))
	return strconv.FormatInt(again, 10), err
}

func notional(asked request) (any, error) {
	listing := &venuesv1.VenueSymbol{}
	if err := parse(asked.Data, listing); err != nil {
		return nil, err
	}
	value, err := cqc.Notional(asked.Price, asked.Quantity, listing)
	if err != nil {
		return nil, err
	}
	text := value.Text('f')
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text, nil
}

func name(asked request) (any, error) {
	read := map[string]func(string) (protoreflect.Enum, error){
		"OrderType":   func(text string) (protoreflect.Enum, error) { return cqc.ParseDisplayName[venuesv1.OrderType](text) },
		"OrderStatus": func(text string) (protoreflect.Enum, error) { return cqc.ParseDisplayName[venuesv1.OrderStatus](text) },
		"TimeInForce": func(text string) (protoreflect.Enum, error) { return cqc.ParseDisplayName[venuesv1.TimeInForce](text) },
	}
	enumType, err := protoregistry.GlobalTypes.FindEnumByName(protoreflect.FullName("cqc.venues.v1." + asked.Enum))
	if err != nil {
		return nil, err
	}
	shown := cqc.DisplayName(enumType.New(protoreflect.EnumNumber(asked.Value)))
	value, err := read[asked.Enum](strings.ReplaceAll(strings.ToLower(shown), " ", "-"))
	if err != nil {
		return nil, err
	}
	return []any{shown, value.Number()}, nil
}

func book(asked request) (any, error) {
	snapshot := &marketsv1.OrderBook{}
	if err := parse(asked.Snapshot, snapshot); err != nil {
		return nil, err
	}
	builder := cqc.NewBookBuilder(snapshot)
	became := []string{}
	for _, data := range asked.Deltas {
		delta := &marketsv1.OrderBookDelta{}
		if err := parse(data, delta); err != nil {
			return nil, err
		}
		applied, err := builder.Apply(delta)
		var gap *cqc.SequenceGapError
		switch {
		case errors.As(err, &gap):
			became = append(became, fmt.Sprintf("gap %d %d", gap.Have, gap.Before))
		case err != nil:
			return nil, err
		case applied:
			became = append(became, "applied")
		default:
			became = append(became, "stale")
		}
	}
	text, err := written(builder.Book())
	return []any{became, text}, err
}
