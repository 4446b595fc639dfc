//go:build go1.25

package client_test

import (
	"context"
	stderrors "errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// gateway is a server that keeps the contract, and loses answers as the bytes say.
type gateway struct {
	servicesv1.VenueGatewayClient
	t      *testing.T
	script []byte
	// request is the only one that it may be sent.
	request *servicesv1.PlaceOrderRequest
	placed  bool
	// done is when a request that outlives its call is done, zero if none does.
	done time.Time
}

var errLost = status.Error(codes.Unavailable, "connection reset")

func (g *gateway) next() byte {
	if len(g.script) == 0 {
		return 0
	}
	first := g.script[0]
	g.script = g.script[1:]
	return first
}

// settle does what was due before now.
func (g *gateway) settle() {
	if !g.done.IsZero() && !time.Now().Before(g.done) {
		_ = g.place(g.done)
		g.done = time.Time{}
	}
}

// place hands the order to the venue, unless it is too late.
func (g *gateway) place(at time.Time) error {
	if !at.Before(g.request.GetSendBefore().AsTime()) {
		return errors.New(servicesv1.ErrorReason_ERROR_REASON_SEND_BEFORE_PASSED, "too late")
	}
	g.placed = true
	return nil
}

func (g *gateway) PlaceOrder(
	ctx context.Context, request *servicesv1.PlaceOrderRequest, _ ...grpc.CallOption,
) (*servicesv1.PlaceOrderResponse, error) {
	if g.request == nil {
		g.request = proto.CloneOf(request)
	}
	if !proto.Equal(request, g.request) || request.GetRequestId() == "" || request.GetSendBefore() == nil {
		g.t.Errorf("got request %v after %v", request, g.request)
	}
	g.settle()
	if g.placed { // The same request returns the same answer.
		return &servicesv1.PlaceOrderResponse{Order: &venuesv1.Order{}}, nil
	}
	if !g.done.IsZero() {
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_REQUEST_IN_PROGRESS, "still running").RetryAfter(
			time.Duration(g.next()) * 10 * time.Millisecond)
	}
	switch g.next() % 9 {
	case 0:
		return &servicesv1.PlaceOrderResponse{Order: &venuesv1.Order{}}, g.place(time.Now())
	case 1: // The answer is lost.
		_ = g.place(time.Now())
		return nil, errLost
	case 2:
		_ = g.place(time.Now())
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	case 3: // The request is lost.
		return nil, errLost
	case 4:
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	case 5: // The order is placed after the call has failed.
		g.done = time.Now().Add(time.Duration(g.next()) * 50 * time.Millisecond)
		return nil, status.Error(codes.Internal, "broken")
	case 6:
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_RISK_LIMIT, "refused")
	case 7:
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_VENUE_UNAVAILABLE, "nothing was done")
	default:
		return nil, status.Error(codes.PermissionDenied, "a proxy refused")
	}
}

func (g *gateway) GetOrder(
	ctx context.Context, _ *servicesv1.GetOrderRequest, _ ...grpc.CallOption,
) (*servicesv1.GetOrderResponse, error) {
	g.settle()
	switch g.next() % 8 {
	case 1:
		return nil, errLost
	case 2:
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	case 3:
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_RATE_LIMITED, "slower").RetryAfter(
			time.Duration(g.next()) * 100 * time.Millisecond)
	case 4:
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_SCOPE_MISSING, "no", "scope", "orders.read")
	}
	if g.placed {
		return &servicesv1.GetOrderResponse{Order: &venuesv1.Order{}}, nil
	}
	return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_RECORD_NOT_FOUND, "no such order",
		"type", "Order", "id", "c1", "checked_at", time.Now().UTC().Format(time.RFC3339Nano))
}

// FuzzPlaceOrder checks that what PlaceOrder returns is what became of the order, whatever is lost on the way.
func FuzzPlaceOrder(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0})
	f.Add([]byte{2, 1, 2, 0})
	f.Add([]byte{3, 0, 4, 0})
	f.Add([]byte{5, 200, 0, 20, 3, 10, 0})
	f.Add([]byte{5, 10, 4, 3, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			served, start := &gateway{t: t, script: script}, time.Now()
			order := &servicesv1.NewOrder{AccountId: "a1", ClientOrderId: "c1"}
			placed, err := client.PlaceOrder(t.Context(), served, &servicesv1.PlaceOrderRequest{Order: order})
			if took := time.Since(start); took > 2*client.DefaultTimeout {
				t.Errorf("took %v", took)
			}
			time.Sleep(time.Hour)
			served.settle()
			unknown := (*client.OutcomeUnknownError)(nil)
			switch {
			case stderrors.As(err, &unknown):
				if _, ok := errors.From(err); ok || unknown.ClientOrderID != "c1" || unknown.AccountID != "a1" ||
					unknown.SendBefore.IsZero() || unknown.Cause == nil {
					t.Errorf("got %+v", unknown)
				}
			case (err == nil) != served.placed || (err == nil) != (placed != nil):
				t.Errorf("got %v, %v, but placed is %v", placed, err, served.placed)
			}
		})
	})
}
