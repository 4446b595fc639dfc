// Package interceptors has gRPC interceptors that reject invalid requests, for servers and clients.
//
//	server := grpc.NewServer(interceptors.ServerOptions()...)
//	conn, err := grpc.NewClient(address, append(interceptors.DialOptions(), credentials)...)
//
// Every request of the contracts' methods is validated, including those of a client stream. Responses are not, because a
// client must accept what a venue reported. A server rejects an invalid request with the reason INVALID_FIELD and one
// violation per violated rule (see package errors). A client returns the same error without sending the request. Methods
// of other packages, such as health checks and reflection, pass.
package interceptors

import (
	"context"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	"github.com/Combine-Capital/cqc/packages/go-cqc/internal/methods"
	"github.com/Combine-Capital/cqc/packages/go-cqc/validation"
)

// ServerOptions returns the options for a server that rejects invalid requests.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(unaryServer), grpc.ChainStreamInterceptor(streamServer)}
}

// DialOptions returns the options for a client that does not send invalid requests.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(unaryClient), grpc.WithChainStreamInterceptor(streamClient)}
}

func unaryServer(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := reject(info.FullMethod, request); err != nil {
		return nil, err
	}
	return handler(ctx, request)
}

func streamServer(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return handler(server, validatingServerStream{stream, info.FullMethod})
}

func unaryClient(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoker grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	if err := reject(method, request); err != nil {
		return err
	}
	return invoker(ctx, method, request, reply, conn, options...)
}

func streamClient(
	ctx context.Context, description *grpc.StreamDesc, conn *grpc.ClientConn, method string, streamer grpc.Streamer,
	options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	// Cancelled when a request is rejected, so the open stream does not leak. The stream's own context cannot tell when the
	// call ends, because asking a stream for it forbids retries.
	ctx, cancel := context.WithCancelCause(ctx)
	finished := grpc.OnFinish(func(err error) { cancel(err) })
	stream, err := streamer(ctx, description, conn, method, append(slices.Clip(options), finished)...)
	if err != nil {
		cancel(err)
		return nil, err
	}
	return validatingClientStream{stream, method, cancel}, nil
}

type validatingServerStream struct {
	grpc.ServerStream
	method string
}

func (s validatingServerStream) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	return reject(s.method, message)
}

type validatingClientStream struct {
	grpc.ClientStream
	method string
	cancel context.CancelCauseFunc
}

func (s validatingClientStream) SendMsg(message any) error {
	if err := reject(s.method, message); err != nil {
		s.cancel(err)
		return err
	}
	return s.ClientStream.SendMsg(message)
}

// reject returns the error for a request that is invalid or cannot be validated, and nil for any other.
func reject(method string, message any) error {
	if found, err := methods.Find(method); found == nil {
		return err
	}
	request, ok := message.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "cannot validate a %T as a request of %s: use a proto.Message", message, method)
	}
	violations, err := validation.Validate(request)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if len(violations) == 0 {
		return nil
	}
	return errors.InvalidRequest(request, violations)
}
