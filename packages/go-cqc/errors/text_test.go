package errors_test

import (
	stderrors "errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

func TestTheTextNamesReasonMetadataAndNextStep(t *testing.T) {
	notFound := errors.New(servicesv1.ErrorReason_ERROR_REASON_RECORD_NOT_FOUND, "no such order",
		"checked_at", "2026-01-02T03:04:05Z", "id", "o-1", "type", "Order")
	newer := &errors.ServiceError{
		Reason:   servicesv1.ErrorReason_ERROR_REASON_SCOPE_MISSING,
		Message:  "no",
		Metadata: map[string]string{"zone": "z", "added": "a", "scope": "orders.write"},
	}
	for want, failure := range map[string]*errors.ServiceError{
		"RECORD_NOT_FOUND: no such order (type=Order, id=o-1, checked_at=2026-01-02T03:04:05Z); check the id": notFound,
		"CREDENTIALS_INVALID: expired; get a new token": errors.New(
			servicesv1.ErrorReason_ERROR_REASON_CREDENTIALS_INVALID, "expired"),
		"SCOPE_MISSING: no (scope=orders.write, added=a, zone=z); ask for a token with this scope": newer,
		"UNSPECIFIED: broken (a=b)": {Message: "broken", Metadata: map[string]string{"a": "b"}},
		"12345: from the future":    {Reason: 12345, Message: "from the future"},
	} {
		if got := failure.Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestEveryReasonHasANextStep(t *testing.T) {
	for number, name := range servicesv1.ErrorReason_name {
		failure := errors.ServiceError{Reason: servicesv1.ErrorReason(number)}
		if got := failure.NextStep(); (got == "") != (number == 0) || strings.HasSuffix(got, ".") {
			t.Errorf("%s: got next step %q", name, got)
		}
	}
}

func TestFromSearchesTheWholeTree(t *testing.T) {
	made := errors.New(servicesv1.ErrorReason_ERROR_REASON_RATE_LIMITED, "slow down", "limit", "weight").
		RetryAfter(time.Second)
	sent := made.GRPCStatus().Err()
	foreign := status.Error(codes.Unavailable, "connection refused")
	for name, err := range map[string]error{
		"made":               made,
		"sent":               sent,
		"made, wrapped":      fmt.Errorf("place: %w", made),
		"sent, wrapped":      fmt.Errorf("place: %w", fmt.Errorf("again: %w", sent)),
		"made, joined":       stderrors.Join(stderrors.New("other"), made),
		"sent, joined":       stderrors.Join(stderrors.New("other"), fmt.Errorf("place: %w", sent)),
		"after another code": stderrors.Join(foreign, sent),
	} {
		read, ok := errors.From(err)
		if !ok || read.Reason != made.Reason || read.Code != made.Code || read.Message != "slow down" ||
			read.Metadata["limit"] != "weight" || read.RetryDelay == nil || *read.RetryDelay != time.Second {
			t.Errorf("%s: got %+v, %v, want every field of %+v", name, read, ok, made)
		}
	}
	for _, err := range []error{nil, foreign, fmt.Errorf("x: %w", foreign), stderrors.Join(), stderrors.New("x")} {
		if read, ok := errors.From(err); ok || read != nil {
			t.Errorf("From(%v) = %v, %v, want nothing", err, read, ok)
		}
	}
}

func TestAnErrorInfoOfAProxyChangesNothing(t *testing.T) {
	proxy := &errdetails.ErrorInfo{Domain: "proxy.example.com", Reason: "RETRIED", Metadata: map[string]string{"n": "2"}}
	made := errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA, "no book yet", "venue_symbol_id", "x")
	both, err := made.GRPCStatus().WithDetails(proxy)
	if err != nil {
		t.Fatal(err)
	}
	read, ok := errors.From(both.Err())
	if !ok || read.Reason != made.Reason || len(read.Metadata) != 1 || read.Metadata["venue_symbol_id"] != "x" {
		t.Errorf("got %+v, %v, want %+v", read, ok, made)
	}
}
