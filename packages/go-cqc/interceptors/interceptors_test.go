package interceptors_test

import (
	"context"
	stderrors "errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	"github.com/Combine-Capital/cqc/packages/go-cqc/interceptors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

type prices struct {
	servicesv1.UnimplementedMarketDataServer
}

func (prices) GetPrice(_ context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	return &marketsv1.Price{AssetId: request.GetAssetId()}, nil
}

func (prices) StreamPrices(
	request *servicesv1.StreamPricesRequest, stream grpc.ServerStreamingServer[servicesv1.StreamPricesResponse],
) error {
	price := &servicesv1.StreamPricesResponse_Price{Price: &marketsv1.Price{AssetId: request.GetAssetIds()[0]}}
	return stream.Send(&servicesv1.StreamPricesResponse{Event: price})
}

func client(t *testing.T, server []grpc.ServerOption, dial []grpc.DialOption) servicesv1.MarketDataClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	grpcServer := grpc.NewServer(server...)
	servicesv1.RegisterMarketDataServer(grpcServer, prices{})
	go func() { _ = grpcServer.Serve(listener) }()
	t.Cleanup(grpcServer.Stop)
	dial = append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient(listener.Addr().String(), dial...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return servicesv1.NewMarketDataClient(conn)
}

func streamed(market servicesv1.MarketDataClient, asset string) (string, error) {
	stream, err := market.StreamPrices(context.Background(), &servicesv1.StreamPricesRequest{AssetIds: []string{asset}})
	if err != nil {
		return "", err
	}
	response, err := stream.Recv()
	if err != nil {
		return "", err
	}
	if _, err := stream.Recv(); !stderrors.Is(err, io.EOF) {
		return "", err
	}
	return response.GetPrice().GetAssetId(), nil
}

func TestInterceptors(t *testing.T) {
	for side, market := range map[string]servicesv1.MarketDataClient{
		"server": client(t, interceptors.ServerOptions(), nil),
		"client": client(t, nil, interceptors.DialOptions()),
	} {
		t.Run(side, func(t *testing.T) {
			price, err := market.GetPrice(context.Background(), &servicesv1.GetPriceRequest{AssetId: "BTC-USD"})
			if err != nil || price.GetAssetId() != "BTC-USD" {
				t.Errorf("GetPrice of a valid request returned %v, %v", price, err)
			}
			if asset, err := streamed(market, "ETH"); err != nil || asset != "ETH" {
				t.Errorf("StreamPrices of a valid request returned %q, %v", asset, err)
			}
			_, err = market.GetPrice(context.Background(), &servicesv1.GetPriceRequest{AssetId: "btc"})
			checkInvalidArgument(t, err, "asset_id")
			_, err = streamed(market, "btc")
			checkInvalidArgument(t, err, "asset_ids[0]")
		})
	}
}

func checkInvalidArgument(t *testing.T, err error, field string) {
	t.Helper()
	rejected, ok := errors.From(err)
	if !ok || rejected.Code != codes.InvalidArgument || len(rejected.Violations) != 1 {
		t.Fatalf("got %v, want INVALID_ARGUMENT with a violation", err)
	}
	got := rejected.Violations[0]
	if got.Field != field || got.RuleID != "string.asset_reference" || got.Message == "" {
		t.Errorf("got violation %v, want string.asset_reference of %s", got, field)
	}
}
