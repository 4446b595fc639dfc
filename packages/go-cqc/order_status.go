package cqc

import (
	"slices"

	"google.golang.org/protobuf/proto"

	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// CanTransition reports whether an order may move from one status to another.
//
// It returns false only if the contract rules the transition out. Repeating a status is legal, and so is any transition
// from or to a status that is unspecified or unknown to this version. As in FIX, an order may fill after it was
// cancelled, and a cancellation may be rejected; see the comments of OrderStatus.
func CanTransition(before, after venuesv1.OrderStatus) bool {
	if before == after || !isKnown(before) || !isKnown(after) {
		return true
	}
	value := before.Descriptor().Values().ByNumber(before.Number())
	next := proto.GetExtension(value.Options(), venuesv1.E_NextOrderStatus).([]venuesv1.OrderStatus)
	return slices.Contains(next, after)
}

func isKnown(status venuesv1.OrderStatus) bool {
	return status != venuesv1.OrderStatus_ORDER_STATUS_UNSPECIFIED &&
		status.Descriptor().Values().ByNumber(status.Number()) != nil
}
