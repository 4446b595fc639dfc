package access_test

import (
	"context"
	stderrors "errors"
	"io"
	"net"
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/Combine-Capital/cqc/packages/go-cqc/access"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	"github.com/Combine-Capital/cqc/packages/go-cqc/interceptors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

var (
	reader = access.Principal{Subject: "reader", Scopes: []string{"market.read"}}
	trader = access.Principal{
		Subject:  "trader",
		Scopes:   []string{access.ScopeOf(servicesv1.VenueGateway_ListOrders_FullMethodName)},
		Accounts: []string{"main"},
	}
)

func verify(_ context.Context, token string) (*access.Principal, error) {
	switch token {
	case "reader":
		return &reader, nil
	case "trader":
		return &trader, nil
	case "unreachable":
		return nil, status.Error(codes.Unavailable, "the identity provider does not answer")
	}
	return nil, nil
}

type prices struct {
	servicesv1.UnimplementedMarketDataServer
}

func (prices) GetPrice(ctx context.Context, _ *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_RATE_LIMITED,
		"too many requests of "+access.FromContext(ctx).Subject, "limit", "weight").RetryAfter(1500 * time.Millisecond)
}

type orders struct {
	servicesv1.UnimplementedVenueGatewayServer
}

func (orders) ListOrders(
	ctx context.Context, _ *servicesv1.ListOrdersRequest,
) (*servicesv1.ListOrdersResponse, error) {
	return &servicesv1.ListOrdersResponse{NextPageToken: access.FromContext(ctx).Subject}, nil
}

func (orders) StreamExecutionReports(
	_ *servicesv1.StreamExecutionReportsRequest,
	stream grpc.ServerStreamingServer[servicesv1.StreamExecutionReportsResponse],
) error {
	caller := access.FromContext(stream.Context()).Subject
	return stream.Send(&servicesv1.StreamExecutionReportsResponse{ResumeToken: caller})
}

func connect(t *testing.T, options ...grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options = append(options, access.ServerOptions(verify)...)
	server := grpc.NewServer(append(options, interceptors.ServerOptions()...)...)
	servicesv1.RegisterMarketDataServer(server, prices{})
	servicesv1.RegisterVenueGatewayServer(server, orders{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func as(authorization string) context.Context {
	if authorization == "" {
		return context.Background()
	}
	return metadata.AppendToOutgoingContext(context.Background(), "authorization", authorization)
}

func failure(t *testing.T, err error, reason servicesv1.ErrorReason, code codes.Code) *errors.ServiceError {
	t.Helper()
	found, ok := errors.From(err)
	if !ok || found.Reason != reason || found.Code != code || status.Code(err) != code {
		t.Fatalf("got %v (%v), want %v with code %v", found, err, reason, code)
	}
	return found
}

func TestTokenAndScope(t *testing.T) {
	market := servicesv1.NewMarketDataClient(connect(t))
	get := func(authorization string) error {
		_, err := market.GetPrice(as(authorization), &servicesv1.GetPriceRequest{AssetId: "BTC"})
		return err
	}
	for _, authorization := range []string{"", "reader", "Basic reader"} {
		failure(t, get(authorization), servicesv1.ErrorReason_ERROR_REASON_CREDENTIALS_MISSING, codes.Unauthenticated)
	}
	failure(t, get("Bearer nobody"), servicesv1.ErrorReason_ERROR_REASON_CREDENTIALS_INVALID, codes.Unauthenticated)
	if code := status.Code(get("Bearer unreachable")); code != codes.Unavailable {
		t.Errorf("got %v, want the verifier's own error", code)
	}
	missing := failure(t, get("bearer trader"), servicesv1.ErrorReason_ERROR_REASON_SCOPE_MISSING, codes.PermissionDenied)
	if want := map[string]string{"scope": "market.read"}; !reflect.DeepEqual(missing.Metadata, want) {
		t.Errorf("got metadata %v, want %v", missing.Metadata, want)
	}
	limited := failure(t, get("Bearer reader"), servicesv1.ErrorReason_ERROR_REASON_RATE_LIMITED, codes.ResourceExhausted)
	if limited.Message != "too many requests of reader" || limited.Metadata["limit"] != "weight" ||
		limited.RetryDelay == nil || *limited.RetryDelay != 1500*time.Millisecond {
		t.Errorf("got %+v, want every field of the handler's error", limited)
	}
	_, err := market.GetPrice(as("Bearer reader"), &servicesv1.GetPriceRequest{AssetId: "btc"})
	invalid := failure(t, err, servicesv1.ErrorReason_ERROR_REASON_INVALID_FIELD, codes.InvalidArgument)
	if len(invalid.Violations) != 1 || invalid.Violations[0].Field != "asset_id" {
		t.Errorf("got violations %v, want one of asset_id", invalid.Violations)
	}
}

func TestAccounts(t *testing.T) {
	gateway := servicesv1.NewVenueGatewayClient(connect(t))
	own, err := gateway.ListOrders(as("Bearer trader"), &servicesv1.ListOrdersRequest{AccountId: "main"})
	if err != nil || own.GetNextPageToken() != "trader" {
		t.Errorf("got %v, %v for the caller's own account", own, err)
	}
	_, err = gateway.ListOrders(as("Bearer trader"), &servicesv1.ListOrdersRequest{AccountId: "other"})
	refused := failure(t, err, servicesv1.ErrorReason_ERROR_REASON_ACCOUNT_NOT_ALLOWED, codes.PermissionDenied)
	if refused.Metadata["account_id"] != "other" {
		t.Errorf("got metadata %v, want the account", refused.Metadata)
	}
	for _, accounts := range [][]string{{"main"}, {"main", "other"}} {
		stream, err := gateway.StreamExecutionReports(as("Bearer trader"),
			&servicesv1.StreamExecutionReportsRequest{AccountIds: accounts})
		if err != nil {
			t.Fatal(err)
		}
		first, err := stream.Recv()
		if len(accounts) == 1 {
			if err != nil || first.GetResumeToken() != "trader" {
				t.Errorf("got %v, %v for the caller's own account", first, err)
			}
		} else {
			failure(t, err, servicesv1.ErrorReason_ERROR_REASON_ACCOUNT_NOT_ALLOWED, codes.PermissionDenied)
		}
	}
}

func TestAMethodThatIsNotLinkedIsRefused(t *testing.T) {
	handled := grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return nil })
	conn := connect(t, handled)
	open := func(method string) error {
		ctx, cancel := context.WithTimeout(as("Bearer reader"), 10*time.Second)
		defer cancel()
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
		if err != nil {
			return err
		}
		return stream.RecvMsg(new(marketsv1.Price))
	}
	if err := open("/cqc.markets.v2.Prices/Get"); status.Code(err) != codes.Internal {
		t.Errorf("got %v, want an error that names the import", err)
	}
	if err := open("/other.v1.Prices/Get"); !stderrors.Is(err, io.EOF) {
		t.Errorf("got %v, want the method of another package to pass", err)
	}
}

func TestScopeOf(t *testing.T) {
	for method, want := range map[string]string{
		"/cqc.services.v1.MarketData/GetPrice": "market.read",
		"cqc.services.v1.MarketData.GetPrice":  "market.read",
		"/grpc.health.v1.Health/Check":         "",
		"cqc.services.v1.MarketData":           "",
		"nothing":                              "",
	} {
		if got := access.ScopeOf(method); got != want {
			t.Errorf("ScopeOf(%q) = %q, want %q", method, got, want)
		}
	}
}
