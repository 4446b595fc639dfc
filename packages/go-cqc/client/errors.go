package client

import (
	stderrors "errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	"github.com/Combine-Capital/cqc/packages/go-cqc/internal/setting"
)

// SettingError reports an option, an environment variable or a file that Connect cannot use.
type SettingError = setting.Error

// CertificateError reports that client and server do not trust each other's certificates. It is the error of the first
// call, because a connection is made when it is needed. Calling again does not help.
type CertificateError struct {
	// Target is the address of the server.
	Target string
	// Detail is the text of the TLS library.
	Detail string
	cause  error
}

func (e *CertificateError) Error() string {
	return fmt.Sprintf("no TLS connection to %s: %s; set CQC_CA or CA to the PEM file of the CA that signed the server's "+
		"certificate, Certificate and Key if the server requires a client certificate, or Plaintext if it speaks no TLS",
		e.Target, e.Detail)
}

// GRPCStatus returns the error as a status with the code UNAVAILABLE.
func (e *CertificateError) GRPCStatus() *status.Status {
	return status.New(codes.Unavailable, e.Error())
}

// Unwrap returns the error of the call.
func (e *CertificateError) Unwrap() error { return e.cause }

// ProtocolError reports a server that breaks the contract of a method. Calling again does not help.
type ProtocolError struct {
	// Method is the name of the method, such as "ListTrades".
	Method string
	// Problem states what the server did.
	Problem string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("%s: %s; report it to whoever runs the server", e.Method, e.Problem)
}

// OutcomeUnknownError reports that an order may have been placed or not.
//
// It does not unwrap to its cause, whose code and reason may be those of GetOrder and say nothing about the order. As a
// status it is UNKNOWN.
type OutcomeUnknownError struct {
	// AccountID and ClientOrderID identify the order.
	AccountID, ClientOrderID string
	// SendBefore is the time at or after which the gateway no longer sends the order to its venue, by its own clock.
	SendBefore time.Time
	// Cause is the error of GetOrder if asking again cannot help, else the refusal of a later PlaceOrder, else the first
	// error of PlaceOrder.
	Cause error
}

func (e *OutcomeUnknownError) Error() string {
	return fmt.Sprintf("the outcome of order %s of account %s is not known: call GetOrder by its client order id; "+
		"RECORD_NOT_FOUND is final if its checked_at is at or after %s (%v)",
		e.ClientOrderID, e.AccountID, e.SendBefore.Format(time.RFC3339Nano), e.Cause)
}

// GRPCStatus returns the error as a status with the code UNKNOWN.
func (e *OutcomeUnknownError) GRPCStatus() *status.Status {
	return status.New(codes.Unknown, e.Error())
}

// gRPC has no other sign of trouble with certificates than the text of UNAVAILABLE. The words are the same in all
// languages.
var (
	aboutTLS = regexp.MustCompile(
		`(?i)certificate|x509|\b(?:ssl|tls)|hostname verification|all addresses.*(?:unwrap|secure read) failed`)
	// A connection that broke during the handshake is an outage like any other, as when a load balancer lost its servers.
	aboutOutage = regexp.MustCompile(`(?i)eof|closed|reset|refused|time(?:d )?out|deadline|disconnected|broken pipe|` +
		`hang up|unreachable|no route|alpn|application protocol`)
)

// withCertificate returns a CertificateError for an error that says that certificates are the cause.
func withCertificate(target string, err error) error {
	found, ok := status.FromError(err)
	if err == nil || stderrors.Is(err, io.EOF) || !ok || found.Code() != codes.Unavailable ||
		!aboutTLS.MatchString(found.Message()) || aboutOutage.MatchString(found.Message()) {
		return err
	}
	if _, stated := errors.From(err); stated {
		return err
	}
	return &CertificateError{target, found.Message(), err}
}

// outcomeUnknown reports whether an error leaves open what the server did.
func outcomeUnknown(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.Canceled, codes.Internal, codes.Unknown, codes.DeadlineExceeded:
		certificate := (*CertificateError)(nil)
		return !stderrors.As(err, &certificate)
	}
	return false
}

// retryable reports whether a call may succeed if it is made again.
func retryable(err error) bool {
	_, asked := retryDelay(err)
	return asked || outcomeUnknown(err)
}

// retryDelay returns the delay in the RetryInfo of an error.
func retryDelay(err error) (time.Duration, bool) {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration(), true
		}
	}
	return 0, false
}
