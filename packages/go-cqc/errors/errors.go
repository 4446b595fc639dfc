// Package errors has the errors of the services as values: made by a server, read by a client.
//
//	return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA, "no book yet", "venue_symbol_id", id)
//
//	if failure, ok := errors.From(err); ok && failure.Reason == servicesv1.ErrorReason_ERROR_REASON_RISK_LIMIT {
//		log.Print(failure.Metadata["limit_id"])
//	}
//
// A ServiceError that a handler returns, wrapped or not, becomes the status of the call, with a google.rpc.ErrorInfo of
// domain "cqc" and, if they apply, a BadRequest and a RetryInfo.
package errors

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	optionsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/options/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

// Domain is the domain of the google.rpc.ErrorInfo of every ServiceError.
const Domain = "cqc"

const prefix = "ERROR_REASON_"

// ServiceError is a failed call, or a failed item of a batch.
type ServiceError struct {
	// Reason states why. It is unspecified if a client does not know the reason of a newer server.
	Reason servicesv1.ErrorReason
	// Code is the gRPC code.
	Code codes.Code
	// Message is for people.
	Message string
	// Metadata has values under the keys that the options of the reason name.
	Metadata map[string]string
	// RetryDelay is the time to wait before trying again, and nil for reasons without RetryInfo.
	RetryDelay *time.Duration
	// Violations are the violated rules of the request, for ERROR_REASON_INVALID_FIELD.
	Violations []cqc.Violation
}

// New returns an error with pairs of metadata keys and values. It panics if the reason has no code or does not name a
// key, which are mistakes in the calling program.
func New(reason servicesv1.ErrorReason, message string, pairs ...string) *ServiceError {
	declared := options(reason)
	number, ok := code.Code_value[proto.GetExtension(declared, optionsv1.E_Code).(string)]
	if !ok {
		panic(fmt.Sprintf("%s is not an ErrorReason with a code", reason))
	}
	keys := proto.GetExtension(declared, optionsv1.E_MetadataKey).([]string)
	metadata := make(map[string]string, len(pairs)/2)
	for pair := range slices.Chunk(pairs, 2) {
		if len(pair) != 2 || !slices.Contains(keys, pair[0]) {
			panic(fmt.Sprintf("%s has no metadata %q; its keys are: %s", reason, pair, strings.Join(keys, ", ")))
		}
		metadata[pair[0]] = pair[1]
	}
	return &ServiceError{Reason: reason, Code: codes.Code(number), Message: message, Metadata: metadata}
}

// InvalidRequest returns the error for a request that violates rules.
func InvalidRequest(request proto.Message, violations []cqc.Violation) *ServiceError {
	lines := make([]string, 0, len(violations))
	for _, violation := range violations {
		lines = append(lines, strings.TrimPrefix(violation.Field+": "+violation.Message, ": "))
	}
	name := request.ProtoReflect().Descriptor().FullName()
	invalid := New(servicesv1.ErrorReason_ERROR_REASON_INVALID_FIELD,
		fmt.Sprintf("invalid %s: %s", name, strings.Join(lines, "; ")))
	invalid.Violations = violations
	return invalid
}

// RetryAfter returns a copy of the error that states when to try again.
func (e *ServiceError) RetryAfter(delay time.Duration) *ServiceError {
	copied := *e
	copied.RetryDelay = &delay
	return &copied
}

// Error returns `REASON: message (key=value, key=value); next step`, with the metadata in the order of the reason's
// options, and without the parts that the error lacks.
func (e *ServiceError) Error() string {
	text := strings.TrimPrefix(e.Reason.String(), prefix) + ": " + e.Message
	if pairs := e.pairs(); len(pairs) > 0 {
		text += " (" + strings.Join(pairs, ", ") + ")"
	}
	if next := e.NextStep(); next != "" {
		text += "; " + next
	}
	return text
}

// NextStep returns what the caller can do about the error, such as "get a new token", and an empty string if the reason
// is unspecified.
func (e *ServiceError) NextStep() string {
	return proto.GetExtension(options(e.Reason), optionsv1.E_NextStep).(string)
}

// pairs returns the metadata as text. Keys that a newer server added come last.
func (e *ServiceError) pairs() []string {
	keys := slices.Clone(proto.GetExtension(options(e.Reason), optionsv1.E_MetadataKey).([]string))
	for _, key := range slices.Sorted(maps.Keys(e.Metadata)) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	pairs := make([]string, 0, len(e.Metadata))
	for _, key := range keys {
		if value, ok := e.Metadata[key]; ok {
			pairs = append(pairs, key+"="+value)
		}
	}
	return pairs
}

// options returns the options of a reason, and nil if this version does not have the reason.
func options(reason servicesv1.ErrorReason) proto.Message {
	value := reason.Descriptor().Values().ByNumber(reason.Number())
	if value == nil {
		return (*descriptorpb.EnumValueOptions)(nil)
	}
	return value.Options()
}

// GRPCStatus returns the error as a status, which gRPC sends to the client.
func (e *ServiceError) GRPCStatus() *status.Status {
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{
		Domain: Domain, Reason: strings.TrimPrefix(e.Reason.String(), prefix), Metadata: maps.Clone(e.Metadata),
	}}
	if len(e.Violations) > 0 {
		request := &errdetails.BadRequest{}
		for _, violation := range e.Violations {
			request.FieldViolations = append(request.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: violation.Field, Description: violation.Message, Reason: violation.RuleID,
			})
		}
		details = append(details, request)
	}
	if e.RetryDelay != nil {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(*e.RetryDelay)})
	}
	found := status.New(e.Code, e.Message)
	if detailed, err := found.WithDetails(details...); err == nil {
		return detailed
	}
	return found
}

// From returns the first ServiceError in err's tree, received from a service or made by New, and false if there is none.
//
// It finds errors that were wrapped with %w or joined. Errors of gRPC itself, and of services with another ErrorInfo
// domain, have no reason of ours: read their code with status.Code.
func From(err error) (*ServiceError, bool) {
	switch found := err.(type) {
	case *ServiceError:
		return found, true
	// status.FromError would replace the service's message by the text of the whole tree.
	case interface{ GRPCStatus() *status.Status }:
		if failure, ok := fromStatus(found.GRPCStatus()); ok {
			return failure, true
		}
	}
	switch tree := err.(type) {
	case interface{ Unwrap() error }:
		return From(tree.Unwrap())
	case interface{ Unwrap() []error }:
		for _, branch := range tree.Unwrap() {
			if failure, ok := From(branch); ok {
				return failure, true
			}
		}
	}
	return nil, false
}

func fromStatus(found *status.Status) (*ServiceError, bool) {
	failure, ours := &ServiceError{Code: found.Code(), Message: found.Message()}, false
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			// A proxy may add an ErrorInfo of its own.
			if detail.GetDomain() == Domain {
				ours = true
				failure.Reason = servicesv1.ErrorReason(servicesv1.ErrorReason_value[prefix+detail.GetReason()])
				failure.Metadata = detail.GetMetadata()
			}
		case *errdetails.RetryInfo:
			delay := detail.GetRetryDelay().AsDuration()
			failure.RetryDelay = &delay
		case *errdetails.BadRequest:
			for _, item := range detail.GetFieldViolations() {
				failure.Violations = append(failure.Violations, cqc.Violation{
					Field: item.GetField(), RuleID: item.GetReason(), Message: item.GetDescription(),
				})
			}
		}
	}
	return failure, ours
}

// FromOrderError returns the error of one item of a batch.
func FromOrderError(item *servicesv1.OrderError) *ServiceError {
	failure := &ServiceError{Code: codes.Code(item.GetCode()), Message: item.GetMessage(), Metadata: item.GetMetadata()}
	if _, known := servicesv1.ErrorReason_name[int32(item.GetReason())]; known {
		failure.Reason = item.GetReason()
	}
	return failure
}

// OrderError returns the error for one item of a batch.
func (e *ServiceError) OrderError() *servicesv1.OrderError {
	return &servicesv1.OrderError{
		Code: int32(e.Code), Reason: e.Reason, Message: e.Message, Metadata: maps.Clone(e.Metadata),
	}
}
