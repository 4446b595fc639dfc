package cqc

import (
	"slices"

	"google.golang.org/protobuf/proto"

	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// CanTransition says whether an order may go from one state to another.
//
// It is false only where the contract rules it out: a repeated state is legal, as is anything from or to a state that is
// unspecified or that only a newer version of the contract knows. Late fills after a cancellation and refused
// cancellations are legal, as FIX has them; see the comments of OrderStatus.
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
