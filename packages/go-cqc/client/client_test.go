package client_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/server"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

const target = "localhost:50051"

func TestSettings(t *testing.T) {
	folder := t.TempDir()
	empty, text := filepath.Join(folder, "empty.pem"), filepath.Join(folder, "text.pem")
	for path, content := range map[string]string{empty: "", text: "no certificate"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		environment map[string]string
		options     client.Options
		setting     string
		problem     string
	}{
		"no target":             {nil, client.Options{}, "CQC_TARGET", "not set"},
		"invalid target":        {nil, client.Options{Target: "unix://a\x00"}, "target", "\\x00"},
		"URL":                   {nil, client.Options{Target: "https://a.example"}, "target", "is a URL"},
		"negative timeout":      {nil, client.Options{Target: target, Timeout: -time.Second}, "timeout", "-1s"},
		"no CA":                 {nil, client.Options{Target: target, CA: "no.pem"}, "ca", "no.pem"},
		"empty CA":              {nil, client.Options{Target: target, CA: empty}, "ca", empty},
		"CA without any":        {nil, client.Options{Target: target, CA: text}, "ca", text},
		"CA of the environment": {map[string]string{"CQC_CA": text}, client.Options{Target: target}, "CQC_CA", text},
		"certificate alone":     {nil, client.Options{Target: target, Certificate: text}, "key", "missing"},
		"key alone":             {nil, client.Options{Target: target, Key: text}, "certificate", "missing"},
		"no pair":               {nil, client.Options{Target: target, Certificate: text, Key: text}, "certificate", text},
		"empty key":             {nil, client.Options{Target: target, Certificate: text, Key: empty}, "key", empty},
		"token of two lines": {
			nil, client.Options{Target: target, Token: client.StaticToken("s3cr3t\n")}, "token", "line break",
		},
		"token that is not ASCII": {
			map[string]string{"CQC_TOKEN": "s3cr3t€"}, client.Options{Target: target}, "CQC_TOKEN", "characters",
		},
		"a URL": {nil, client.Options{Target: "https://" + target, Plaintext: true}, "target", "URL"},
		"token over plaintext": {
			nil, client.Options{Target: target, Plaintext: true, Token: client.StaticToken("s3cr3t")}, "plaintext", "token",
		},
		"token of the environment over plaintext": {
			map[string]string{"CQC_TOKEN": "s3cr3t"}, client.Options{Target: target, Plaintext: true},
			"plaintext", "CQC_TOKEN",
		},
		"renewed token over plaintext": {nil, client.Options{Target: target, Plaintext: true,
			Token: client.RenewedToken(func(context.Context) (string, error) { return "", nil })}, "plaintext", "token"},
		"CA over plaintext": {nil, client.Options{Target: target, Plaintext: true, CA: text}, "plaintext", "uses no"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{"CQC_TARGET", "CQC_TOKEN", "CQC_CA"} {
				t.Setenv(variable, test.environment[variable])
			}
			_, err := client.Connect(test.options)
			failure := (*client.SettingError)(nil)
			if !stderrors.As(err, &failure) || failure.Setting != test.setting ||
				!strings.Contains(failure.Problem, test.problem) || failure.Fix == "" {
				t.Fatalf("got %v, want %s about %q", err, test.setting, test.problem)
			}
			if got, want := err.Error(), failure.Setting+": "+failure.Problem+"; "+failure.Fix; got != want {
				t.Errorf("got text %q, want %q", got, want)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error has the token: %v", err)
			}
		})
	}
}

func TestNoTokenIsPrinted(t *testing.T) {
	options := client.Options{Token: client.StaticToken("s3cr3t")}
	if printed := fmt.Sprintf("%v %+v %#v", options, options, options); strings.Contains(printed, "s3cr3t") {
		t.Errorf("printed %s", printed)
	}
}

func TestAnEmptyTokenReplacesTheEnvironment(t *testing.T) {
	t.Setenv("CQC_TOKEN", "s3cr3t")
	conn, err := client.Connect(client.Options{Target: target, Plaintext: true, Token: client.StaticToken("")})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestServiceConfig(t *testing.T) {
	golden, err := os.ReadFile("../testdata/service_config.json")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := client.ServiceConfig(), strings.TrimSpace(string(golden)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRequests checks that every list and stream of the contracts can be read with Pages and Follow.
func TestRequests(t *testing.T) {
	protoregistry.GlobalFiles.RangeFilesByPackage("cqc.services.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				method := methods.Get(j)
				request, answer := message(t, method.Input()), message(t, method.Output())
				if method.IsStreamingServer() {
					_, resumes := request.(client.StreamRequest)
					_, beats := answer.(interface {
						GetResumeToken() string
						GetHeartbeat() *servicesv1.Heartbeat
					})
					if !resumes || !beats {
						t.Errorf("Follow cannot read %s", method.FullName())
					}
				}
				_, isRequest := request.(client.PageRequest)
				_, isPage := answer.(client.Page)
				if isRequest != isPage {
					t.Errorf("Pages cannot read %s", method.FullName())
				}
			}
		}
		return true
	})
}

func message(t *testing.T, described protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	found, err := protoregistry.GlobalTypes.FindMessageByName(described.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return found.New().Interface()
}

// TestInterceptorsOfTheUser sees the call as it is sent.
func TestInterceptorsOfTheUser(t *testing.T) {
	request := &servicesv1.CreatePortfolioRequest{}
	see := func(
		ctx context.Context, _ string, seen, _ any, _ *grpc.ClientConn, _ grpc.UnaryInvoker, _ ...grpc.CallOption,
	) error {
		if _, limited := ctx.Deadline(); !limited || seen.(*servicesv1.CreatePortfolioRequest).GetRequestId() == "" {
			t.Errorf("the interceptor saw %v without a deadline or a request_id", seen)
		}
		return status.Error(codes.AlreadyExists, "seen")
	}
	conn, err := client.Connect(client.Options{Target: target, Plaintext: true, Token: client.StaticToken(""),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(see)}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = servicesv1.NewPortfolioClient(conn).CreatePortfolio(t.Context(), request)
	if status.Code(err) != codes.AlreadyExists {
		t.Errorf("got %v", err)
	}
	if request.GetRequestId() != "" {
		t.Error("the caller's request was changed")
	}
}

// trades streams one trade per call, whose id is the token that it was sent, and then waits for the end of the call.
type trades struct {
	servicesv1.UnimplementedMarketDataServer
	next  string
	ended chan struct{}
}

func (s *trades) StreamTrades(
	request *servicesv1.StreamTradesRequest, stream grpc.ServerStreamingServer[servicesv1.StreamTradesResponse],
) error {
	defer func() { s.ended <- struct{}{} }()
	trade := &marketsv1.Trade{TradeId: proto.String(request.GetResumeToken())}
	err := stream.Send(&servicesv1.StreamTradesResponse{
		Event: &servicesv1.StreamTradesResponse_Trade{Trade: trade}, ResumeToken: s.next,
	})
	if err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

func serve(t *testing.T, address string, served *trades) *server.Server {
	t.Helper()
	running, err := server.Serve(server.Options{Address: address, Plaintext: true},
		func(registrar grpc.ServiceRegistrar) { servicesv1.RegisterMarketDataServer(registrar, served) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(running.Stop)
	return running
}

func connect(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := client.Connect(client.Options{Target: address, Plaintext: true, Token: client.StaticToken("")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestFollowSurvivesARestart uses real sockets, and a server that comes back at the same address.
func TestFollowSurvivesARestart(t *testing.T) {
	ended := make(chan struct{}, 10)
	first := serve(t, "localhost:0", &trades{next: "t1", ended: ended})
	market := servicesv1.NewMarketDataClient(connect(t, first.Address))
	var tokens, causes []string
	var lost time.Time
	options := client.FollowOptions{OnLost: func(loss client.Lost) {
		if causes = append(causes, loss.Cause); len(causes) == 1 {
			lost = time.Now()
			serve(t, first.Address, &trades{next: "t2", ended: ended})
		}
	}}
	request := &servicesv1.StreamTradesRequest{VenueSymbolIds: []string{"binance:BTC-USDT-SPOT"}}
	before := proto.CloneOf(request)
	for message, err := range client.Follow(t.Context(), market.StreamTrades, request, options) {
		if err != nil {
			t.Fatal(err)
		}
		if tokens = append(tokens, message.GetTrade().GetTradeId()); len(tokens) == 2 {
			break
		}
		go first.Stop()
	}
	if strings.Join(tokens, ",") != ",t1" || causes[0] != "UNAVAILABLE" {
		t.Errorf("sent the tokens %q, and lost the connection because of %v", tokens, causes)
	}
	if away := time.Since(lost); away > 5*time.Second {
		t.Errorf("was away for %v", away)
	}
	if !proto.Equal(request, before) {
		t.Errorf("the request became %v", request)
	}
	// The end of the loop ends the call at the server.
	<-ended
	<-ended
}

// TestEachLoopStartsAnew ranges over the same sequence twice.
func TestEachLoopStartsAnew(t *testing.T) {
	running := serve(t, "localhost:0", &trades{next: "t1", ended: make(chan struct{}, 10)})
	market := servicesv1.NewMarketDataClient(connect(t, running.Address))
	request := &servicesv1.StreamTradesRequest{VenueSymbolIds: []string{"binance:BTC-USDT-SPOT"}, ResumeToken: "t0"}
	messages := client.Follow(t.Context(), market.StreamTrades, request, client.FollowOptions{})
	for range 2 {
		for message, err := range messages {
			if err != nil || message.GetTrade().GetTradeId() != "t0" {
				t.Errorf("got %v, %v", message, err)
			}
			break
		}
	}
}

// TestLossesAtAnyMoment cuts the connection after any number of bytes, up to those with the first message. Whatever a
// client gets to see, it reports the loss.
func TestLossesAtAnyMoment(t *testing.T) {
	running := serve(t, "localhost:0", &trades{next: "t1", ended: make(chan struct{}, 1000)})
	for limit, arrived := int64(0), false; !arrived; limit += 7 {
		proxy := cut(t, running.Address, limit)
		market := servicesv1.NewMarketDataClient(connect(t, proxy))
		ctx, cancel := context.WithCancel(t.Context())
		var causes []string
		options := client.FollowOptions{OnLost: func(lost client.Lost) {
			causes = append(causes, lost.Cause)
			cancel()
		}}
		request := &servicesv1.StreamTradesRequest{VenueSymbolIds: []string{"binance:BTC-USDT-SPOT"}}
		for _, err := range client.Follow(ctx, market.StreamTrades, request, options) {
			if arrived = err == nil; arrived {
				break
			}
			if status.Code(err) != codes.Canceled || len(causes) != 1 || causes[0] != "UNAVAILABLE" {
				t.Errorf("%d bytes: got %v, and lost the connection because of %v", limit, err, causes)
			}
		}
		cancel()
	}
}

// cut returns the address of a proxy that closes each connection after some bytes of the server.
func cut(t *testing.T, address string, limit int64) string {
	t.Helper()
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			inside, err := listener.Accept()
			if err != nil {
				return
			}
			outside, err := net.Dial("tcp", address)
			if err != nil {
				_ = inside.Close()
				return
			}
			go func() { _, _ = io.Copy(outside, inside) }()
			go func() {
				_, _ = io.CopyN(inside, outside, limit)
				_, _ = inside.Close(), outside.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func TestJitterSpreadsAttempts(t *testing.T) {
	least, most := 2.0, 0.0
	for range 1000 {
		factor := client.Jitter()
		least, most = min(least, factor), max(most, factor)
	}
	if least < 0.8 || least > 0.85 || most > 1.2 || most < 1.15 {
		t.Errorf("factors from %v to %v, want 0.8 to 1.2", least, most)
	}
}
