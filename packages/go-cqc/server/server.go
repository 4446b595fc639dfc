// Package server serves the services of the contracts with what every server needs: TLS, tokens and scopes, validation,
// health checks, reflection, and a shutdown that loses no call.
//
//	running, err := server.Serve(server.Options{Plaintext: true}, func(registrar grpc.ServiceRegistrar) {
//		servicesv1.RegisterMarketDataServer(registrar, prices{})
//	})
//	if err != nil {
//		return err
//	}
//	return running.Wait()
package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/Combine-Capital/cqc/packages/go-cqc/access"
	"github.com/Combine-Capital/cqc/packages/go-cqc/interceptors"
	"github.com/Combine-Capital/cqc/packages/go-cqc/internal/setting"
)

const (
	// DefaultAddress is where a server listens that states no address.
	DefaultAddress = "localhost:50051"
	// DefaultGrace is the time that calls get to end when the server stops.
	DefaultGrace = 5 * time.Second
)

// SettingError reports an option or a file that Serve cannot use.
type SettingError = setting.Error

// Options are the options of Serve.
type Options struct {
	// Address is where to listen, such as ":50051". Empty means DefaultAddress; port 0 takes a free port.
	Address string
	// Verify returns the principal of a token. It is required, except for plaintext on a loopback address.
	Verify access.Verifier
	// Certificate and Key are the paths of PEM files with the server's certificate and private key.
	Certificate, Key string
	// ClientCA is the path of a PEM file with the certificates that sign those of clients. If it is set, every client
	// needs a certificate.
	ClientCA string
	// Plaintext serves without TLS, for development, or behind a proxy that has it.
	Plaintext bool
	// Grace is how long calls may take to end when the server stops. Zero means DefaultGrace.
	Grace time.Duration
	// ServerOptions add to those of Serve. Interceptors among them run before access control and validation, so they see
	// refused calls too; chained ones run inside the recovery from panics.
	ServerOptions []grpc.ServerOption
}

// Server is a running server.
type Server struct {
	// Address is the address at which the server listens, and Port its port.
	Address string
	Port    int

	grpc   *grpc.Server
	health *health.Server
	grace  time.Duration
	// closing ends the streams of a server that stops.
	closing context.Context
	close   context.CancelFunc
	stop    sync.Once
	served  chan struct{}
	failure error
}

// Serve starts a server with the services that the functions register, and returns when it listens.
//
// It checks the token, scope and accounts of each call (package access) and the rules of each request (package
// interceptors). A panic of a handler, and an error that is no status, become INTERNAL without their text, which is
// logged with log/slog. Health and reflection need no token.
//
// It returns a *SettingError for options and files that it cannot use.
func Serve(options Options, register ...func(grpc.ServiceRegistrar)) (*Server, error) {
	security, err := options.security()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", cmp.Or(options.Address, DefaultAddress))
	if err != nil {
		return nil, setting.New("address", err.Error(),
			"stop the program that uses the port, or choose another; port 0 picks a free one")
	}
	bound := listener.Addr().(*net.TCPAddr)
	if options.Verify == nil && !(options.Plaintext && bound.IP.IsLoopback()) {
		_ = listener.Close()
		return nil, setting.New("verify", "missing, so anyone who can reach "+bound.String()+" could call every method",
			"give a function that returns the principal of a token, or set Plaintext and a loopback address such as "+
				DefaultAddress)
	}
	s := &Server{
		Address: bound.String(), Port: bound.Port, health: health.NewServer(),
		grace: cmp.Or(options.Grace, DefaultGrace), served: make(chan struct{}),
	}
	s.closing, s.close = context.WithCancel(context.Background())
	serving := slices.Concat([]grpc.ServerOption{
		security,
		// Clients that ping every 10 s may be early.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 9 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(guardUnary),
		grpc.ChainStreamInterceptor(s.guardStream),
	}, options.ServerOptions, options.checks())
	s.grpc = grpc.NewServer(serving...)
	for _, add := range register {
		add(s.grpc)
	}
	for service := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(service, grpc_health_v1.HealthCheckResponse_SERVING)
	}
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	go func() {
		defer close(s.served)
		if err := s.grpc.Serve(listener); !errors.Is(err, grpc.ErrServerStopped) {
			s.failure = err
		}
	}()
	return s, nil
}

// Wait waits until the server has stopped: because of SIGTERM or SIGINT, which end it as Stop does, a call of Stop, or
// an error, which it returns. A second signal ends the process.
func (s *Server) Wait() error {
	signalled, restore := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer restore()
	select {
	case <-signalled.Done():
		restore()
	case <-s.closing.Done():
	case <-s.served:
	}
	s.Stop()
	select {
	case <-s.served:
		return s.failure
	default:
		return nil
	}
}

// Stop stops the server and returns when it has stopped. Health becomes NOT_SERVING, new calls are refused, open
// streams end with UNAVAILABLE, other calls get the grace to end, and what is left then is cut off.
func (s *Server) Stop() {
	s.stop.Do(func() {
		s.health.Shutdown()
		go s.grpc.GracefulStop()
		s.close()
		select {
		case <-s.served:
			return
		case <-time.After(s.grace):
		}
		// It closes the connections first, and may then wait without end for a handler that ignores its context.
		go s.grpc.Stop()
		select {
		case <-s.served:
		case <-time.After(time.Second):
		}
	})
}

// checks returns the interceptors that refuse calls.
func (o Options) checks() []grpc.ServerOption {
	if o.Verify == nil {
		return interceptors.ServerOptions()
	}
	return append(access.ServerOptions(o.Verify), interceptors.ServerOptions()...)
}

// security returns the credentials of the server.
func (o Options) security() (grpc.ServerOption, error) {
	if o.Plaintext {
		if o.Certificate != "" || o.Key != "" || o.ClientCA != "" {
			return nil, setting.New("plaintext", "uses no Certificate, Key or ClientCA", "leave either out")
		}
		return grpc.EmptyServerOption{}, nil
	}
	certificates, err := setting.Pair(o.Certificate, o.Key)
	if err != nil {
		return nil, err
	}
	if certificates == nil {
		return nil, setting.New("certificate", "missing", "give the paths Certificate and Key, or set Plaintext")
	}
	config := &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12}
	if o.ClientCA != "" {
		var pool *x509.CertPool
		if pool, err = setting.Pool("client_ca", o.ClientCA); err != nil {
			return nil, err
		}
		config.ClientCAs, config.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return grpc.Creds(credentials.NewTLS(config)), nil
}
