package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	// errInternal hides what a handler's error says, such as an address or a password.
	errInternal = status.Error(codes.Internal, "the server failed; its log has the cause")
	errStopping = status.Error(codes.Unavailable, "the server is stopping")
)

func guardUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (
	response any, err error,
) {
	defer guard(ctx, info.FullMethod, &err)
	return handler(ctx, request)
}

// guardStream also ends the stream when the server stops: the context of the handler is then done, and sending fails.
func (s *Server) guardStream(
	server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler,
) (err error) {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	defer func() {
		if s.closing.Err() != nil && (err == nil || status.Code(err) == codes.Canceled) {
			err = errStopping
		}
	}()
	defer guard(ctx, info.FullMethod, &err)
	return handler(server, endingStream{stream, ctx, s.closing})
}

type endingStream struct {
	grpc.ServerStream
	ctx     context.Context
	closing context.Context
}

func (s endingStream) Context() context.Context { return s.ctx }

func (s endingStream) SendMsg(message any) error {
	if s.closing.Err() != nil {
		return errStopping
	}
	return s.ServerStream.SendMsg(message)
}

// guard turns a panic, and an error that is no status, into one that says nothing, and logs what it was.
func guard(ctx context.Context, method string, err *error) {
	if cause := recover(); cause != nil {
		slog.ErrorContext(ctx, "the handler panicked", "method", method, "panic", fmt.Sprint(cause),
			"stack", string(debug.Stack()))
		*err = errInternal
		return
	}
	if _, ok := status.FromError(*err); ok {
		return
	}
	if ended := status.FromContextError(*err).Code(); ended != codes.Unknown {
		*err = status.Error(ended, "the handler's context ended")
		return
	}
	slog.ErrorContext(ctx, "the handler failed", "method", method, "error", *err)
	*err = errInternal
}
