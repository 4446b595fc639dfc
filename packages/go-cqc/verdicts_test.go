package cqc_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/validation"
)

// The rules accept and refuse the same messages as in the other languages, with the same paths and rule ids.
func TestVerdicts(t *testing.T) {
	type verdict struct {
		Case    string
		Type    string
		Message json.RawMessage
		Rules   [][2]string
	}
	for _, one := range vectors[[]verdict](t, "verdicts.json") {
		found, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(one.Type))
		if err != nil {
			t.Fatal(err)
		}
		message := fromJSON(t, one.Message, found.New().Interface())
		violations, err := validation.Validate(message)
		if err != nil {
			t.Fatal(err)
		}
		got := make([][2]string, 0, len(violations))
		for _, violation := range violations {
			got = append(got, [2]string{violation.Field, violation.RuleID})
		}
		slices.SortFunc(got, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
		if !reflect.DeepEqual(got, one.Rules) {
			t.Errorf("%s (%s %s): got %v, want %v", one.Case, one.Type, one.Message, got, one.Rules)
		}
	}
}
