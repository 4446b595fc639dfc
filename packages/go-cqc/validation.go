package cqc

import (
	"errors"
	"fmt"
	"sync"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
)

// Violation is a rule that a message violates.
type Violation struct {
	// Field is the path to the offending field, such as `legs[0].ratio`; it is empty for a rule about several fields.
	Field string
	// RuleID identifies the rule, such as `string.decimal` or `new_order.limit_price`.
	RuleID string
	// Message describes the problem.
	Message string
}

var validator = sync.OnceValues(func() (protovalidate.Validator, error) { return protovalidate.New() })

// Validate returns every violation of the rules in a message's contract, and nil if the message is valid.
//
// It works for any message with buf.validate rules. It returns an error if a rule cannot be evaluated, which does not
// happen for CQC's own rules.
func Validate(message proto.Message) ([]Violation, error) {
	rules, err := validator()
	if err != nil {
		return nil, fmt.Errorf("cannot create the validator: %w", err)
	}
	err = rules.Validate(message)
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return nil, err
	}
	found := make([]Violation, 0, len(invalid.Violations))
	for _, violation := range invalid.Violations {
		found = append(found, Violation{
			Field:   protovalidate.FieldPathString(violation.Proto.GetField()),
			RuleID:  violation.Proto.GetRuleId(),
			Message: violation.Proto.GetMessage(),
		})
	}
	return found, nil
}
