// The Go peer of the interoperability tests. It reads one JSON request per line from standard input and writes one
// response per line, as documented in python/peer.py. It is compiled together with a messages.go that imports every
// package of the built module.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
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
	Unit     int32    `json:"unit"`
	Kind     int32    `json:"kind"`
	Before   int32    `json:"before"`
	After    int32    `json:"after"`
	Snapshot string   `json:"snapshot"`
	Deltas   []string `json:"deltas"`
	Symbol   string   `json:"symbol"`
	Old      string   `json:"old"`
	New      string   `json:"new"`

	Underlying string      `json:"underlying"`
	Amounts    [][2]string `json:"amounts"`
}

type response struct {
	Data  any    `json:"data"`
	Error string `json:"error,omitempty"`
}

var operations = map[string]func(request) (any, error){"convert": convert}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for lines.Scan() {
		if err := encoder.Encode(respond(lines.Bytes())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func respond(line []byte) response {
	var req request
	if err := json.Unmarshal(line, &req); err != nil {
		return response{Error: err.Error()}
	}
	operation, ok := operations[req.Op]
	if !ok {
		return response{Error: fmt.Sprintf("unknown operation %q", req.Op)}
	}
	data, err := operation(req)
	if err != nil {
		return response{Error: err.Error()}
	}
	return response{Data: data}
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
