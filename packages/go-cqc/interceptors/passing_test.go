package interceptors_test

import (
	"context"
	stderrors "errors"
	"io"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/Combine-Capital/cqc/packages/go-cqc/interceptors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

var (
	invalid  = &servicesv1.GetPriceRequest{AssetId: "btc"}
	valid    = &servicesv1.GetPriceRequest{AssetId: "BTC"}
	upload   = &grpc.StreamDesc{StreamName: "Upload", ClientStreams: true, ServerStreams: true}
	accepted atomic.Int64
)

// dialed returns a connection to a server in this process.
func dialed(t *testing.T, server *grpc.Server, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	dialer := func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
	options = append(options,
		grpc.WithContextDialer(dialer), grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("passthrough:bufconn", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// register links services with a client stream that takes GetPriceRequest, one in the contracts' package and one not.
func register(t *testing.T, packages ...string) {
	t.Helper()
	for _, name := range packages {
		described := &descriptorpb.FileDescriptorProto{
			Name: proto.String(name + ".proto"), Package: proto.String(name), Syntax: proto.String("proto3"),
			Dependency: []string{servicesv1.File_cqc_services_v1_market_data_proto.Path()},
			Service: []*descriptorpb.ServiceDescriptorProto{{
				Name: proto.String("Uploads"),
				Method: []*descriptorpb.MethodDescriptorProto{{
					Name: proto.String("Upload"), ClientStreaming: proto.Bool(true), ServerStreaming: proto.Bool(true),
					InputType:  proto.String(".cqc.services.v1.GetPriceRequest"),
					OutputType: proto.String(".cqc.services.v1.GetPriceRequest"),
				}},
			}},
		}
		file, err := protodesc.NewFile(described, protoregistry.GlobalFiles)
		if err != nil {
			t.Fatal(err)
		}
		if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
			t.Fatal(err)
		}
	}
}

// echo answers every request of a stream with the request.
func echo(_ any, stream grpc.ServerStream) error {
	for {
		request := new(servicesv1.GetPriceRequest)
		if err := stream.RecvMsg(request); err != nil {
			if stderrors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		accepted.Add(1)
		if err := stream.SendMsg(request); err != nil {
			return err
		}
	}
}

// exchange sends requests one by one and returns how many were answered.
func exchange(t *testing.T, conn *grpc.ClientConn, method string, requests ...proto.Message) (int, error) {
	t.Helper()
	stream, err := conn.NewStream(limited(t), upload, method)
	if err != nil {
		return 0, err
	}
	for answered, request := range requests {
		if err := stream.SendMsg(request); err != nil && !stderrors.Is(err, io.EOF) {
			return answered, err
		}
		if err := stream.RecvMsg(new(servicesv1.GetPriceRequest)); err != nil {
			return answered, err
		}
	}
	return len(requests), stream.CloseSend()
}

func TestEveryRequestOfAStreamIsValidated(t *testing.T) {
	register(t, "cqc.uploads.v1", "other.uploads.v1")
	for side, options := range map[string]struct {
		server []grpc.ServerOption
		dial   []grpc.DialOption
	}{"server": {server: interceptors.ServerOptions()}, "client": {dial: interceptors.DialOptions()}} {
		t.Run(side, func(t *testing.T) {
			server := grpc.NewServer(append(options.server, grpc.UnknownServiceHandler(echo))...)
			conn := dialed(t, server, options.dial...)
			accepted.Store(0)
			answered, err := exchange(t, conn, "/cqc.uploads.v1.Uploads/Upload", valid, valid, invalid)
			checkInvalidArgument(t, err, "asset_id")
			if answered != 2 || accepted.Load() != 2 {
				t.Errorf("%d requests answered and %d accepted, want the 2 valid ones", answered, accepted.Load())
			}
			if _, err := exchange(t, conn, "/other.uploads.v1.Uploads/Upload", invalid); err != nil {
				t.Errorf("a request of another package: got %v, want it passed on", err)
			}
			if _, err := exchange(t, conn, "/other.unknown.v1.Uploads/Upload", invalid); err != nil {
				t.Errorf("a request of a package that is not linked: got %v, want it passed on", err)
			}
			_, err = exchange(t, conn, "/cqc.markets.v2.Uploads/Upload", invalid)
			if status.Code(err) != codes.Internal ||
				!strings.Contains(err.Error(), `import _ "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v2"`) {
				t.Errorf("a method that is not linked: got %v, want the import that is missing", err)
			}
		})
	}
}

func TestWhatIsNotAMessageIsRefused(t *testing.T) {
	conn := dialed(t, grpc.NewServer(), interceptors.DialOptions()...)
	err := conn.Invoke(limited(t), servicesv1.MarketData_GetPrice_FullMethodName, "BTC", new(marketsv1.Price))
	if status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "string") {
		t.Errorf("got %v, want an error that names the type", err)
	}
}

func TestHealthAndReflectionPass(t *testing.T) {
	server := grpc.NewServer(interceptors.ServerOptions()...)
	healthv1.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	conn := dialed(t, server, interceptors.DialOptions()...)
	answer, err := healthv1.NewHealthClient(conn).Check(limited(t), &healthv1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("Check returned %v, %v", answer, err)
	}
	watch, err := healthv1.NewHealthClient(conn).Watch(limited(t), &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := watch.Recv(); err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("Watch returned %v, %v", answer, err)
	}
	described, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	question := &reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}
	if err := described.Send(question); err != nil {
		t.Fatal(err)
	}
	if answer, err := described.Recv(); err != nil || len(answer.GetListServicesResponse().GetService()) == 0 {
		t.Errorf("reflection returned %v, %v", answer, err)
	}
}

func TestARefusalKeepsTheMetadataOfOuterInterceptors(t *testing.T) {
	header, trailer := metadata.Pairs("x-request", "r-1"), metadata.Pairs("x-cost", "7")
	set := func(ctx context.Context) error {
		return stderrors.Join(grpc.SetHeader(ctx, header), grpc.SetTrailer(ctx, trailer))
	}
	unary := func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if err := set(ctx); err != nil {
			return nil, err
		}
		return handler(ctx, request)
	}
	streams := func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if err := set(stream.Context()); err != nil {
			return err
		}
		return handler(server, stream)
	}
	options := []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(streams)}
	server := grpc.NewServer(append(options, interceptors.ServerOptions()...)...)
	servicesv1.RegisterMarketDataServer(server, prices{})
	market := servicesv1.NewMarketDataClient(dialed(t, server))
	check := func(err error, field string, gotHeader, gotTrailer metadata.MD) {
		t.Helper()
		checkInvalidArgument(t, err, field)
		if !reflect.DeepEqual(gotHeader.Get("x-request"), []string{"r-1"}) ||
			!reflect.DeepEqual(gotTrailer.Get("x-cost"), []string{"7"}) {
			t.Errorf("got header %v and trailer %v, want those of the outer interceptor", gotHeader, gotTrailer)
		}
	}

	var gotHeader, gotTrailer metadata.MD
	_, err := market.GetPrice(limited(t), invalid, grpc.Header(&gotHeader), grpc.Trailer(&gotTrailer))
	check(err, "asset_id", gotHeader, gotTrailer)

	stream, err := market.StreamPrices(limited(t), &servicesv1.StreamPricesRequest{AssetIds: []string{"btc"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	gotHeader, _ = stream.Header()
	check(err, "asset_ids[0]", gotHeader, stream.Trailer())
}

func TestAStreamCanBeRetriedBeforeItsFirstHeader(t *testing.T) {
	var attempts atomic.Int64
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if attempts.Add(1) < 3 {
			return status.Error(codes.Unavailable, "not yet")
		}
		return stream.SendMsg(new(servicesv1.StreamPricesResponse))
	}))
	const retries = `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.01s",
		"maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`
	conn := dialed(t, server, append(interceptors.DialOptions(), grpc.WithDefaultServiceConfig(retries))...)
	request := &servicesv1.StreamPricesRequest{AssetIds: []string{"BTC"}}
	stream, err := servicesv1.NewMarketDataClient(conn).StreamPrices(limited(t), request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil || attempts.Load() != 3 {
		t.Errorf("got %v after %d attempts, want an answer to the third", err, attempts.Load())
	}
}

func TestARejectedRequestEndsItsStream(t *testing.T) {
	ended := make(chan struct{})
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		<-stream.Context().Done()
		close(ended)
		return stream.Context().Err()
	}))
	conn := dialed(t, server, interceptors.DialOptions()...)
	stream, err := conn.NewStream(limited(t), upload, servicesv1.MarketData_StreamPrices_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	checkInvalidArgument(t, stream.SendMsg(&servicesv1.StreamPricesRequest{AssetIds: []string{"btc"}}), "asset_ids[0]")
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the server still serves the stream of a rejected request")
	}
	if err := stream.RecvMsg(new(emptypb.Empty)); status.Code(err) != codes.Canceled {
		t.Errorf("got %v, want the stream cancelled", err)
	}
}
