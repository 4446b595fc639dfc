//go:build go1.25

package client_test

import (
	"context"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// flaky is unavailable for some calls.
type flaky struct {
	servicesv1.UnimplementedMarketDataServer
	servicesv1.UnimplementedPortfolioServer
	servicesv1.UnimplementedVenueGatewayServer
	failures int
	// pushback is what the server says about the next attempt, in milliseconds.
	pushback string
	// calls has the times of the calls, and ids the request ids.
	calls []time.Time
	ids   []string
	limit time.Time
}

func (f *flaky) fail(ctx context.Context, id string) error {
	f.calls, f.ids = append(f.calls, time.Now()), append(f.ids, id)
	f.limit, _ = ctx.Deadline()
	if len(f.calls) > f.failures {
		return nil
	}
	if f.pushback != "" {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", f.pushback))
	}
	return status.Error(codes.Unavailable, "restarting")
}

func (f *flaky) GetPrice(ctx context.Context, _ *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	return &marketsv1.Price{}, f.fail(ctx, "")
}

func (f *flaky) CreatePortfolio(
	ctx context.Context, request *servicesv1.CreatePortfolioRequest,
) (*servicesv1.CreatePortfolioResponse, error) {
	return &servicesv1.CreatePortfolioResponse{}, f.fail(ctx, request.GetRequestId())
}

func (f *flaky) PlaceOrder(
	ctx context.Context, request *servicesv1.PlaceOrderRequest,
) (*servicesv1.PlaceOrderResponse, error) {
	return &servicesv1.PlaceOrderResponse{Order: &venuesv1.Order{}}, f.fail(ctx, request.GetRequestId())
}

// inMemory runs a test against a server and a client in virtual time.
func inMemory(t *testing.T, served *flaky, options client.Options, test func(*testing.T, *grpc.ClientConn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := bufconn.Listen(1 << 20)
		server := grpc.NewServer()
		servicesv1.RegisterMarketDataServer(server, served)
		servicesv1.RegisterPortfolioServer(server, served)
		servicesv1.RegisterVenueGatewayServer(server, served)
		go func() { _ = server.Serve(listener) }()
		defer server.Stop()
		options.Target, options.Plaintext, options.Token = "passthrough:memory", true, client.StaticToken("")
		options.DialOptions = append(options.DialOptions,
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				return listener.DialContext(ctx)
			}))
		conn, err := client.Connect(options)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		test(t, conn)
	})
}

func TestRetries(t *testing.T) {
	get := func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := servicesv1.NewMarketDataClient(conn).GetPrice(ctx, &servicesv1.GetPriceRequest{AssetId: "BTC"})
		return err
	}
	create := func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := servicesv1.NewPortfolioClient(conn).CreatePortfolio(ctx, &servicesv1.CreatePortfolioRequest{})
		return err
	}
	place := func(ctx context.Context, conn *grpc.ClientConn) error {
		_, err := servicesv1.NewVenueGatewayClient(conn).PlaceOrder(ctx, &servicesv1.PlaceOrderRequest{})
		return err
	}
	for name, test := range map[string]struct {
		call     func(context.Context, *grpc.ClientConn) error
		failures int
		pushback string
		calls    int
		code     codes.Code
		// shortest and longest are the times that the attempts may take together.
		shortest, longest time.Duration
	}{
		"a read":                        {get, 3, "", 4, codes.OK, 560 * time.Millisecond, 840 * time.Millisecond},
		"a read of a server that stays": {get, 9, "", 4, codes.Unavailable, 560 * time.Millisecond, 840 * time.Millisecond},
		"a request id":                  {create, 2, "", 3, codes.OK, 240 * time.Millisecond, 360 * time.Millisecond},
		"a server that says when":       {get, 1, "1500", 2, codes.OK, 1500 * time.Millisecond, 1500 * time.Millisecond},
		"a server that says never":      {get, 1, "-1", 1, codes.Unavailable, 0, 0},
		"an order":                      {place, 1, "", 1, codes.Unavailable, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			served := &flaky{failures: test.failures, pushback: test.pushback}
			inMemory(t, served, client.Options{}, func(t *testing.T, conn *grpc.ClientConn) {
				start := time.Now()
				err := test.call(t.Context(), conn)
				if took := time.Since(start); status.Code(err) != test.code || len(served.calls) != test.calls ||
					took < test.shortest || took > test.longest {
					t.Errorf("got %v after %d calls in %v, want %+v", err, len(served.calls), took, test)
				}
				if ids := slices.Compact(served.ids); len(ids) != 1 {
					t.Errorf("the attempts had the request ids %q", ids)
				}
			})
		})
	}
}

func TestTimeouts(t *testing.T) {
	for name, test := range map[string]struct {
		option, caller, want time.Duration
	}{
		"default":      {0, 0, 10 * time.Second},
		"the option's": {3 * time.Second, 0, 3 * time.Second},
		"the caller's": {3 * time.Second, time.Minute, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			served := &flaky{}
			inMemory(t, served, client.Options{Timeout: test.option}, func(t *testing.T, conn *grpc.ClientConn) {
				ctx := t.Context()
				if test.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.caller)
					defer cancel()
				}
				_, err := servicesv1.NewMarketDataClient(conn).GetPrice(ctx, &servicesv1.GetPriceRequest{AssetId: "BTC"})
				if got := time.Until(served.limit); err != nil || got != test.want {
					t.Errorf("got a deadline in %v, %v, want %v", got, err, test.want)
				}
			})
		})
	}
}
