package cqc

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// identity names what a record is about and when it came in: a partial message sets these whether or not it states
// them.
var identity = []protoreflect.Name{
	"position_id",
	"account_id",
	"asset_id",
	"asset_code",
	"all_assets",
	"type",
	"raw_type",
	"window",
	"raw_window",
	"venue_symbol_id",
	"native_listing",
	"received_at",
}

// Stated is a message that may be partial: Position, Ticker, OpenInterest, FundingRate, Balance or AccountMargin.
type Stated interface {
	proto.Message
	GetStated() *fieldmaskpb.FieldMask
}

// ApplyStated returns the whole record after a message that may be partial.
//
// Without a stated mask, next is the whole record. With it, each stated field is that of next, and cleared if next
// lacks it; every other field is that of old. The fields that identify the record, and received_at, are taken from next
// where it sets them. The result has no stated mask. Neither argument is changed.
//
// old is an empty message, or nil, for the first one of a record. ApplyStated returns an error if stated names
// something other than a field of the message, such as the field of a field.
func ApplyStated[M Stated](old, next M) (M, error) {
	if next.GetStated() == nil {
		return proto.Clone(next).(M), nil
	}
	var none M
	result := proto.Clone(old).(M)
	target, source := result.ProtoReflect(), next.ProtoReflect()
	if !target.IsValid() {
		result = target.Type().New().Interface().(M)
		target = result.ProtoReflect()
	}
	fields := source.Descriptor().Fields()
	names := slices.Clone(identity)
	for _, path := range next.GetStated().GetPaths() {
		field := fields.ByName(protoreflect.Name(path))
		if field == nil {
			return none, fmt.Errorf("stated names %q, which is not a field of %s", path, source.Descriptor().FullName())
		}
		target.Clear(field)
		names = append(names, field.Name())
	}
	// A copy, because lists, maps and messages would be shared with next.
	proto.Clone(next).ProtoReflect().Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if slices.Contains(names, field.Name()) {
			target.Set(field, value)
		}
		return true
	})
	target.Clear(fields.ByName("stated"))
	return result, nil
}
