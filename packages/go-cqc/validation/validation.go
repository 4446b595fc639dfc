// Package validation checks messages against the rules of their contracts.
//
//	violations, err := validation.Validate(order)
//
// It is a package of its own because evaluating rules links CEL, which more than doubles the size of a small program.
package validation

import (
	"errors"
	"fmt"
	"sync"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
)

var validator = sync.OnceValues(func() (protovalidate.Validator, error) { return protovalidate.New() })

// Validate returns every violation of the rules in a message's contract, and nil if the message is valid.
//
// It works for any message with buf.validate rules. It returns an error if a rule cannot be evaluated, which does not
// happen for CQC's own rules.
func Validate(message proto.Message) ([]cqc.Violation, error) {
	rules, err := validator()
	if err != nil {
		return nil, fmt.Errorf("cannot create the validator: %w", err)
	}
	err = rules.Validate(message)
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return nil, err
	}
	found := make([]cqc.Violation, 0, len(invalid.Violations))
	for _, violation := range invalid.Violations {
		found = append(found, cqc.Violation{
			Field:   protovalidate.FieldPathString(violation.Proto.GetField()),
			RuleID:  violation.Proto.GetRuleId(),
			Message: violation.Proto.GetMessage(),
		})
	}
	return found, nil
}
