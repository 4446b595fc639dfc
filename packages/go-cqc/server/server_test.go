package server_test

import (
	"bufio"
	"bytes"
	"context"
	stderrors "errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/Combine-Capital/cqc/packages/go-cqc/access"
	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/server"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

const secret = "s3cr3t"

// prices fails in the way that the asset names; the price of any other asset is the caller's.
type prices struct {
	servicesv1.UnimplementedMarketDataServer
	// started has a value for each call of SLOW, which ends when release is closed.
	started chan struct{}
	release chan struct{}
}

func newPrices() *prices {
	return &prices{started: make(chan struct{}, 10), release: make(chan struct{})}
}

func (p *prices) GetPrice(ctx context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	switch request.GetAssetId() {
	case "PANIC":
		panic(secret)
	case "ERROR":
		return nil, stderrors.New(secret)
	case "STATUS":
		return nil, status.Error(codes.Aborted, "as it is")
	case "REASON":
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA, "no price yet")
	case "TIMEOUT":
		return nil, context.DeadlineExceeded
	case "SLOW":
		p.started <- struct{}{}
		<-p.release
	}
	caller := access.FromContext(ctx)
	if caller == nil {
		caller = &access.Principal{}
	}
	return &marketsv1.Price{AssetId: caller.Subject}, nil
}

// StreamPrices sends a price and waits for the end of the call; it fails as GetPrice does.
func (p *prices) StreamPrices(
	request *servicesv1.StreamPricesRequest, stream grpc.ServerStreamingServer[servicesv1.StreamPricesResponse],
) error {
	asset := request.GetAssetIds()[0]
	price, err := p.GetPrice(stream.Context(), &servicesv1.GetPriceRequest{AssetId: asset})
	if err != nil {
		return err
	}
	response := &servicesv1.StreamPricesResponse{
		Event: &servicesv1.StreamPricesResponse_Price{Price: price}, ResumeToken: "t1",
	}
	if err := stream.Send(response); err != nil || asset == "END" {
		return err
	}
	<-stream.Context().Done()
	if asset == "SENDS" {
		return stream.Send(response)
	}
	return stream.Context().Err()
}

func register(market *prices) func(grpc.ServiceRegistrar) {
	return func(registrar grpc.ServiceRegistrar) { servicesv1.RegisterMarketDataServer(registrar, market) }
}

// serve serves prices on a free port until the test ends.
func serve(t *testing.T, options server.Options) *server.Server {
	t.Helper()
	if options.Address == "" {
		options.Address = "localhost:0"
	}
	running, err := server.Serve(options, register(newPrices()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Stop)
	return running
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// logged returns what is logged until the test ends.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	var written bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&written, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &written
}

func TestHealth(t *testing.T) {
	running := serve(t, server.Options{Plaintext: true})
	health := grpc_health_v1.NewHealthClient(dial(t, running.Address))
	for _, service := range []string{"", "cqc.services.v1.MarketData"} {
		checked, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		if err != nil || checked.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			t.Errorf("%q: got %v, %v", service, checked, err)
		}
	}
	_, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "cqc.services.v1.RiskEngine"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("got %v for a service that is not served", err)
	}
}

func TestReflection(t *testing.T) {
	// Reflection needs no token.
	ctx := t.Context()
	conn := dial(t, serve(t, server.Options{Plaintext: true, Verify: verify}).Address)
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(request *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	var services []string
	for _, service := range ask(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}).GetListServicesResponse().GetService() {
		services = append(services, service.GetName())
	}
	for _, want := range []string{"cqc.services.v1.MarketData", "grpc.health.v1.Health"} {
		if !slices.Contains(services, want) {
			t.Errorf("got services %v, want %s among them", services, want)
		}
	}
	described := ask(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{
			FileContainingSymbol: "cqc.services.v1.MarketData.GetPrice",
		},
	}).GetFileDescriptorResponse().GetFileDescriptorProto()
	var file descriptorpb.FileDescriptorProto
	if len(described) == 0 || proto.Unmarshal(described[0], &file) != nil ||
		file.GetName() != "cqc/services/v1/market_data.proto" {
		t.Errorf("got file %q", file.GetName())
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
	// The older version has the same messages.
	old, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
	if err != nil {
		t.Fatal(err)
	}
	if err := old.SendMsg(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	var listed reflectionv1.ServerReflectionResponse
	if err := old.RecvMsg(&listed); err != nil || len(listed.GetListServicesResponse().GetService()) == 0 {
		t.Errorf("v1alpha: got %v, %v", &listed, err)
	}
	if err := old.CloseSend(); err != nil {
		t.Error(err)
	}
}

func TestValidation(t *testing.T) {
	market := servicesv1.NewMarketDataClient(dial(t, serve(t, server.Options{Plaintext: true}).Address))
	_, err := market.GetPrice(t.Context(), &servicesv1.GetPriceRequest{AssetId: "btc"})
	if failure, ok := errors.From(err); !ok || failure.Reason != servicesv1.ErrorReason_ERROR_REASON_INVALID_FIELD ||
		len(failure.Violations) != 1 || failure.Violations[0].Field != "asset_id" {
		t.Errorf("got %v", err)
	}
}

// TestErrorsOfHandlers covers unary calls and streams.
func TestErrorsOfHandlers(t *testing.T) {
	market := servicesv1.NewMarketDataClient(dial(t, serve(t, server.Options{Plaintext: true}).Address))
	get := func(asset string) error {
		_, err := market.GetPrice(t.Context(), &servicesv1.GetPriceRequest{AssetId: asset})
		return err
	}
	stream := func(asset string) error {
		stream, err := market.StreamPrices(t.Context(), &servicesv1.StreamPricesRequest{AssetIds: []string{asset}})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	}
	for kind, call := range map[string]func(string) error{"unary": get, "stream": stream} {
		for asset, want := range map[string]struct {
			code    codes.Code
			message string
			log     string
		}{
			"PANIC":   {codes.Internal, "the server failed; its log has the cause", "the handler panicked"},
			"ERROR":   {codes.Internal, "the server failed; its log has the cause", "the handler failed"},
			"TIMEOUT": {codes.DeadlineExceeded, "the handler's context ended", ""},
			"STATUS":  {codes.Aborted, "as it is", ""},
			"REASON":  {codes.NotFound, "no price yet", ""},
		} {
			log := logged(t)
			err := call(asset)
			if got := status.Convert(err); got.Code() != want.code || got.Message() != want.message {
				t.Errorf("%s of %s: got %v, want %v", kind, asset, err, want)
			}
			if hidden := strings.Contains(log.String(), secret); hidden != (want.log != "") ||
				!strings.Contains(log.String(), want.log) {
				t.Errorf("%s of %s: logged %q, want %q and the cause", kind, asset, log, want.log)
			}
		}
		failure, ok := errors.From(call("REASON"))
		if !ok || failure.Reason != servicesv1.ErrorReason_ERROR_REASON_NO_DATA {
			t.Errorf("%s: the reason got lost", kind)
		}
	}
	if err := stream("END"); err != nil {
		t.Errorf("got %v from a stream that ends well", err)
	}
}

func TestInterceptorsOfTheUserSeeRefusedCalls(t *testing.T) {
	var seen []codes.Code
	unary := func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		response, err := handler(ctx, request)
		seen = append(seen, status.Code(err))
		return response, err
	}
	stream := func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		err := handler(server, stream)
		seen = append(seen, status.Code(err))
		return err
	}
	ca := newAuthority(t)
	certificate, key := ca.issue(t, time.Now().Add(time.Hour))
	running := serve(t, server.Options{
		Certificate: certificate, Key: key, Verify: verify,
		ServerOptions: []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream)},
	})
	with := func(token string) servicesv1.MarketDataClient {
		return connect(t, client.Options{Target: running.Address, CA: ca.path, Token: client.StaticToken(token)})
	}
	reader := with("reader")
	if _, err := getPrice(t, reader); err != nil {
		t.Error(err)
	}
	if _, err := reader.GetPrice(t.Context(), &servicesv1.GetPriceRequest{}); err == nil {
		t.Error("an invalid request passed")
	}
	if _, err := getPrice(t, with("")); err == nil {
		t.Error("a call without a token passed")
	}
	open, err := with("").StreamPrices(t.Context(), &servicesv1.StreamPricesRequest{AssetIds: []string{"END"}})
	if err == nil {
		_, err = open.Recv()
	}
	if err == nil {
		t.Error("a stream without a token passed")
	}
	running.Stop() // Waits for the interceptors.
	want := []codes.Code{codes.OK, codes.InvalidArgument, codes.Unauthenticated, codes.Unauthenticated}
	if !slices.Equal(seen, want) {
		t.Errorf("the interceptors saw %v, want %v", seen, want)
	}
}

// TestStopEndsStreams has a grace that the test does not live to see.
func TestStopEndsStreams(t *testing.T) {
	for _, asset := range []string{"WAITS", "SENDS"} {
		running := serve(t, server.Options{Plaintext: true, Grace: time.Hour})
		conn := dial(t, running.Address)
		stream, err := servicesv1.NewMarketDataClient(conn).StreamPrices(t.Context(),
			&servicesv1.StreamPricesRequest{AssetIds: []string{asset}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
		watch, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watch.Recv(); err != nil {
			t.Fatal(err)
		}
		running.Stop()
		running.Stop() // Does nothing.
		if _, err := stream.Recv(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "stopping") {
			t.Errorf("%s: the stream ended with %v", asset, err)
		}
		// The last state may be NOT_SERVING or be lost to the end of the stream.
		for err = nil; err == nil; {
			_, err = watch.Recv()
		}
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: the health watch ended with %v", asset, err)
		}
		if err := running.Wait(); err != nil {
			t.Errorf("Wait of a stopped server returned %v", err)
		}
	}
}

func TestStopLetsCallsEnd(t *testing.T) {
	market := newPrices()
	running, err := server.Serve(
		server.Options{Address: "localhost:0", Plaintext: true, Grace: time.Hour}, register(market))
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, running.Address)
	answered := make(chan error, 1)
	go func() {
		_, err := servicesv1.NewMarketDataClient(conn).GetPrice(context.Background(),
			&servicesv1.GetPriceRequest{AssetId: "SLOW"})
		answered <- err
	}()
	<-market.started
	stopped := make(chan struct{})
	go func() {
		running.Stop()
		close(stopped)
	}()
	// A server that stops listens no more.
	for {
		tried, err := net.Dial("tcp", running.Address)
		if err != nil {
			break
		}
		_ = tried.Close()
	}
	select {
	case <-stopped:
		t.Error("stopped before the call ended")
	default:
	}
	close(market.release)
	if err := <-answered; err != nil {
		t.Errorf("the call in flight got %v", err)
	}
	<-stopped
}

func TestStopCutsOffWhatOutlivesTheGrace(t *testing.T) {
	market := newPrices()
	defer close(market.release)
	running, err := server.Serve(
		server.Options{Address: "localhost:0", Plaintext: true, Grace: time.Millisecond}, register(market))
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	conn := dial(t, running.Address)
	go func() {
		_, err := servicesv1.NewMarketDataClient(conn).GetPrice(context.Background(),
			&servicesv1.GetPriceRequest{AssetId: "SLOW"})
		answered <- err
	}()
	<-market.started
	running.Stop()
	if err := <-answered; status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestSettings(t *testing.T) {
	ca := newAuthority(t)
	certificate, key := ca.issue(t, time.Now().Add(time.Hour))
	_, otherKey := ca.issue(t, time.Now().Add(time.Hour))
	busy := serve(t, server.Options{Plaintext: true})
	empty := write(t, "CERTIFICATE", nil)
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	secure := server.Options{Address: "localhost:0", Verify: verify, Certificate: certificate, Key: key}
	with := func(options server.Options, change func(*server.Options)) server.Options {
		change(&options)
		return options
	}
	for name, test := range map[string]struct {
		options server.Options
		setting string
		problem string
	}{
		"no certificate": {server.Options{Verify: verify}, "certificate", "missing"},
		"no key":         {with(secure, func(o *server.Options) { o.Key = "" }), "key", "missing"},
		"only a key":     {with(secure, func(o *server.Options) { o.Certificate = "" }), "certificate", "missing"},
		"another key":    {with(secure, func(o *server.Options) { o.Key = otherKey }), "certificate", otherKey},
		"no file":        {with(secure, func(o *server.Options) { o.Certificate = "no.pem" }), "certificate", "no.pem"},
		"empty file":     {with(secure, func(o *server.Options) { o.Key = empty }), "key", empty + " is empty"},
		"client CA":      {with(secure, func(o *server.Options) { o.ClientCA = key }), "client_ca", key},
		"TLS for all":    {with(secure, func(o *server.Options) { o.Verify = nil }), "verify", "missing"},
		"plaintext, TLS": {with(secure, func(o *server.Options) { o.Plaintext = true }), "plaintext", "uses no"},
		"address in use": {server.Options{Plaintext: true, Address: busy.Address}, "address", "in use"},
		"no address":     {server.Options{Plaintext: true, Address: "localhost"}, "address", "missing port"},
		"open to all":    {server.Options{Plaintext: true, Address: ":0"}, "verify", "missing"},
	} {
		running, err := server.Serve(test.options)
		failure := (*server.SettingError)(nil)
		if !stderrors.As(err, &failure) || failure.Setting != test.setting || failure.Fix == "" ||
			!strings.Contains(failure.Problem, test.problem) {
			t.Errorf("%s: got %v, want %s about %q", name, err, test.setting, test.problem)
		}
		if err == nil {
			running.Stop()
		}
	}
}

func TestVerifierWithPlaintextOnEveryAddress(t *testing.T) {
	running := serve(t, server.Options{Plaintext: true, Verify: verify, Address: ":0"})
	conn := dial(t, net.JoinHostPort("localhost", strconv.Itoa(running.Port)))
	if _, err := getPrice(t, servicesv1.NewMarketDataClient(conn)); status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %v", err)
	}
}

// TestSignals runs a server in a process of its own and ends it while a stream is open.
func TestSignals(t *testing.T) {
	if os.Getenv("CQC_TEST_SERVES") != "" {
		running, err := server.Serve(
			server.Options{Address: "localhost:0", Plaintext: true, Grace: time.Hour}, register(newPrices()))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString(running.Address + "\n")
		if err := running.Wait(); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("stopped\n")
		return
	}
	for name, sent := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestSignals$")
			command.Env = append(os.Environ(), "CQC_TEST_SERVES=1")
			output, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			printed := bufio.NewReader(output)
			address, err := printed.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			market := servicesv1.NewMarketDataClient(dial(t, strings.TrimSpace(address)))
			stream, err := market.StreamPrices(ctx, &servicesv1.StreamPricesRequest{AssetIds: []string{"WAITS"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
			if err := command.Process.Signal(sent); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "stopping") {
				t.Errorf("the stream ended with %v", err)
			}
			rest, err := io.ReadAll(printed)
			if err != nil || !strings.HasPrefix(string(rest), "stopped\n") {
				t.Errorf("printed %q, %v", rest, err)
			}
			if err := command.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
