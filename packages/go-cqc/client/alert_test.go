package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"
)

// TestARefusedCertificateIsReported writes to a server that has refused the client after the handshake of TLS 1.3. It
// tests the package's inside, because only here the server is surely done before the client writes.
func TestARefusedCertificateIsReported(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := x509.ParseCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(trusted)
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	refused := make(chan error, 1)
	go func() {
		raw, err := listener.Accept()
		if err == nil {
			err = tls.Server(raw, &tls.Config{
				Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}},
				ClientAuth:   tls.RequireAnyClientCert,
				NextProtos:   []string{"h2"},
			}).Handshake()
			_ = raw.Close()
		}
		refused <- err
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	secured := explained{credentials.NewTLS(&tls.Config{RootCAs: pool, NextProtos: []string{"h2"}})}.Clone()
	conn, _, err := secured.ClientHandshake(context.Background(), "localhost", raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-refused; err == nil {
		t.Fatal("the server accepted a client without a certificate")
	}
	for err == nil {
		_, err = conn.Write([]byte("preface"))
	}
	if !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("got %v", err)
	}
}
