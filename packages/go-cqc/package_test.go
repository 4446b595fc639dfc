package cqc_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/known/timestamppb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

type prices struct {
	servicesv1.UnimplementedMarketDataServer
}

func (prices) GetPrice(_ context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	if request.GetAssetId() == "" {
		return nil, status.Error(codes.InvalidArgument, "asset_id is empty: specify an asset such as BTC-USD")
	}
	return &marketsv1.Price{AssetId: request.GetAssetId(), Value: 67890.50, Timestamp: timestamppb.Now()}, nil
}

func dial(t *testing.T) servicesv1.MarketDataClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	servicesv1.RegisterMarketDataServer(server, prices{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	return servicesv1.NewMarketDataClient(conn)
}

func TestGetPrice(t *testing.T) {
	client := dial(t)
	price, err := client.GetPrice(context.Background(), &servicesv1.GetPriceRequest{AssetId: "BTC-USD"})
	if err != nil {
		t.Fatal(err)
	}
	if price.GetAssetId() != "BTC-USD" || price.GetValue() != 67890.50 || !price.GetTimestamp().IsValid() {
		t.Errorf("got %v", price)
	}
}

func TestErrorCodes(t *testing.T) {
	client := dial(t)
	_, err := client.GetPrice(context.Background(), &servicesv1.GetPriceRequest{})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v, want InvalidArgument", err)
	}
	_, err = client.GetTicker(context.Background(), &servicesv1.GetTickerRequest{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v, want Unimplemented", err)
	}
}

func TestVersionInTheModuleItself(t *testing.T) {
	if got := cqc.Version(); got != "(devel)" && got != "" {
		t.Errorf("got version %q, want (devel) or none", got)
	}
}

func TestDescriptorSetIsCompleteWithComments(t *testing.T) {
	set := cqc.DescriptorSet()
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files.FindDescriptorByName("cqc.services.v1.MarketData.GetPrice"); err != nil {
		t.Error(err)
	}
	price, err := files.FindDescriptorByName("cqc.markets.v1.Price.value")
	if err != nil {
		t.Fatal(err)
	}
	if price.ParentFile().SourceLocations().ByDescriptor(price).LeadingComments == "" {
		t.Error("Price.value has no comment")
	}
	set.File = nil
	if len(cqc.DescriptorSet().GetFile()) == 0 {
		t.Error("modifying a returned set changed the next one")
	}
}

func FuzzPriceRoundTrips(f *testing.F) {
	f.Add("BTC-USD", 67890.50, int64(1_700_000_000), int32(999_999_999))
	f.Add("", 0.0, int64(-62_135_596_800), int32(0))
	f.Fuzz(func(t *testing.T, asset string, value float64, seconds int64, nanos int32) {
		timestamp := &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}
		price := &marketsv1.Price{AssetId: asset, Value: value, Timestamp: timestamp}
		wire, err := proto.Marshal(price)
		if err != nil {
			t.Skip("not valid UTF-8")
		}
		var read marketsv1.Price
		if err := proto.Unmarshal(wire, &read); err != nil || !proto.Equal(price, &read) {
			t.Fatalf("binary: got %v, %v, want %v", &read, err, price)
		}
		text, err := protojson.Marshal(price)
		if err != nil {
			t.Skip("not a valid timestamp in JSON")
		}
		var parsed marketsv1.Price
		if err := protojson.Unmarshal(text, &parsed); err != nil || !proto.Equal(price, &parsed) {
			t.Fatalf("JSON: got %v, %v from %s, want %v", &parsed, err, text, price)
		}
	})
}
