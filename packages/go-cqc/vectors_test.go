package cqc_test

import (
	"encoding/json"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// vectors reads a file of examples that the tests of all three languages share.
func vectors[V any](t testing.TB, file string) V {
	t.Helper()
	var read V
	content, err := os.ReadFile("testdata/" + file)
	if err == nil {
		err = json.Unmarshal(content, &read)
	}
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func fromJSON[M proto.Message](t testing.TB, text json.RawMessage, message M) M {
	t.Helper()
	if err := protojson.Unmarshal(text, message); err != nil {
		t.Fatal(err)
	}
	return message
}
