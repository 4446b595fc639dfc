package cqc

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// DisplayName returns the name of an enum value for display, such as `STOP LIMIT` or `GTC`.
//
// This is the value's name without the enum's prefix. A value unknown to this version is shown as its number.
func DisplayName(value protoreflect.Enum) string {
	known := value.Descriptor().Values().ByNumber(value.Number())
	if known == nil {
		return strconv.Itoa(int(value.Number()))
	}
	return strings.ReplaceAll(strings.TrimPrefix(string(known.Name()), namePrefix(value.Descriptor())), "_", " ")
}

// ParseDisplayName parses a display name, ignoring case; words may be separated by spaces, hyphens or underscores.
//
// It also accepts the full name of a value and its number. The error lists the display names.
func ParseDisplayName[E protoreflect.Enum](text string) (E, error) {
	var none E
	descriptor := none.Descriptor()
	prefix := namePrefix(descriptor)
	trimmed := strings.TrimSpace(text)
	wanted := strings.TrimPrefix(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToUpper(trimmed)), prefix)
	names := make([]string, 0, descriptor.Values().Len())
	for i := range descriptor.Values().Len() {
		value := descriptor.Values().Get(i)
		name := strings.TrimPrefix(string(value.Name()), prefix)
		if name == wanted {
			return none.Type().New(value.Number()).(E), nil
		}
		names = append(names, strings.ReplaceAll(name, "_", " "))
	}
	if number, err := strconv.ParseInt(trimmed, 10, 32); err == nil {
		return none.Type().New(protoreflect.EnumNumber(number)).(E), nil
	}
	return none, fmt.Errorf("unknown %s %q: expected one of %s", descriptor.Name(), text, strings.Join(names, ", "))
}

// namePrefix returns the common prefix of an enum's values, such as `ORDER_TYPE_`, taken from the UNSPECIFIED value.
func namePrefix(descriptor protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(descriptor.Values().ByNumber(0).Name()), "UNSPECIFIED")
}
