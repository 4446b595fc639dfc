// Command service serves prices on an address, or follows the prices of a server.
//
//	service serve HOST:PORT
//	service follow HOST:PORT
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/server"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

const interval = 200 * time.Millisecond

type prices struct {
	servicesv1.UnimplementedMarketDataServer
}

// GetPrice returns the price of any asset but XMR.
func (prices) GetPrice(_ context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	if request.GetAssetId() == "XMR" {
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA, "no price of XMR yet")
	}
	return &marketsv1.Price{AssetId: request.GetAssetId(), Value: 65000.5}, nil
}

// StreamPrices sends a price every interval; the resume token is how many were sent.
func (prices) StreamPrices(
	request *servicesv1.StreamPricesRequest, stream grpc.ServerStreamingServer[servicesv1.StreamPricesResponse],
) error {
	sent, _ := strconv.Atoi(request.GetResumeToken())
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		sent++
		price := &marketsv1.Price{AssetId: request.GetAssetIds()[0], Value: float64(sent)}
		message := &servicesv1.StreamPricesResponse{
			Event:       &servicesv1.StreamPricesResponse_Price{Price: price},
			ResumeToken: strconv.Itoa(sent),
		}
		if err := stream.Send(message); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-ticks.C:
		}
	}
}

func serve(address string) error {
	running, err := server.Serve(server.Options{Address: address, Plaintext: true}, func(registrar grpc.ServiceRegistrar) {
		servicesv1.RegisterMarketDataServer(registrar, prices{})
	})
	if err != nil {
		return err
	}
	fmt.Println("listening on", running.Address)
	return running.Wait()
}

func follow(target string) error {
	conn, err := client.Connect(client.Options{Target: target, Plaintext: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	market := servicesv1.NewMarketDataClient(conn)
	request := &servicesv1.StreamPricesRequest{AssetIds: []string{"BTC"}}
	options := client.FollowOptions{OnLost: func(lost client.Lost) { fmt.Println("lost", lost.Cause) }}
	for message, err := range client.Follow(context.Background(), market.StreamPrices, request, options) {
		if err != nil {
			return err
		}
		fmt.Println("item", message.GetPrice().GetValue())
	}
	return nil
}

func main() {
	commands := map[string]func(string) error{"serve": serve, "follow": follow}
	if len(os.Args) != 3 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: service serve|follow HOST:PORT")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}
