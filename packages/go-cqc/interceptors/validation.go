// Package interceptors keeps messages that break the contracts' rules off the wire: one line each for a server and a
// client.
//
//	server := grpc.NewServer(interceptors.ServerOptions()...)
//	connection, err := grpc.NewClient(address, append(interceptors.DialOptions(), credentials)...)
//
// Requests are checked, answers are not: they are facts, which the receiver takes as they are. A request that breaks a
// rule is answered with INVALID_ARGUMENT and a google.rpc.BadRequest that has one field violation per broken rule; the
// client's interceptors do so without sending anything.
package interceptors

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
)

// ServerOptions are what a server needs to refuse requests that break the rules.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(unaryServer), grpc.ChainStreamInterceptor(streamServer)}
}

// DialOptions are what a client needs not to send requests that break the rules.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(unaryClient), grpc.WithChainStreamInterceptor(streamClient)}
}

func unaryServer(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := refusal(request); err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

func streamServer(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return handler(server, checkedServerStream{stream})
}

func unaryClient(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn, invoker grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if err := refusal(request); err != nil {
		return err
	}
	return invoker(ctx, method, request, reply, connection, options...)
}

func streamClient(ctx context.Context, description *grpc.StreamDesc, connection *grpc.ClientConn, method string, streamer grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	// Without this a refused request would leave a stream behind that nobody ends.
	ctx, cancel := context.WithCancelCause(ctx)
	stream, err := streamer(ctx, description, connection, method, options...)
	if err != nil {
		cancel(err)
		return nil, err
	}
	context.AfterFunc(stream.Context(), func() { cancel(context.Canceled) })
	return checkedClientStream{stream, cancel}, nil
}

type checkedServerStream struct{ grpc.ServerStream }

func (stream checkedServerStream) RecvMsg(message any) error {
	if err := stream.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	return refusal(message)
}

type checkedClientStream struct {
	grpc.ClientStream
	cancel context.CancelCauseFunc
}

func (stream checkedClientStream) SendMsg(message any) error {
	if err := refusal(message); err != nil {
		stream.cancel(err)
		return err
	}
	return stream.ClientStream.SendMsg(message)
}

// refusal is the status error for a message that breaks rules; nil for one that breaks none, or is no protobuf message.
func refusal(message any) error {
	checked, ok := message.(proto.Message)
	if !ok {
		return nil
	}
	violations, err := cqc.Validate(checked)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if len(violations) == 0 {
		return nil
	}
	details := &errdetails.BadRequest{}
	lines := make([]string, 0, len(violations))
	for _, violation := range violations {
		details.FieldViolations = append(details.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field:       violation.Field,
			Description: violation.Message,
			Reason:      violation.Rule,
		})
		lines = append(lines, strings.TrimPrefix(violation.Field+": "+violation.Message, ": "))
	}
	name := checked.ProtoReflect().Descriptor().FullName()
	refused := status.New(codes.InvalidArgument, fmt.Sprintf("%s breaks its contract: %s", name, strings.Join(lines, "; ")))
	if detailed, err := refused.WithDetails(details); err == nil {
		refused = detailed
	}
	return refused.Err()
}
