package cqc

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/options/v1"
)

// CanTransition reports whether a state may follow another.
//
// It works for every enum whose values declare the states that may follow them, such as OrderStatus and TransferState.
// It returns false only if the contract rules the transition out. Repeating a state is legal, and so
// is any transition from or to a state that is unspecified or unknown to this version. As in FIX, an order may fill
// after it was cancelled, and a cancellation may be rejected; see the comments of OrderStatus.
//
// It panics if no value of the enum declares what may follow it, because the call is then wrong for every value.
func CanTransition[E protoreflect.Enum](before, after E) bool {
	states := before.Descriptor().Values()
	if !slices.ContainsFunc(following(states), func(next []string) bool { return len(next) > 0 }) {
		panic(string(before.Descriptor().FullName()) + " declares no transitions")
	}
	known := func(state E) bool { return state.Number() != 0 && states.ByNumber(state.Number()) != nil }
	if before.Number() == after.Number() || !known(before) || !known(after) {
		return true
	}
	return slices.Contains(nextStates(states.ByNumber(before.Number())), string(states.ByNumber(after.Number()).Name()))
}

func following(states protoreflect.EnumValueDescriptors) [][]string {
	all := make([][]string, 0, states.Len())
	for i := range states.Len() {
		all = append(all, nextStates(states.Get(i)))
	}
	return all
}

func nextStates(state protoreflect.EnumValueDescriptor) []string {
	return proto.GetExtension(state.Options(), optionsv1.E_NextState).([]string)
}
