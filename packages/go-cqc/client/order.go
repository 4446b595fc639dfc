package client

import (
	"cmp"
	"context"
	stderrors "errors"
	"time"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// PlaceOrder places an order, and finds out what became of it if the answer is lost.
//
// The request needs a client_order_id. An empty request_id is filled, and send_before set to the deadline if it is
// absent; the deadline is that of ctx, or 10 s from now. If the answer is lost, PlaceOrder asks GetOrder, and sends the
// same request again while there is time and the gateway does not know the order. If a request is refused after the
// answer to an earlier one was lost, it only asks GetOrder. That can last as long again as the deadline allowed; only
// cancelling ctx ends it.
//
// If it returns a *OutcomeUnknownError, the order may have been placed. After any other error it was not.
func PlaceOrder(
	ctx context.Context, gateway servicesv1.VenueGatewayClient, request *servicesv1.PlaceOrderRequest,
) (*venuesv1.Order, error) {
	if ctx.Err() != nil {
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	start := time.Now()
	deadline, limited := ctx.Deadline()
	if !limited {
		deadline = start.Add(DefaultTimeout)
	}
	timeout := deadline.Sub(start)
	request = withRequestID(proto.CloneOf(request))
	if request.SendBefore == nil {
		request.SendBefore = timestamppb.New(deadline)
	}
	sendBefore := request.GetSendBefore().AsTime()
	account, clientID := request.GetOrder().GetAccountId(), request.GetOrder().GetClientOrderId()
	key := &servicesv1.OrderKey{AccountId: account, Id: &servicesv1.OrderKey_ClientOrderId{ClientOrderId: clientID}}

	// What became of the order is worth knowing after the deadline too. Only a cancellation ends the search.
	search, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(timeout))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if stderrors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})()
	place := func() (*venuesv1.Order, error) {
		ctx, cancel := context.WithDeadline(search, deadline)
		defer cancel()
		response, err := gateway.PlaceOrder(ctx, request)
		return response.GetOrder(), err
	}
	find := func() (*venuesv1.Order, error) {
		ctx, cancel := context.WithTimeout(search, timeout)
		defer cancel()
		response, err := gateway.GetOrder(ctx, &servicesv1.GetOrderRequest{Key: key})
		return response.GetOrder(), err
	}

	var lost error // What left the outcome open.
	// A request that was lost on its way may still arrive after a later one was refused.
	var refusal error
	var wait pause
	for sending := true; ; {
		call := find
		if sending {
			call = place
		}
		order, err := call()
		if err == nil {
			return order, nil
		}
		failure, stated := errors.From(err)
		switch {
		case sending:
			inProgress := stated && failure.Reason == servicesv1.ErrorReason_ERROR_REASON_REQUEST_IN_PROGRESS
			if !inProgress && (stated || !outcomeUnknown(err)) {
				if lost == nil {
					return nil, err
				}
				refusal = err
			}
			lost = cmp.Or(lost, err)
			sending = false
		case stated && failure.Reason == servicesv1.ErrorReason_ERROR_REASON_RECORD_NOT_FOUND:
			checked, malformed := time.Parse(time.RFC3339Nano, failure.Metadata["checked_at"])
			if malformed == nil && !checked.Before(sendBefore) {
				return nil, cmp.Or(refusal, lost)
			}
			if now := time.Now(); refusal == nil && now.Before(sendBefore) && now.Before(deadline) {
				sending = true
				continue
			}
		case !retryable(err):
			return nil, &OutcomeUnknownError{account, clientID, sendBefore, err}
		}
		if !sleep(search, wait.next(err)) {
			return nil, &OutcomeUnknownError{account, clientID, sendBefore, cmp.Or(refusal, lost)}
		}
	}
}
