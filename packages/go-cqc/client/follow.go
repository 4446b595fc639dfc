package client

import (
	"cmp"
	"context"
	stderrors "errors"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

// StreamRequest is the request of a stream that can be resumed.
type StreamRequest interface {
	proto.Message
	GetResumeToken() string
	GetHeartbeatInterval() *durationpb.Duration
}

// StreamMessage is a pointer to M, a message of a stream that can be resumed.
type StreamMessage[M any] interface {
	*M
	proto.Message
	GetResumeToken() string
	GetHeartbeat() *servicesv1.Heartbeat
}

// FollowOptions are the options of Follow and FollowBook.
type FollowOptions struct {
	// OnLost is called when the connection is lost, before the wait for the next attempt. It may be nil.
	OnLost func(Lost)
}

// Lost is the end of an attempt to follow a stream.
type Lost struct {
	// Cause is "SILENCE", "END", or the name of a gRPC code, such as "UNAVAILABLE".
	Cause string
	// Err is the error of the call, nil for SILENCE and END.
	Err error
	// Delay is the time before the next attempt.
	Delay time.Duration
}

// Follow returns the messages of a stream that continues when its connection is lost.
//
//	for message, err := range client.Follow(ctx, market.StreamTrades, request, client.FollowOptions{}) {
//
// It resumes with the last token when the server ends the stream, fails in a way that may pass, or is silent for three
// heartbeat intervals; it waits 100 ms to 2 s, or as long as the server asks, and never gives up. Heartbeats are not
// returned; every other message is, resets and snapshot_complete included.
//
// A message counts as handled when the loop requests the next one, so after a lost connection the last message may come
// again, and none is missing. The last pair has an error if calling again does not help, or if ctx ended. Breaking out of the loop
// ends the call.
func Follow[Q StreamRequest, M any, P StreamMessage[M]](
	ctx context.Context, open func(context.Context, Q, ...grpc.CallOption) (grpc.ServerStreamingClient[M], error),
	request Q, options FollowOptions,
) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		f := &follower[Q, M, P]{ctx: ctx, open: open, request: request, options: options}
		f.lost = func(string, string) error { return nil }
		f.receive = func(message *M) error {
			if P(message).GetHeartbeat() == nil && !yield(message, nil) {
				return errStopped
			}
			return nil
		}
		if err := f.run(); err != nil {
			yield(nil, err)
		}
	}
}

// BookState states whether a book is the market's.
type BookState string

const (
	// BookStateLive: the book is current.
	BookStateLive BookState = "LIVE"
	// BookStateStale: the connection is lost, and the book is the last one known.
	BookStateStale BookState = "STALE"
	// BookStateReset: updates were lost, and there is no book until the next LIVE.
	BookStateReset BookState = "RESET"
)

// BookUpdate is a change to a book, or to what is known of it.
type BookUpdate struct {
	// Book is the book, nil if it is not known. It changes with the next update: keep Book.Book() instead.
	Book  *cqc.BookBuilder
	State BookState
	// Reason states why the book is not LIVE: the cause of Lost, the reason of the server's reset, such as
	// "SLOW_CONSUMER", or the kind of a cqc.BookError, such as "SEQUENCE_GAP". Empty for LIVE.
	Reason string
}

// FollowBook returns the order book of a listing, kept up to date.
//
//	for update, err := range client.FollowBook(ctx, market.StreamOrderBook, request, client.FollowOptions{}) {
//
// The first LIVE update has the whole book, and one follows each change. A book that was STALE is LIVE again as soon as
// the server is heard, a heartbeat included. If a change does not fit the book, FollowBook starts anew, after a delay
// that grows if it happens again before a change fits. Lost connections and errors are as for Follow; a server that
// sends changes before any book is a *ProtocolError.
func FollowBook(
	ctx context.Context,
	open func(context.Context, *servicesv1.StreamOrderBookRequest, ...grpc.CallOption) (
		grpc.ServerStreamingClient[servicesv1.StreamOrderBookResponse], error),
	request *servicesv1.StreamOrderBookRequest, options FollowOptions,
) iter.Seq2[BookUpdate, error] {
	return func(yield func(BookUpdate, error) bool) {
		b := &bookFollower{yield: yield}
		f := &follower[*servicesv1.StreamOrderBookRequest, servicesv1.StreamOrderBookResponse,
			*servicesv1.StreamOrderBookResponse]{ctx: ctx, open: open, request: request, options: options}
		f.receive, f.lost = b.receive, b.lost
		b.trust = func() { f.suspect, f.pause = false, 0 }
		if err := f.run(); err != nil {
			yield(BookUpdate{}, err)
		}
	}
}

type bookFollower struct {
	yield func(BookUpdate, error) bool
	// known is the last complete book, and building the one of the newest snapshot: the same once that is complete, and
	// nil until a stream that starts anew has sent one.
	known, building *cqc.BookBuilder
	live            bool
	// trust tells the follower that the stream is sound again after errRestart.
	trust func()
}

func (b *bookFollower) receive(message *servicesv1.StreamOrderBookResponse) (err error) {
	applied, wasLive := false, b.live && b.building == b.known
	switch event := message.GetEvent().(type) {
	case *servicesv1.StreamOrderBookResponse_Reset_:
		b.known, b.building = nil, nil
		reason := strings.TrimPrefix(event.Reset_.GetReason().String(), "STREAM_RESET_REASON_")
		return b.update(BookStateReset, reason)
	case *servicesv1.StreamOrderBookResponse_Snapshot:
		b.building, err = cqc.NewBookBuilder(event.Snapshot, cqc.VerifyChecksums())
	case *servicesv1.StreamOrderBookResponse_Delta:
		if b.building == nil {
			return &ProtocolError{"StreamOrderBook", "delta came before any snapshot"}
		}
		if applied, err = b.building.Apply(event.Delta); applied && err == nil && wasLive {
			b.trust()
		}
	case *servicesv1.StreamOrderBookResponse_SnapshotComplete:
		if b.building == nil {
			return &ProtocolError{"StreamOrderBook", "snapshot_complete came before any snapshot"}
		}
		b.known, applied = b.building, true
	case *servicesv1.StreamOrderBookResponse_Heartbeat:
		if wasLive {
			b.trust()
		}
	}
	if failure := (*cqc.BookError)(nil); stderrors.As(err, &failure) {
		b.known, b.building = nil, nil
		return cmp.Or(b.update(BookStateReset, strings.ToUpper(string(failure.Kind))), errRestart)
	}
	if b.building == b.known && b.known != nil && (applied || !b.live) {
		return b.update(BookStateLive, "")
	}
	return nil
}

func (b *bookFollower) lost(cause, token string) error {
	if token == "" || b.building != b.known {
		b.building = nil // The server sends the snapshot anew.
	}
	if !b.live {
		return nil
	}
	return b.update(BookStateStale, cause)
}

func (b *bookFollower) update(state BookState, reason string) error {
	b.live = state == BookStateLive
	if !b.yield(BookUpdate{b.known, state, reason}, nil) {
		return errStopped
	}
	return nil
}

const (
	firstPause       = 100 * time.Millisecond
	longestPause     = 2 * time.Second
	defaultHeartbeat = 5 * time.Second
)

// jitter spreads the attempts of many clients. Tests replace it.
var jitter = func() float64 { return 0.8 + 0.4*rand.Float64() }

// pause is the time to wait before the next attempt.
type pause time.Duration

// next returns the delay after an error, which is at least the error's RetryInfo, and doubles the following delay.
func (p *pause) next(err error) time.Duration {
	base := max(time.Duration(*p), firstPause)
	*p = pause(min(2*base, longestPause))
	asked, _ := retryDelay(err)
	return max(time.Duration(float64(base)*jitter()), asked)
}

var (
	errStopped = stderrors.New("the consumer stopped")
	errRestart = stderrors.New("the stream starts anew")
	errSilence = stderrors.New("no message for three heartbeat intervals")
)

// follower is the loop of Follow and FollowBook.
type follower[Q StreamRequest, M any, P StreamMessage[M]] struct {
	ctx     context.Context
	open    func(context.Context, Q, ...grpc.CallOption) (grpc.ServerStreamingClient[M], error)
	request Q
	options FollowOptions
	// receive takes a message and returns errStopped or errRestart to end the attempt, or an error that ends the loop.
	receive func(*M) error
	// lost takes the cause of a lost connection and the token to resume with.
	lost func(cause, token string) error

	token string
	pause pause
	// suspect is set by errRestart. Messages alone then do not shorten the pause: each attempt begins with some.
	suspect bool
}

// run opens the stream until the consumer stops, which returns nil, or until an error cannot be cured by another
// attempt.
func (f *follower[Q, M, P]) run() error {
	for f.token = f.request.GetResumeToken(); ; {
		lost, err := f.attempt()
		switch {
		case stderrors.Is(err, errStopped):
			return nil
		case f.ctx.Err() != nil:
			return status.FromContextError(f.ctx.Err()).Err()
		case stderrors.Is(err, errRestart):
			f.token, f.suspect = "", true
		case err != nil:
			return err
		}
		delay := f.pause.next(lost.Err)
		if lost.Cause != "" {
			lost.Delay = delay
			if f.options.OnLost != nil {
				f.options.OnLost(lost)
			}
			if err := f.lost(lost.Cause, f.token); err != nil {
				return nil
			}
		}
		if !sleep(f.ctx, delay) {
			return status.FromContextError(f.ctx.Err()).Err()
		}
	}
}

// attempt opens the stream and reads it to its end. It returns how the connection was lost, or an error if it was not.
func (f *follower[Q, M, P]) attempt() (Lost, error) {
	ctx, cancel := context.WithCancelCause(f.ctx)
	defer cancel(nil)
	silence := 3 * cmp.Or(f.request.GetHeartbeatInterval().AsDuration(), defaultHeartbeat)
	watchdog := time.AfterFunc(silence, func() { cancel(errSilence) })
	defer watchdog.Stop()
	stream, err := f.open(ctx, withField(f.request, "resume_token", f.token))
	for err == nil {
		var message *M
		if message, err = stream.Recv(); err != nil {
			break
		}
		// A consumer that takes its time is not a server that is silent.
		watchdog.Stop()
		if !f.suspect {
			f.pause = 0
		}
		if err := f.receive(message); err != nil {
			return Lost{}, err
		}
		f.token = P(message).GetResumeToken()
		watchdog.Reset(silence)
	}
	_, limited := f.ctx.Deadline()
	switch {
	case stderrors.Is(context.Cause(ctx), errSilence):
		return Lost{Cause: "SILENCE"}, nil
	case stderrors.Is(err, io.EOF):
		return Lost{Cause: "END"}, nil
	case retryable(err) && !(limited && status.Code(err) == codes.DeadlineExceeded):
		return Lost{Cause: code.Code(status.Code(err)).String(), Err: err}, nil
	default:
		return Lost{}, err
	}
}

// sleep waits, and returns false if the context ends before that.
func sleep(ctx context.Context, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
