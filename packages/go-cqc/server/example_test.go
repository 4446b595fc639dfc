package server_test

import (
	"context"
	"log"

	"google.golang.org/grpc"

	"github.com/Combine-Capital/cqc/packages/go-cqc/access"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/server"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

type priceService struct {
	servicesv1.UnimplementedMarketDataServer
}

func (priceService) GetPrice(_ context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	if request.GetAssetId() != "BTC" {
		return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA, "no price of "+request.GetAssetId())
	}
	return &marketsv1.Price{AssetId: "BTC", Value: 65000}, nil
}

func registerPrices(registrar grpc.ServiceRegistrar) {
	servicesv1.RegisterMarketDataServer(registrar, priceService{})
}

// A service for development, without TLS and tokens, which is only allowed on a loopback address.
func ExampleServe() {
	running, err := server.Serve(server.Options{Address: "localhost:50051", Plaintext: true}, registerPrices)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("listening on", running.Address)
	if err := running.Wait(); err != nil { // Until SIGTERM or SIGINT.
		log.Fatal(err)
	}
}

// A service for everybody who has a token.
func ExampleServe_tls() {
	verify := func(_ context.Context, token string) (*access.Principal, error) {
		if token != "a token from your identity provider" {
			return nil, nil
		}
		return &access.Principal{Subject: "desk-7", Scopes: []string{"market.read"}}, nil
	}
	running, err := server.Serve(server.Options{
		Address: ":50051", Certificate: "server.pem", Key: "server-key.pem", Verify: verify,
	}, registerPrices)
	if err != nil {
		log.Fatal(err)
	}
	if err := running.Wait(); err != nil {
		log.Fatal(err)
	}
}
