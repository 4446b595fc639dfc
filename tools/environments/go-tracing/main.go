// Command go-tracing makes one trace from our client to our server, by OpenTelemetry's own instrumentation. The client
// has a token, which must not be in any span.
//
//	go-tracing CERTIFICATE KEY
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/Combine-Capital/cqc/packages/go-cqc/access"
	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/server"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

const token = "4f6b1c-secret"

type prices struct {
	servicesv1.UnimplementedMarketDataServer
}

func (prices) GetPrice(_ context.Context, request *servicesv1.GetPriceRequest) (*marketsv1.Price, error) {
	return &marketsv1.Price{AssetId: request.GetAssetId(), Value: 1}, nil
}

func verify(_ context.Context, given string) (*access.Principal, error) {
	if given != token {
		return nil, nil
	}
	return &access.Principal{Subject: "desk", Scopes: []string{"market.read"}}, nil
}

func call(certificate, key string, options ...otelgrpc.Option) error {
	running, err := server.Serve(server.Options{
		Address: "localhost:0", Verify: verify, Certificate: certificate, Key: key,
		ServerOptions: []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(options...))},
	}, func(registrar grpc.ServiceRegistrar) { servicesv1.RegisterMarketDataServer(registrar, prices{}) })
	if err != nil {
		return err
	}
	defer running.Stop()
	conn, err := client.Connect(client.Options{
		Target: fmt.Sprintf("localhost:%d", running.Port), Token: client.StaticToken(token), CA: certificate,
		DialOptions: []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler(options...))},
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err = servicesv1.NewMarketDataClient(conn).GetPrice(ctx, &servicesv1.GetPriceRequest{AssetId: "BTC"})
	return err
}

func check(spans tracetest.SpanStubs) error {
	kinds := map[trace.SpanKind]tracetest.SpanStub{}
	for _, span := range spans {
		if strings.Contains(fmt.Sprintf("%+v", span), "secret") {
			return fmt.Errorf("the span %s contains the token", span.Name)
		}
		kinds[span.SpanKind] = span
	}
	sent, received := kinds[trace.SpanKindClient], kinds[trace.SpanKindServer]
	if !received.Parent.IsValid() || received.Parent.SpanID() != sent.SpanContext.SpanID() {
		return errors.New("the server's span is not the child of the client's")
	}
	if received.SpanContext.TraceID() != sent.SpanContext.TraceID() {
		return errors.New("two traces")
	}
	return nil
}

func run(certificate, key string) error {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	err := call(certificate, key,
		otelgrpc.WithTracerProvider(provider), otelgrpc.WithPropagators(propagation.TraceContext{}))
	if err != nil {
		return err
	}
	return check(exporter.GetSpans())
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go-tracing CERTIFICATE KEY")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "go-tracing:", err)
		os.Exit(1)
	}
	fmt.Println("ok")
}
