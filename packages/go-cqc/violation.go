package cqc

// Violation is a rule that a message violates, as validation.Validate and errors.From return it.
type Violation struct {
	// Field is the path to the offending field, such as `legs[0].ratio`; it is empty for a rule about several fields.
	Field string
	// RuleID identifies the rule, such as `string.decimal` or `new_order.limit_price`.
	RuleID string
	// Message describes the problem.
	Message string
}
