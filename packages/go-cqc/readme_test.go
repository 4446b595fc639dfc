package cqc_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/Combine-Capital/cqc/packages/go-cqc/access"
	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	"github.com/Combine-Capital/cqc/packages/go-cqc/server"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

func verify(_ context.Context, token string) (*access.Principal, error) {
	if token != "secret" {
		return nil, nil
	}
	return &access.Principal{Subject: "desk-7", Scopes: []string{"market.read"}}, nil
}

func overTLS(ctx context.Context, certificate, key string) error {
	options := server.Options{Address: "localhost:0", Verify: verify, Certificate: certificate, Key: key}
	running, err := server.Serve(options, func(registrar grpc.ServiceRegistrar) {
		servicesv1.RegisterMarketDataServer(registrar, servicesv1.UnimplementedMarketDataServer{})
	})
	if err != nil {
		return err
	}
	defer running.Stop()
	target := fmt.Sprintf("localhost:%d", running.Port)
	secret := client.StaticToken("secret")
	conn, err := client.Connect(client.Options{Target: target, Token: secret, CA: certificate})
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = servicesv1.NewMarketDataClient(conn).GetPrice(ctx, &servicesv1.GetPriceRequest{AssetId: "BTC-USD"})
	return err
}

// The first two programs of the README run in every rehearsed release.
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
	if len(blocks) != 3 {
		t.Fatalf("got %d code blocks in README.md, want a client, a service, and both over TLS", len(blocks))
	}
	if !bytes.Contains(source, blocks[2][1]) {
		t.Errorf("readme_test.go does not contain this code of README.md:\n%s", blocks[2][1])
	}
	certificate, key := certify(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := overTLS(ctx, certificate, key); status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v, want the answer of a server without an implementation", err)
	}
}

// certify writes a certificate for localhost and its key; it returns their paths.
func certify(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("tls.crt", "CERTIFICATE", signed), write("tls.key", "PRIVATE KEY", encoded)
}
