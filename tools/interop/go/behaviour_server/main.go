//go:build cqc_code

// The scripted server of the behaviour tests in Go: `behaviour_server [<port>]`. python/behaviour_server.py documents its
// calls and scripts.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	_ "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

const (
	loadMethod = "/cqc.testing.Script/Load"
	logMethod  = "/cqc.testing.Script/Log"
)

type event struct {
	At     int             `json:"at"`
	Send   json.RawMessage `json:"send"`
	Status *failure        `json:"status"`
}

type failure struct {
	Code         codes.Code        `json:"code"`
	Message      string            `json:"message"`
	Reason       *string           `json:"reason"`
	Domain       *string           `json:"domain"`
	Metadata     map[string]string `json:"metadata"`
	RetryDelayMS *int              `json:"retry_delay_ms"`
	PushbackMS   *int              `json:"pushback_ms"`
	Violations   []struct {
		Field   string `json:"field"`
		RuleID  string `json:"rule_id"`
		Message string `json:"message"`
	} `json:"violations"`
}

type call struct {
	Method           string `json:"method"`
	Request          []byte `json:"request"`
	PreviousAttempts int    `json:"previous_attempts"`
	Deadline         bool   `json:"deadline"`
}

// script is what to do with the next calls, and the calls so far.
type script struct {
	mutex    sync.Mutex
	attempts [][]event
	log      []call
}

// raw passes messages on as bytes, because the log has the requests as they came.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(message any) ([]byte, error) { return message.([]byte), nil }

func (raw) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte{}, data...)
	return nil
}

func main() {
	port := "0"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	if err := serve(port); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve serves until standard input ends.
func serve(port string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(new(script).handle))
	fmt.Printf("{\"port\": %d}\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	return server.Serve(listener)
}

func (s *script) handle(_ any, stream grpc.ServerStream) error {
	started := time.Now()
	path, _ := grpc.MethodFromServerStream(stream)
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	if path == loadMethod || path == logMethod {
		return s.steer(path, request, stream)
	}
	name := strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ".")
	found, _ := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	method, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return status.Errorf(codes.Unimplemented, "%s is not a method of the contracts", path)
	}
	for _, next := range s.next(strings.TrimPrefix(path, "/"), request, stream) {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-time.After(time.Until(started.Add(time.Duration(next.At) * time.Millisecond))):
		}
		switch {
		case next.Status != nil:
			return next.Status.fail(stream)
		case next.Send != nil:
			if err := send(stream, method, next.Send); err != nil || !method.IsStreamingServer() {
				return err
			}
		default:
			return nil
		}
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// steer answers Load and Log.
func (s *script) steer(path string, request []byte, stream grpc.ServerStream) error {
	var value wrapperspb.StringValue
	if err := proto.Unmarshal(request, &value); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	answer := new(wrapperspb.StringValue)
	if path == loadMethod {
		var attempts [][]event
		if err := json.Unmarshal([]byte(value.GetValue()), &attempts); err != nil {
			return status.Errorf(codes.InvalidArgument, "the script is not as documented: %v", err)
		}
		s.attempts, s.log = attempts, nil
	} else {
		written, err := json.Marshal(append([]call{}, s.log...))
		if err != nil {
			return err
		}
		answer.Value = string(written)
	}
	wire, err := proto.Marshal(answer)
	if err != nil {
		return err
	}
	return stream.SendMsg(wire)
}

// next adds a call to the log and returns what to do with it.
func (s *script) next(method string, request []byte, stream grpc.ServerStream) []event {
	ctx := stream.Context()
	_, limited := ctx.Deadline()
	previous := 0
	for _, text := range metadata.ValueFromIncomingContext(ctx, "grpc-previous-rpc-attempts") {
		previous, _ = strconv.Atoi(text)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	number := len(s.log)
	s.log = append(s.log, call{method, request, previous, limited})
	if number < len(s.attempts) {
		return s.attempts[number]
	}
	return []event{{Status: &failure{Code: codes.Unavailable, Message: "the script has no more calls"}}}
}

func send(stream grpc.ServerStream, method protoreflect.MethodDescriptor, text []byte) error {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())
	if err != nil {
		return err
	}
	answer := kind.New().Interface()
	if err := protojson.Unmarshal(text, answer); err != nil {
		return err
	}
	wire, err := proto.Marshal(answer)
	if err != nil {
		return err
	}
	return stream.SendMsg(wire)
}

// fail returns the error with which the call ends.
func (f *failure) fail(stream grpc.ServerStream) error {
	var details []protoadapt.MessageV1
	if f.Reason != nil {
		info := &errdetails.ErrorInfo{Domain: "cqc", Reason: *f.Reason, Metadata: f.Metadata}
		if f.Domain != nil {
			info.Domain = *f.Domain
		}
		details = append(details, info)
	}
	if len(f.Violations) > 0 {
		request := new(errdetails.BadRequest)
		for _, item := range f.Violations {
			request.FieldViolations = append(request.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: item.Field, Reason: item.RuleID, Description: item.Message,
			})
		}
		details = append(details, request)
	}
	if f.RetryDelayMS != nil {
		delay := durationpb.New(time.Duration(*f.RetryDelayMS) * time.Millisecond)
		details = append(details, &errdetails.RetryInfo{RetryDelay: delay})
	}
	if f.PushbackMS != nil {
		stream.SetTrailer(metadata.Pairs("grpc-retry-pushback-ms", strconv.Itoa(*f.PushbackMS)))
	}
	failed := status.New(f.Code, f.Message)
	if len(details) == 0 {
		return failed.Err()
	}
	detailed, err := failed.WithDetails(details...)
	if err != nil {
		return err
	}
	return detailed.Err()
}
