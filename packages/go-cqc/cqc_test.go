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
	marketpb "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicespb "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuepb "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

type prices struct {
	servicespb.UnimplementedMarketDataServer
}

func (prices) GetPrice(_ context.Context, request *servicespb.GetPriceRequest) (*marketpb.Price, error) {
	if request.GetAssetId() == "" {
		return nil, status.Error(codes.InvalidArgument, "asset_id is empty: name an asset such as BTC-USD")
	}
	return &marketpb.Price{AssetId: request.GetAssetId(), Value: 67890.50, Timestamp: timestamppb.Now()}, nil
}

func dial(t *testing.T) servicespb.MarketDataClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	servicespb.RegisterMarketDataServer(server, prices{})
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
	return servicespb.NewMarketDataClient(conn)
}

func TestGetPrice(t *testing.T) {
	client := dial(t)
	price, err := client.GetPrice(context.Background(), &servicespb.GetPriceRequest{AssetId: "BTC-USD"})
	if err != nil {
		t.Fatal(err)
	}
	if price.GetAssetId() != "BTC-USD" || price.GetValue() != 67890.50 || !price.GetTimestamp().IsValid() {
		t.Errorf("got %v", price)
	}
}

func TestErrorsKeepTheirCode(t *testing.T) {
	client := dial(t)
	if _, err := client.GetPrice(context.Background(), &servicespb.GetPriceRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v, want InvalidArgument", err)
	}
	if _, err := client.GetTicker(context.Background(), &servicespb.GetTickerRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v, want Unimplemented", err)
	}
}

func TestVersionInTheModulesOwnCheckout(t *testing.T) {
	if got := cqc.Version(); got != "(devel)" && got != "" {
		t.Errorf("Version() = %q in the module's own tests", got)
	}
}

func TestDescriptorSetIsWholeAndCommented(t *testing.T) {
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
		t.Error("the comment of Price.value is missing")
	}
	set.File = nil
	if len(cqc.DescriptorSet().GetFile()) == 0 {
		t.Error("changing a returned set changed the next one")
	}
}

func FuzzPriceSurvivesBothFormats(f *testing.F) {
	f.Add("BTC-USD", 67890.50, int64(1_700_000_000), int32(999_999_999))
	f.Add("", 0.0, int64(-62_135_596_800), int32(0))
	f.Fuzz(func(t *testing.T, asset string, value float64, seconds int64, nanos int32) {
		price := &marketpb.Price{AssetId: asset, Value: value, Timestamp: &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}}
		wire, err := proto.Marshal(price)
		if err != nil {
			t.Skip("not a valid string")
		}
		var read marketpb.Price
		if err := proto.Unmarshal(wire, &read); err != nil || !proto.Equal(price, &read) {
			t.Fatalf("binary: got %v from %v: %v", &read, price, err)
		}
		text, err := protojson.Marshal(price)
		if err != nil {
			t.Skip("a time that JSON cannot hold")
		}
		var parsed marketpb.Price
		if err := protojson.Unmarshal(text, &parsed); err != nil || !proto.Equal(price, &parsed) {
			t.Fatalf("JSON: got %v from %s: %v", &parsed, text, err)
		}
	})
}

func TestCanTransition(t *testing.T) {
	state := func(name string) venuepb.OrderStatus {
		number, ok := venuepb.OrderStatus_value["ORDER_STATUS_"+name]
		if !ok {
			t.Fatalf("no state %s", name)
		}
		return venuepb.OrderStatus(number)
	}
	for _, test := range []struct {
		before, after string
		legal         bool
	}{
		{"NEW", "PARTIALLY_FILLED", true},
		{"NEW", "REJECTED", true},
		{"NEW", "PENDING_NEW", false},
		{"PENDING_NEW", "NEW", true},
		{"UNTRIGGERED", "NEW", true},
		{"PARTIALLY_FILLED", "PARTIALLY_FILLED", true},
		{"PARTIALLY_FILLED", "NEW", true},
		{"PARTIALLY_FILLED", "REJECTED", false},
		{"FILLED", "PARTIALLY_FILLED", true},
		{"FILLED", "CANCELLED", true},
		{"FILLED", "NEW", true},
		{"FILLED", "REJECTED", false},
		{"FILLED", "PENDING_NEW", false},
		{"PENDING_CANCEL", "FILLED", true},
		{"PENDING_CANCEL", "NEW", true},
		{"PENDING_CANCEL", "CANCELLED", true},
		{"PENDING_REPLACE", "REPLACED", true},
		{"CANCELLED", "FILLED", true},
		{"CANCELLED", "PARTIALLY_FILLED", true},
		{"CANCELLED", "NEW", false},
		{"EXPIRED", "FILLED", true},
		{"EXPIRED", "CANCELLED", false},
		{"REJECTED", "NEW", false},
		{"REJECTED", "FILLED", false},
		{"REPLACED", "PARTIALLY_FILLED", true},
		{"UNSPECIFIED", "FILLED", true},
		{"REJECTED", "UNSPECIFIED", true},
	} {
		if got := cqc.CanTransition(state(test.before), state(test.after)); got != test.legal {
			t.Errorf("CanTransition(%s, %s) = %t", test.before, test.after, got)
		}
	}
	const newer = venuepb.OrderStatus(99)
	if !cqc.CanTransition(newer, state("NEW")) || !cqc.CanTransition(state("REJECTED"), newer) {
		t.Error("a state of a newer contract was ruled out")
	}
}
