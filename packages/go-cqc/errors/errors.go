// Package errors has the errors of the services as values: made by a server, read by a client.
//
//	return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA, "no book yet", "venue_symbol_id", id)
//
//	if failure, ok := errors.From(err); ok && failure.Reason == servicesv1.ErrorReason_ERROR_REASON_RISK_LIMIT {
//		log.Print(failure.Metadata["limit_id"])
//	}
//
// A ServiceError that a handler returns becomes the status of the call, with a google.rpc.ErrorInfo of domain "cqc" and,
// if they apply, a BadRequest and a RetryInfo.
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
	value := reason.Descriptor().Values().ByNumber(reason.Number())
	if value == nil {
		panic(fmt.Sprintf("%d is not an ErrorReason", reason))
	}
	name := proto.GetExtension(value.Options(), optionsv1.E_Code).(string)
	number, ok := code.Code_value[name]
	if !ok {
		panic(fmt.Sprintf("%s has no code", reason))
	}
	keys := proto.GetExtension(value.Options(), optionsv1.E_MetadataKey).([]string)
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

// Error returns the reason and the message.
func (e *ServiceError) Error() string {
	return fmt.Sprintf("%s: %s", strings.TrimPrefix(e.Reason.String(), prefix), e.Message)
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

// From returns what a gRPC error carries, and false if it carries no ErrorInfo with domain "cqc".
func From(err error) (*ServiceError, bool) {
	found, ok := status.FromError(err)
	if err == nil || !ok {
		return nil, false
	}
	failure := &ServiceError{Code: found.Code(), Message: found.Message()}
	carries := false
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			carries = detail.GetDomain() == Domain
			failure.Reason = servicesv1.ErrorReason(servicesv1.ErrorReason_value[prefix+detail.GetReason()])
			failure.Metadata = detail.GetMetadata()
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
	return failure, carries
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
