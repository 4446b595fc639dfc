package cqc

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// DisplayName returns how an enum value is shown to people: its name without the enum's, such as `STOP LIMIT` or `GTC`; a
// value that only a newer contract knows is shown as its number.
func DisplayName(value protoreflect.Enum) string {
	known := value.Descriptor().Values().ByNumber(value.Number())
	if known == nil {
		return strconv.Itoa(int(value.Number()))
	}
	return strings.ReplaceAll(strings.TrimPrefix(string(known.Name()), namePrefix(value.Descriptor())), "_", " ")
}

// ParseDisplayName reads what DisplayName wrote, whatever the case of letters and with spaces, hyphens or underscores
// between words; the full name and a number are understood too. An error lists the names there are.
func ParseDisplayName[E protoreflect.Enum](text string) (E, error) {
	var none E
	descriptor := none.Descriptor()
	prefix := namePrefix(descriptor)
	wanted := strings.TrimPrefix(strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToUpper(strings.TrimSpace(text))), prefix)
	names := make([]string, 0, descriptor.Values().Len())
	for i := range descriptor.Values().Len() {
		value := descriptor.Values().Get(i)
		name := strings.TrimPrefix(string(value.Name()), prefix)
		if name == wanted {
			return none.Type().New(value.Number()).(E), nil
		}
		names = append(names, strings.ReplaceAll(name, "_", " "))
	}
	if number, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32); err == nil {
		return none.Type().New(protoreflect.EnumNumber(number)).(E), nil
	}
	return none, fmt.Errorf("%q is none of %s", text, strings.Join(names, ", "))
}

// namePrefix is what all names of an enum begin with, such as `ORDER_TYPE_`: the one for zero ends with UNSPECIFIED.
func namePrefix(descriptor protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(descriptor.Values().ByNumber(0).Name()), "UNSPECIFIED")
}
