package cqc_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"os"
	"regexp"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/Combine-Capital/cqc/packages/go-cqc/access"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	"github.com/Combine-Capital/cqc/packages/go-cqc/interceptors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

func printPrice(ctx context.Context, address, token string, config *tls.Config) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	client := servicesv1.NewMarketDataClient(conn)
	price, err := client.GetPrice(ctx, &servicesv1.GetPriceRequest{AssetId: "BTC-USD"})
	if failure, ok := errors.From(err); ok && failure.Reason == servicesv1.ErrorReason_ERROR_REASON_NO_DATA {
		fmt.Println("no price yet")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Println(price.GetValue())
	return nil
}

type priceServer struct {
	servicesv1.UnimplementedMarketDataServer
}

func (priceServer) GetPrice(_ context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	return nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA, "no price of "+request.GetAssetId()+" yet")
}

func verify(_ context.Context, token string) (*access.Principal, error) {
	if token != "secret" {
		return nil, nil
	}
	return &access.Principal{Subject: "desk-7", Scopes: []string{"market.read"}}, nil
}

func newServer(config *tls.Config) *grpc.Server {
	options := append(access.ServerOptions(verify), interceptors.ServerOptions()...)
	server := grpc.NewServer(append(options, grpc.Creds(credentials.NewTLS(config)))...)
	servicesv1.RegisterMarketDataServer(server, priceServer{})
	return server
}

func TestTheCodeOfTheReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(readme, -1)
	if len(blocks) != 2 {
		t.Errorf("got %d code blocks in README.md, want those of a client and a server", len(blocks))
	}
	for _, block := range blocks {
		if !bytes.Contains(source, block[1]) {
			t.Errorf("readme_test.go does not contain this code of README.md:\n%s", block[1])
		}
	}
}

func Example_server() {
	certificate, roots := certify()
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		panic(err)
	}
	server := newServer(&tls.Config{Certificates: []tls.Certificate{certificate}})
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	config := &tls.Config{RootCAs: roots, ServerName: "localhost"}
	if err := printPrice(ctx, listener.Addr().String(), "secret", config); err != nil {
		fmt.Println(err)
	}
	refused, _ := errors.From(printPrice(ctx, listener.Addr().String(), "other", config))
	fmt.Println(refused.Reason)
	// Output:
	// no price yet
	// ERROR_REASON_CREDENTIALS_INVALID
}

// certify makes a certificate for localhost.
func certify() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, roots
}
