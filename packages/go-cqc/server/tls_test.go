package server_test

import (
	"context"
	stderrors "errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/Combine-Capital/cqc/packages/go-cqc/access"
	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	"github.com/Combine-Capital/cqc/packages/go-cqc/server"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

// verify knows the tokens "reader" and "reader-2", which may read the market, and "trader", which may not.
func verify(_ context.Context, token string) (*access.Principal, error) {
	switch {
	case strings.HasPrefix(token, "reader"):
		return &access.Principal{Subject: token, Scopes: []string{"market.read"}}, nil
	case token == "trader":
		return &access.Principal{Subject: token, Scopes: []string{"orders.write"}}, nil
	}
	return nil, nil
}

func connect(t *testing.T, options client.Options) servicesv1.MarketDataClient {
	t.Helper()
	conn, err := client.Connect(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return servicesv1.NewMarketDataClient(conn)
}

func getPrice(t *testing.T, market servicesv1.MarketDataClient) (string, error) {
	t.Helper()
	price, err := market.GetPrice(t.Context(), &servicesv1.GetPriceRequest{AssetId: "BTC"})
	return price.GetAssetId(), err
}

func TestTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Minute)
	certificate, key := ca.issue(t, later)
	expired, expiredKey := ca.issue(t, past)
	client1, clientKey := ca.issue(t, later)
	stranger, strangerKey := other.issue(t, later)
	for name, test := range map[string]struct {
		server  server.Options
		client  client.Options
		refused string
	}{
		"trusted": {
			server.Options{Certificate: certificate, Key: key}, client.Options{CA: ca.path}, "",
		},
		"a CA that did not sign": {
			server.Options{Certificate: certificate, Key: key}, client.Options{CA: other.path}, "unknown authority",
		},
		"the system's CAs": {
			server.Options{Certificate: certificate, Key: key}, client.Options{}, "unknown authority",
		},
		"an expired certificate": {
			server.Options{Certificate: expired, Key: expiredKey}, client.Options{CA: ca.path}, "expired",
		},
		"mTLS": {
			server.Options{Certificate: certificate, Key: key, ClientCA: ca.path},
			client.Options{CA: ca.path, Certificate: client1, Key: clientKey}, "",
		},
		"mTLS without a certificate": {
			server.Options{Certificate: certificate, Key: key, ClientCA: ca.path}, client.Options{CA: ca.path},
			"certificate required",
		},
		"mTLS with a stranger's certificate": {
			server.Options{Certificate: certificate, Key: key, ClientCA: ca.path},
			client.Options{CA: ca.path, Certificate: stranger, Key: strangerKey}, "certificate",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.server.Verify = verify
			running := serve(t, test.server)
			test.client.Target, test.client.Token = running.Address, client.StaticToken("reader")
			market := connect(t, test.client)
			caller, err := getPrice(t, market)
			if test.refused == "" {
				if err != nil || caller != "reader" {
					t.Errorf("got %q, %v, want the price", caller, err)
				}
				return
			}
			checkCertificate(t, err, running.Address, test.refused)
			// A stream does not try again either.
			request := &servicesv1.StreamPricesRequest{AssetIds: []string{"BTC"}}
			options := client.FollowOptions{OnLost: func(lost client.Lost) { t.Errorf("tried again after %v", lost) }}
			for _, err := range client.Follow(t.Context(), market.StreamPrices, request, options) {
				checkCertificate(t, err, running.Address, test.refused)
			}
		})
	}
}

func checkCertificate(t *testing.T, err error, target, detail string) {
	t.Helper()
	failure := (*client.CertificateError)(nil)
	if !stderrors.As(err, &failure) || status.Code(err) != codes.Unavailable || failure.Target != target ||
		!strings.Contains(failure.Detail, detail) || !strings.Contains(failure.Error(), "CQC_CA") {
		t.Errorf("got %v, want a certificate error about %q", err, detail)
	}
}

func TestCAFromTheEnvironment(t *testing.T) {
	ca := newAuthority(t)
	certificate, key := ca.issue(t, time.Now().Add(time.Hour))
	running := serve(t, server.Options{Certificate: certificate, Key: key, Verify: verify})
	t.Setenv("CQC_TARGET", running.Address)
	t.Setenv("CQC_TOKEN", "reader")
	t.Setenv("CQC_CA", ca.path)
	if caller, err := getPrice(t, connect(t, client.Options{})); err != nil || caller != "reader" {
		t.Errorf("got %q, %v", caller, err)
	}
}

func TestTokensAndScopes(t *testing.T) {
	ca := newAuthority(t)
	certificate, key := ca.issue(t, time.Now().Add(time.Hour))
	running := serve(t, server.Options{Certificate: certificate, Key: key, Verify: verify})
	// StaticToken("") sends none although the environment has one.
	t.Setenv("CQC_TOKEN", "reader")
	for token, want := range map[string]servicesv1.ErrorReason{
		"":        servicesv1.ErrorReason_ERROR_REASON_CREDENTIALS_MISSING,
		"nobody":  servicesv1.ErrorReason_ERROR_REASON_CREDENTIALS_INVALID,
		"trader":  servicesv1.ErrorReason_ERROR_REASON_SCOPE_MISSING,
		"reader3": 0,
	} {
		options := client.Options{Target: running.Address, CA: ca.path, Token: client.StaticToken(token)}
		_, err := getPrice(t, connect(t, options))
		if failure, _ := errors.From(err); (err == nil) != (want == 0) || failure != nil && failure.Reason != want {
			t.Errorf("token %q: got %v, want %v", token, err, want)
		}
		if err != nil && token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("the error has the token: %v", err)
		}
	}
}

func TestRenewedTokens(t *testing.T) {
	ca := newAuthority(t)
	certificate, key := ca.issue(t, time.Now().Add(time.Hour))
	running := serve(t, server.Options{Certificate: certificate, Key: key, Verify: verify})
	var calls atomic.Int32
	tokens := []string{"reader", "reader-2", "", "two\nlines"}
	market := connect(t, client.Options{Target: running.Address, CA: ca.path,
		Token: client.RenewedToken(func(context.Context) (string, error) {
			if call := int(calls.Add(1)); call <= len(tokens) {
				return tokens[call-1], nil
			}
			return "", status.Error(codes.Unavailable, "the identity provider does not answer")
		})})
	for _, want := range []string{"reader", "reader-2"} {
		if caller, err := getPrice(t, market); err != nil || caller != want {
			t.Errorf("got %q, %v, want %q", caller, err, want)
		}
	}
	if _, err := getPrice(t, market); status.Code(err) != codes.Unauthenticated ||
		!strings.Contains(err.Error(), "token: is empty") {
		t.Errorf("got %v for an empty token", err)
	}
	if _, err := getPrice(t, market); status.Code(err) != codes.Unauthenticated ||
		!strings.Contains(err.Error(), "line break") || strings.Contains(err.Error(), "lines") {
		t.Errorf("got %v for a token that no header can hold", err)
	}
	if _, err := getPrice(t, market); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want the error of the source", err)
	}
}

// TestPlaintextClientOfTLSServer ends within its limit, because neither side waits for the other.
func TestPlaintextClientOfTLSServer(t *testing.T) {
	ca := newAuthority(t)
	certificate, key := ca.issue(t, time.Now().Add(time.Hour))
	running := serve(t, server.Options{Certificate: certificate, Key: key, Verify: verify})
	plain := connect(t, client.Options{Target: running.Address, Plaintext: true})
	if _, err := getPrice(t, plain); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v", err)
	}
	open := serve(t, server.Options{Plaintext: true})
	secure := connect(t, client.Options{Target: open.Address, CA: ca.path})
	_, err := getPrice(t, secure)
	checkCertificate(t, err, open.Address, "does not look like a TLS handshake")
}
