package cqc

import (
	"errors"
	"fmt"
	"sync"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
)

// Violation is one rule of the contracts that a message breaks.
type Violation struct {
	// Field is the path from the message to what breaks the rule, such as `legs[0].ratio`; empty for a rule about several
	// fields together.
	Field string
	// Rule is the id of the rule, such as `string.decimal` or `new_order.limit_price`.
	Rule string
	// Message says what was expected, for people.
	Message string
}

var validator = sync.OnceValues(func() (protovalidate.Validator, error) { return protovalidate.New() })

// Validate returns everything in which a message breaks the rules that its contract states; nil when it keeps to all.
//
// It works for any message with buf.validate rules, of other contracts too. The error is for rules that cannot be
// evaluated, which none of CQC's own are.
func Validate(message proto.Message) ([]Violation, error) {
	rules, err := validator()
	if err != nil {
		return nil, fmt.Errorf("the rules cannot be read: %w", err)
	}
	err = rules.Validate(message)
	var broken *protovalidate.ValidationError
	if !errors.As(err, &broken) {
		return nil, err
	}
	found := make([]Violation, 0, len(broken.Violations))
	for _, violation := range broken.Violations {
		found = append(found, Violation{
			Field:   protovalidate.FieldPathString(violation.Proto.GetField()),
			Rule:    violation.Proto.GetRuleId(),
			Message: violation.Proto.GetMessage(),
		})
	}
	return found, nil
}
