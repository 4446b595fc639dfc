// The Go peer of the interoperability test: reads requests from standard input, one JSON object a line, and answers
// each with a line, as peer.py describes.
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

	_ "github.com/Combine-Capital/cqc/packages/go-cqc/assets/v1"
	_ "github.com/Combine-Capital/cqc/packages/go-cqc/events/v1"
	_ "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	_ "github.com/Combine-Capital/cqc/packages/go-cqc/portfolio/v1"
	_ "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	_ "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

type request struct {
	Type string `json:"type"`
	From string `json:"from"`
	To   string `json:"to"`
	Data string `json:"data"`
}

type answer struct {
	Data  string `json:"data,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		var asked request
		var reply answer
		err := json.Unmarshal(lines.Bytes(), &asked)
		if err == nil {
			reply.Data, err = convert(asked)
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

func convert(asked request) (string, error) {
	messageType, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(asked.Type))
	if err != nil {
		return "", fmt.Errorf("%s: %w", asked.Type, err)
	}
	message := messageType.New().Interface()
	if asked.From == "binary" {
		wire, err := base64.StdEncoding.DecodeString(asked.Data)
		if err != nil {
			return "", err
		}
		if err := proto.Unmarshal(wire, message); err != nil {
			return "", err
		}
	} else if err := protojson.Unmarshal([]byte(asked.Data), message); err != nil {
		return "", err
	}
	if asked.To == "binary" {
		wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		return base64.StdEncoding.EncodeToString(wire), err
	}
	text, err := protojson.Marshal(message)
	return string(text), err
}
