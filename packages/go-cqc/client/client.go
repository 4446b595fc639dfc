// Package client calls services as their contracts mean them to be called: over TLS, with a token, deadlines and
// retries, and with streams that survive a lost connection. It is a thin layer on gRPC: Connect returns a
// *grpc.ClientConn, calls are those of the generated clients, and their errors are those of gRPC, which errors.From
// reads.
//
//	conn, err := client.Connect(client.Options{Target: "gateway.example:443"})
//	market := servicesv1.NewMarketDataClient(conn)
//	price, err := market.GetPrice(ctx, &servicesv1.GetPriceRequest{AssetId: "BTC"})
//
// Pages reads lists, Follow and FollowBook read streams, and PlaceOrder places an order whose outcome is known.
package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/Combine-Capital/cqc/packages/go-cqc/internal/setting"
)

// DefaultTimeout is the deadline of unary calls whose context has none.
const DefaultTimeout = 10 * time.Second

// Options are the options of Connect. The zero value connects to CQC_TARGET over TLS.
type Options struct {
	// Target is the address of the server, such as "gateway.example:443". Empty means CQC_TARGET.
	Target string
	// Token is sent with every call, as "authorization: Bearer". The zero value means CQC_TOKEN, which may be empty.
	Token Token
	// CA is the path of a PEM file with the certificates to trust. Empty means CQC_CA; if that is empty, the system's.
	CA string
	// Certificate and Key are the paths of PEM files with the certificate and the private key of the client, for a server
	// that requires them.
	Certificate, Key string
	// Plaintext connects without TLS. It sends no token.
	Plaintext bool
	// Timeout is the deadline of unary calls whose context has none. Zero means DefaultTimeout.
	Timeout time.Duration
	// DialOptions come after those of Connect. Interceptors among them see each request as it is sent, with its
	// request_id, but not its retries, which gRPC makes below them.
	DialOptions []grpc.DialOption
}

// Token is a bearer token. The zero value means that of the environment.
type Token struct {
	// A closure, so that printing the options prints no token.
	of     func(context.Context) (string, error)
	static bool
}

// StaticToken returns a token that does not change. An empty one sends none, whatever CQC_TOKEN is.
func StaticToken(token string) Token {
	return Token{func(context.Context) (string, error) { return token, nil }, true}
}

// RenewedToken returns a token that source is called for before each call. An error fails the call: with its gRPC
// status, or UNAUTHENTICATED if it has none. So does an empty token.
func RenewedToken(source func(context.Context) (string, error)) Token {
	return Token{source, false}
}

// Connect returns a connection to a server. It is made when the first call needs it. The caller closes it.
//
//   - TLS is on unless Plaintext is set, and a token is only sent over TLS.
//   - Unary calls have a deadline, and those that can be repeated are retried while the server is unavailable; see
//     ServiceConfig.
//   - An empty request_id is filled on a copy of the request, so all attempts of a call have the same.
//   - A call that fails because of a certificate returns a *CertificateError.
//
// It returns a *SettingError for options, variables and files that it cannot use.
func Connect(options Options) (*grpc.ClientConn, error) {
	target := cmp.Or(options.Target, os.Getenv("CQC_TARGET"))
	if target == "" {
		return nil, setting.New("CQC_TARGET", "not set, and no target is given",
			"set it to the address of the server, such as markets.example.com:443")
	}
	if strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") {
		return nil, setting.New("target", target+" is a URL", "give host and port, such as markets.example.com:443")
	}
	timeout := cmp.Or(options.Timeout, DefaultTimeout)
	if timeout < 0 {
		return nil, setting.New("timeout", fmt.Sprintf("%v is not a time to wait", timeout),
			"give a time greater than zero")
	}
	security, err := options.security()
	if err != nil {
		return nil, err
	}
	dial := append(security,
		grpc.WithDefaultServiceConfig(ServiceConfig()),
		grpc.WithConnectParams(grpc.ConnectParams{
			// gRPC's own limit of 120 s would keep a stream down long after an outage. An attempt that gets no answer is
			// given up after MinConnectTimeout.
			Backoff: backoff.Config{
				BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second,
			},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithChainUnaryInterceptor(unary(timeout)),
		grpc.WithChainStreamInterceptor(stream),
	)
	if strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") {
		return nil, setting.New("target", target+" is a URL", "set it to host and port, such as gateway.example:443")
	}
	conn, err := grpc.NewClient(target, append(dial, options.DialOptions...)...)
	if err != nil {
		return nil, setting.New("target", err.Error(), "give host and port, such as markets.example.com:443")
	}
	return conn, nil
}

// security returns the credentials of the connection and of its calls.
func (o Options) security() ([]grpc.DialOption, error) {
	token, name := o.Token, "token"
	if token.of == nil {
		token, name = StaticToken(os.Getenv("CQC_TOKEN")), "CQC_TOKEN"
	}
	if token.static {
		text, _ := token.of(context.Background())
		if err := checkToken(name, text); err != nil {
			return nil, err
		}
		if text == "" {
			token.of = nil
		}
	}
	if o.Plaintext {
		if token.of != nil {
			return nil, setting.New("plaintext", "would send "+name+" readable to everyone",
				`connect over TLS, or give StaticToken("") to send none`)
		}
		if o.CA != "" || o.Certificate != "" || o.Key != "" {
			return nil, setting.New("plaintext", "uses no CA, Certificate or Key", "leave either out")
		}
		return []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	ca, name := o.CA, "ca"
	if ca == "" {
		ca, name = os.Getenv("CQC_CA"), "CQC_CA"
	}
	var err error
	if ca != "" {
		if config.RootCAs, err = setting.Pool(name, ca); err != nil {
			return nil, err
		}
	}
	if config.Certificates, err = setting.Pair(o.Certificate, o.Key); err != nil {
		return nil, err
	}
	dial := []grpc.DialOption{grpc.WithTransportCredentials(explained{credentials.NewTLS(config)})}
	if token.of != nil {
		dial = append(dial, grpc.WithPerRPCCredentials(bearer(token.of)))
	}
	return dial, nil
}

// explained are TLS credentials whose connections say why the server closed them.
type explained struct {
	credentials.TransportCredentials
}

func (e explained) ClientHandshake(
	ctx context.Context, authority string, raw net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := e.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, err
	}
	return explainedConn{conn}, info, nil
}

func (e explained) Clone() credentials.TransportCredentials {
	return explained{e.TransportCredentials.Clone()}
}

type explainedConn struct{ net.Conn }

// Write returns the server's alert if there is one. In TLS 1.3 a server refuses the certificate of a client when the
// handshake is over for the client, whose next write then says no more than "broken pipe".
func (c explainedConn) Write(data []byte) (int, error) {
	written, err := c.Conn.Write(data)
	if err == nil {
		return written, nil
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	_, refused := c.Read(make([]byte, 1))
	if alert := (*net.OpError)(nil); errors.As(refused, &alert) && alert.Op == "remote error" {
		return written, refused
	}
	return written, err
}

// checkToken returns an error for a token that no HTTP header can hold.
func checkToken(name, text string) error {
	for _, char := range []byte(text) {
		if char <= ' ' || char > '~' {
			return setting.New(name, "has characters that no token has, such as a line break or a space",
				"remove them, with strings.TrimSpace after reading a file")
		}
	}
	return nil
}

// bearer are the credentials of each call.
type bearer func(context.Context) (string, error)

func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b(ctx)
	if err == nil && token == "" {
		err = setting.New("token", "is empty", `return a token, or give StaticToken("") to send none`)
	}
	if err == nil {
		err = checkToken("token", token)
	}
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }

// unary sets deadlines and request ids outside the retries, which therefore share them.
func unary(timeout time.Duration) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn,
		invoker grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		if _, limited := ctx.Deadline(); !limited {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		if message, ok := request.(proto.Message); ok {
			request = withRequestID(message)
		}
		return withCertificate(conn.Target(), invoker(ctx, method, request, reply, conn, options...))
	}
}

// withRequestID returns the request, or a copy with a new id if it has the field and left it empty.
func withRequestID[Q proto.Message](request Q) Q {
	message := request.ProtoReflect()
	if field := requestID(message.Descriptor()); field == nil || message.Get(field).String() != "" {
		return request
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // Never fails.
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return withField(request, "request_id", fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]))
}

func stream(ctx context.Context, description *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	streamer grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	opened, err := streamer(ctx, description, conn, method, options...)
	if err != nil {
		return nil, withCertificate(conn.Target(), err)
	}
	return openedStream{opened, conn.Target()}, nil
}

type openedStream struct {
	grpc.ClientStream
	target string
}

func (s openedStream) RecvMsg(message any) error {
	return withCertificate(s.target, s.ClientStream.RecvMsg(message))
}
