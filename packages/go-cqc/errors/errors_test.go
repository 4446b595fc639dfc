package errors_test

import (
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

func TestEveryReasonMakesAnErrorThatReadsBack(t *testing.T) {
	for number, name := range servicesv1.ErrorReason_name {
		if number == 0 {
			continue
		}
		made := errors.New(servicesv1.ErrorReason(number), "what happened")
		read, ok := errors.From(made)
		if !ok || read.Reason != made.Reason || read.Code != made.Code || read.Message != made.Message {
			t.Errorf("%s: got %+v, want %+v", name, read, made)
		}
	}
}

func TestAReasonHasOnlyTheMetadataOfItsOptions(t *testing.T) {
	for name, make := range map[string]func(){
		"other key":   func() { errors.New(servicesv1.ErrorReason_ERROR_REASON_SCOPE_MISSING, "no", "account_id", "a") },
		"no value":    func() { errors.New(servicesv1.ErrorReason_ERROR_REASON_SCOPE_MISSING, "no", "scope") },
		"unspecified": func() { errors.New(servicesv1.ErrorReason_ERROR_REASON_UNSPECIFIED, "no") },
		"unknown":     func() { errors.New(servicesv1.ErrorReason(12345), "no") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: New did not panic", name)
				}
			}()
			make()
		}()
	}
}

func TestAReasonOfANewerServerIsUnspecified(t *testing.T) {
	newer, err := status.New(codes.PermissionDenied, "no").WithDetails(
		&errdetails.ErrorInfo{Domain: errors.Domain, Reason: "FROM_THE_FUTURE", Metadata: map[string]string{"when": "2031"}})
	if err != nil {
		t.Fatal(err)
	}
	read, ok := errors.From(newer.Err())
	if !ok || read.Reason != 0 || read.Code != codes.PermissionDenied || read.Metadata["when"] != "2031" {
		t.Errorf("got %+v, want code and metadata with an unspecified reason", read)
	}
	for _, other := range []error{nil, status.Error(codes.Internal, "no details")} {
		if _, ok := errors.From(other); ok {
			t.Errorf("%v carries no ErrorInfo of ours", other)
		}
	}
}

func TestAnItemOfABatchCarriesTheSameWords(t *testing.T) {
	made := errors.New(servicesv1.ErrorReason_ERROR_REASON_ORDER_ENDED, "the order is filled", "status", "FILLED")
	item := made.OrderError()
	if item.GetCode() != int32(codes.FailedPrecondition) || item.GetMetadata()["status"] != "FILLED" {
		t.Errorf("got %v, want code and metadata of %v", item, made)
	}
	if read := errors.FromOrderError(item); !proto.Equal(read.GRPCStatus().Proto(), made.GRPCStatus().Proto()) {
		t.Errorf("got %v, want %v", read, made)
	}
}
