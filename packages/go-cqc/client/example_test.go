package client_test

import (
	"context"
	stderrors "errors"
	"fmt"
	"log"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/server"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// address is that of a server with a little of everything, for the examples.
var address = sync.OnceValue(func() string {
	running, err := server.Serve(server.Options{Address: "localhost:0", Plaintext: true},
		func(registrar grpc.ServiceRegistrar) {
			servicesv1.RegisterMarketDataServer(registrar, exampleMarket{})
			servicesv1.RegisterVenueGatewayServer(registrar, exampleGateway{})
		})
	if err != nil {
		log.Fatal(err)
	}
	return running.Address
})

type exampleMarket struct {
	servicesv1.UnimplementedMarketDataServer
}

func (exampleMarket) GetPrice(_ context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	if request.GetAssetId() != "BTC" {
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA, "no price of "+request.GetAssetId())
	}
	return &marketsv1.Price{AssetId: "BTC", Value: 65000}, nil
}

func (exampleMarket) ListTrades(
	_ context.Context, request *servicesv1.ListTradesRequest,
) (*servicesv1.ListTradesResponse, error) {
	if request.GetPageToken() == "" {
		return &servicesv1.ListTradesResponse{Trades: []*marketsv1.Trade{{Price: "65000"}}, NextPageToken: "2"}, nil
	}
	return &servicesv1.ListTradesResponse{Trades: []*marketsv1.Trade{{Price: "65001"}}}, nil
}

func (exampleMarket) StreamTrades(
	_ *servicesv1.StreamTradesRequest, stream grpc.ServerStreamingServer[servicesv1.StreamTradesResponse],
) error {
	trade := &marketsv1.Trade{Price: "65000"}
	return stream.Send(&servicesv1.StreamTradesResponse{Event: &servicesv1.StreamTradesResponse_Trade{Trade: trade}})
}

func (exampleMarket) StreamOrderBook(
	request *servicesv1.StreamOrderBookRequest, stream grpc.ServerStreamingServer[servicesv1.StreamOrderBookResponse],
) error {
	book := &marketsv1.OrderBook{
		VenueSymbolId: proto.String(request.GetVenueSymbolId()),
		Bids:          []*marketsv1.BookLevel{{Price: "64999", Quantity: "1"}},
		Asks:          []*marketsv1.BookLevel{{Price: "65001", Quantity: "2"}},
	}
	complete := &servicesv1.StreamOrderBookResponse_SnapshotComplete{SnapshotComplete: &servicesv1.SnapshotComplete{}}
	return stderrors.Join(
		stream.Send(&servicesv1.StreamOrderBookResponse{
			Event: &servicesv1.StreamOrderBookResponse_Snapshot{Snapshot: book},
		}),
		stream.Send(&servicesv1.StreamOrderBookResponse{Event: complete}),
	)
}

type exampleGateway struct {
	servicesv1.UnimplementedVenueGatewayServer
}

func (exampleGateway) PlaceOrder(
	context.Context, *servicesv1.PlaceOrderRequest,
) (*servicesv1.PlaceOrderResponse, error) {
	return &servicesv1.PlaceOrderResponse{Order: &venuesv1.Order{OrderId: "o-1"}}, nil
}

// A server in production has TLS: leave out Plaintext, and set Token or CQC_TOKEN.
func ExampleConnect() {
	conn, err := client.Connect(client.Options{Target: address(), Plaintext: true})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	market := servicesv1.NewMarketDataClient(conn)
	price, err := market.GetPrice(context.Background(), &servicesv1.GetPriceRequest{AssetId: "BTC"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(price.GetValue())
	// Output: 65000
}

// The errors of calls are those of gRPC, and errors.From reads what a service says.
func ExampleConnect_errors() {
	conn, err := client.Connect(client.Options{Target: address(), Plaintext: true})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	market := servicesv1.NewMarketDataClient(conn)
	_, err = market.GetPrice(context.Background(), &servicesv1.GetPriceRequest{AssetId: "XYZ"})
	if failure, ok := errors.From(err); ok && failure.Reason == servicesv1.ErrorReason_ERROR_REASON_NO_DATA {
		fmt.Println(failure.Message)
	}
	// Output: no price of XYZ
}

func ExamplePages() {
	conn, err := client.Connect(client.Options{Target: address(), Plaintext: true})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	market := servicesv1.NewMarketDataClient(conn)
	request := &servicesv1.ListTradesRequest{VenueSymbolId: "binance:BTC-USDT-SPOT"}
	trades := client.Pages(context.Background(), market.ListTrades, request, (*servicesv1.ListTradesResponse).GetTrades)
	for trade, err := range trades {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(trade.GetPrice())
	}
	// Output:
	// 65000
	// 65001
}

func ExampleFollow() {
	conn, err := client.Connect(client.Options{Target: address(), Plaintext: true})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	market := servicesv1.NewMarketDataClient(conn)
	request := &servicesv1.StreamTradesRequest{VenueSymbolIds: []string{"binance:BTC-USDT-SPOT"}}
	options := client.FollowOptions{OnLost: func(lost client.Lost) { log.Printf("lost the trades: %s", lost.Cause) }}
	for message, err := range client.Follow(context.Background(), market.StreamTrades, request, options) {
		if err != nil {
			log.Fatal(err)
		}
		switch event := message.GetEvent().(type) {
		case *servicesv1.StreamTradesResponse_Trade:
			fmt.Println(event.Trade.GetPrice())
		case *servicesv1.StreamTradesResponse_Reset_:
			fmt.Println("list the trades that are missing")
		}
		break // A real loop goes on.
	}
	// Output: 65000
}

func ExampleFollowBook() {
	conn, err := client.Connect(client.Options{Target: address(), Plaintext: true})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	market := servicesv1.NewMarketDataClient(conn)
	request := &servicesv1.StreamOrderBookRequest{VenueSymbolId: "binance:BTC-USDT-SPOT"}
	books := client.FollowBook(context.Background(), market.StreamOrderBook, request, client.FollowOptions{})
	for update, err := range books {
		if err != nil {
			log.Fatal(err)
		}
		if update.State != client.BookStateLive {
			fmt.Println("do not trade:", update.State, update.Reason)
			continue
		}
		fmt.Println(update.Book.Bids()[0].GetPrice(), update.Book.Asks()[0].GetPrice())
		break // A real loop goes on.
	}
	// Output: 64999 65001
}

func ExamplePlaceOrder() {
	conn, err := client.Connect(client.Options{Target: address(), Plaintext: true})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	gateway := servicesv1.NewVenueGatewayClient(conn)
	order, err := client.PlaceOrder(context.Background(), gateway, &servicesv1.PlaceOrderRequest{
		Order: &servicesv1.NewOrder{
			AccountId: "main", ClientOrderId: "strategy-1-000042", VenueSymbolId: "binance:BTC-USDT-SPOT",
			Side: venuesv1.OrderSide_ORDER_SIDE_BUY, Type: venuesv1.OrderType_ORDER_TYPE_LIMIT,
			TimeInForce: venuesv1.TimeInForce_TIME_IN_FORCE_GTC,
			Size:        &servicesv1.NewOrder_Quantity{Quantity: "0.1"}, Price: proto.String("65000"),
		},
	})
	if unknown := (*client.OutcomeUnknownError)(nil); stderrors.As(err, &unknown) {
		log.Fatalf("look for order %s later: %v", unknown.ClientOrderID, err)
	}
	if err != nil {
		log.Fatalf("no order was placed: %v", err)
	}
	fmt.Println(order.GetOrderId())
	// Output: o-1
}
