package cqc

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// referencePrefixes are those of pairs of an id and the venue's code whose absence leaves the meaning of a fact open.
// Others, such as the settlement asset of a position, are absent if the venue does not report them.
var referencePrefixes = []string{"", "in_", "out_", "quote_"}

// CheckReferences returns the references that a fact and the messages in it lack: the kinds AnomalyKindReference*.
//
// A listing is stated by venue_symbol_id, or by a native_listing with a symbol or an id. A message with legs, or an
// order by quote, may have none, because its legs state theirs; neither does a message about an asset, such as a
// balance, need one. An asset is stated by asset_id or asset_code; in swaps and metrics by both of two pairs.
//
// It works for any message, such as Order, Balance, Position, Trade or Event. Anomaly.Field is the path of the id.
func CheckReferences(message proto.Message) []Anomaly {
	var found anomalies
	found.references("", message.ProtoReflect())
	return found
}

func (a *anomalies) references(path string, message protoreflect.Message) {
	fields := message.Descriptor().Fields()
	if fields.ByName("native_listing") != nil && fields.ByName("asset_id") == nil && !namesListing(message) {
		a.add(AnomalyKindReferenceListingMissing, path+"venue_symbol_id",
			"neither venue_symbol_id nor native_listing states the listing")
	}
	for _, prefix := range referencePrefixes {
		id, code := prefix+"asset_id", prefix+"asset_code"
		if fields.ByName(protoreflect.Name(code)) != nil && !states(message, id) && !states(message, code) {
			a.add(AnomalyKindReferenceAssetMissing, path+id, "neither %s nor %s states the asset", id, code)
		}
	}
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Message() == nil || field.IsMap() || !message.Has(field) {
			continue
		}
		if !field.IsList() {
			a.references(path+string(field.Name())+".", message.Get(field).Message())
			continue
		}
		list := message.Get(field).List()
		for index := range list.Len() {
			a.references(fmt.Sprintf("%s%s[%d].", path, field.Name(), index), list.Get(index).Message())
		}
	}
}

func namesListing(message protoreflect.Message) bool {
	native := message.Get(message.Descriptor().Fields().ByName("native_listing")).Message()
	if states(message, "venue_symbol_id") || states(message, "quote_id") || states(native, "symbol") ||
		states(native, "id") {
		return true
	}
	legs := message.Descriptor().Fields().ByName("legs")
	return legs != nil && message.Has(legs)
}

// states reports whether a message has a string field that is not empty.
func states(message protoreflect.Message, name string) bool {
	field := message.Descriptor().Fields().ByName(protoreflect.Name(name))
	return field != nil && message.Get(field).String() != ""
}
