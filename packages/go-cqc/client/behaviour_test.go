//go:build go1.25

package client_test

import (
	"cmp"
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

// behaviour is a case of testdata/client_behaviour.json, which every language runs.
type behaviour struct {
	Name      string
	Call      string
	Method    string
	Request   json.RawMessage
	TimeoutMS int64 `json:"timeout_ms"`
	Take      int
	HandleMS  int64 `json:"handle_ms"`
	CancelMS  int64 `json:"cancel_ms"`
	Items     protoreflect.Name
	Show      string
	Attempts  [][]step
	Expect    []string
}

// step is what the server does at a time after the start of an attempt.
type step struct {
	At     int64
	Send   json.RawMessage
	End    bool
	Status *struct {
		Code, Message, Reason string
		Domain                string
		Metadata              map[string]string
		RetryDelayMS          *int64 `json:"retry_delay_ms"`
		Violations            []struct {
			Field, Message string
			RuleID         string `json:"rule_id"`
		}
	}
}

// TestBehaviour runs a real server and client in memory and in virtual time.
func TestBehaviour(t *testing.T) {
	content, err := os.ReadFile("../testdata/client_behaviour.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []behaviour
	if err := json.Unmarshal(content, &cases); err != nil {
		t.Fatal(err)
	}
	for _, one := range cases {
		t.Run(one.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := (&play{behaviour: one, start: time.Now()}).run(t)
				if !slices.Equal(got, one.Expect) {
					t.Errorf("got:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(one.Expect, "\n\t"))
				}
			})
		})
	}
}

// play is a run of a case.
type play struct {
	behaviour
	start time.Time

	mutex    sync.Mutex
	lines    []string
	attempts int
	// requestID is the one that the client filled.
	requestID string
}

func (p *play) log(format string, values ...any) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.lines = append(p.lines, fmt.Sprintf("%d "+format, append([]any{time.Since(p.start).Milliseconds()}, values...)...))
}

func (p *play) run(t *testing.T) []string {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.UnknownServiceHandler(p.serve))
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	conn, err := client.Connect(client.Options{
		Target: "passthrough:memory", Token: client.StaticToken(""), Plaintext: true,
		DialOptions: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				return listener.DialContext(ctx)
			}),
			// The times of gRPC's own retries are random.
			grpc.WithDisableRetry(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if p.CancelMS > 0 {
		defer time.AfterFunc(time.Duration(p.CancelMS)*time.Millisecond, cancel).Stop()
	}
	limited := ctx
	if p.TimeoutMS > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, time.Duration(p.TimeoutMS)*time.Millisecond)
		defer cancel()
	}
	if err = p.call(limited, conn); ctx.Err() != nil {
		p.log("cancelled")
	} else if err != nil {
		p.log("error %s", failure(err))
	}
	return p.lines
}

// call makes the call of the case and logs what it returns.
func (p *play) call(ctx context.Context, conn *grpc.ClientConn) error {
	method := p.method(p.Method)
	request := p.message(method.Input(), p.Request)
	options := client.FollowOptions{OnLost: func(lost client.Lost) {
		p.log("lost %s %d", lost.Cause, lost.Delay.Milliseconds())
	}}
	switch p.Call {
	case "unary":
		response := p.message(method.Output(), nil)
		if err := conn.Invoke(ctx, "/"+p.Method, request, response); err != nil {
			return err
		}
		p.log("result %s", shown(response, p.Show))
	case "place_order":
		gateway := servicesv1.NewVenueGatewayClient(conn)
		order, err := client.PlaceOrder(ctx, gateway, request.(*servicesv1.PlaceOrderRequest))
		if err != nil {
			return err
		}
		p.log("result %s", shown(order, p.Show))
	case "pages":
		return p.pages(ctx, conn, request)
	case "follow_book":
		taken := 0
		for update, err := range client.FollowBook(ctx, servicesv1.NewMarketDataClient(conn).StreamOrderBook,
			request.(*servicesv1.StreamOrderBookRequest), options) {
			if err != nil {
				return err
			}
			if p.log("book %s", book(update)); p.enough(&taken) {
				break
			}
		}
		p.log("done")
	case "follow":
		return p.follow(ctx, conn, request, options)
	}
	return nil
}

// enough handles an item and reports whether it was the last one to take.
func (p *play) enough(taken *int) bool {
	*taken++
	if p.Take > 0 && *taken == p.Take {
		return true
	}
	// A loop without an end has virtual time without an end.
	if *taken > 1000 {
		panic("no case has a thousand items")
	}
	time.Sleep(time.Duration(p.HandleMS) * time.Millisecond)
	return false
}

// serve does what the case says for the next attempt, whatever the method.
func (p *play) serve(_ any, stream grpc.ServerStream) error {
	name, _ := grpc.MethodFromServerStream(stream)
	method := p.method(strings.TrimPrefix(name, "/"))
	request := p.message(method.Input(), nil)
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	p.log("call %s", p.describe(stream.Context(), name, request))
	p.mutex.Lock()
	p.attempts++
	attempt := p.attempts
	p.mutex.Unlock()
	if attempt > len(p.Attempts) {
		return status.Error(codes.Unavailable, "the case has no further attempt")
	}
	opened := time.Now()
	for _, step := range p.Attempts[attempt-1] {
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-time.After(time.Duration(step.At)*time.Millisecond - time.Since(opened)):
		}
		switch {
		case step.End:
			return nil
		case step.Status != nil:
			return step.error()
		}
		if err := stream.SendMsg(p.message(method.Output(), step.Send)); err != nil {
			return err
		}
		if !method.IsStreamingServer() {
			return nil
		}
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

// describe returns the line of a call as the server sees it.
func (p *play) describe(ctx context.Context, name string, request proto.Message) string {
	parts := strings.Split(strings.TrimPrefix(name, "/"), ".")
	line := parts[len(parts)-1]
	fields := request.ProtoReflect().Descriptor().Fields()
	text := func(name protoreflect.Name) string {
		return request.ProtoReflect().Get(fields.ByName(name)).String()
	}
	switch p.Call {
	case "follow", "follow_book":
		line += " token=" + text("resume_token")
	case "pages":
		line += " token=" + text("page_token")
	default:
		deadline, _ := ctx.Deadline()
		line += fmt.Sprintf(" deadline=%d", time.Until(deadline).Milliseconds())
	}
	if fields.ByName("request_id") != nil {
		var given struct {
			RequestID string `json:"request_id"`
		}
		_ = json.Unmarshal(p.Request, &given)
		switch id := text("request_id"); {
		case id == given.RequestID:
			line += " request_id=given"
		case p.requestID != "" && id != p.requestID:
			line += " request_id=other"
		case id == p.requestID:
			line += " request_id=same"
		default:
			line += " request_id=new"
			p.requestID = id
		}
	}
	if p.Call != "place_order" {
		return line
	}
	if sent, ok := request.(interface{ GetSendBefore() *timestamppb.Timestamp }); ok {
		line += fmt.Sprintf(" send_before=%d", sent.GetSendBefore().AsTime().Sub(p.start).Milliseconds())
	}
	type ids interface {
		GetAccountId() string
		GetClientOrderId() string
	}
	var key ids
	switch request := request.(type) {
	case *servicesv1.PlaceOrderRequest:
		key = request.GetOrder()
	case *servicesv1.GetOrderRequest:
		key = request.GetKey()
	default:
		return line
	}
	return line + fmt.Sprintf(" account_id=%s client_order_id=%s", key.GetAccountId(), key.GetClientOrderId())
}

func (s step) error() error {
	var details []protoadapt.MessageV1
	if s.Status.Reason != "" {
		details = append(details, &errdetails.ErrorInfo{
			Domain: cmp.Or(s.Status.Domain, errors.Domain), Reason: s.Status.Reason, Metadata: s.Status.Metadata,
		})
	}
	if len(s.Status.Violations) > 0 {
		request := &errdetails.BadRequest{}
		for _, violation := range s.Status.Violations {
			request.FieldViolations = append(request.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: violation.Field, Reason: violation.RuleID, Description: violation.Message,
			})
		}
		details = append(details, request)
	}
	if delay := s.Status.RetryDelayMS; delay != nil {
		wait := durationpb.New(time.Duration(*delay) * time.Millisecond)
		details = append(details, &errdetails.RetryInfo{RetryDelay: wait})
	}
	found, err := status.New(codes.Code(code.Code_value[s.Status.Code]), s.Status.Message).WithDetails(details...)
	if err != nil {
		return err
	}
	return found.Err()
}

// failure returns an error as the cases write it.
func failure(err error) string {
	var protocol *client.ProtocolError
	var unknown *client.OutcomeUnknownError
	var certificate *client.CertificateError
	switch {
	case stderrors.As(err, &protocol):
		return "ProtocolError"
	case stderrors.As(err, &unknown):
		return "OutcomeUnknownError " + code.Code(status.Code(unknown.Cause)).String()
	case stderrors.As(err, &certificate):
		return "CertificateError"
	}
	line := code.Code(status.Code(err)).String()
	service, ok := errors.From(err)
	if !ok {
		return line + " -"
	}
	line += " " + strings.TrimPrefix(service.Reason.String(), "ERROR_REASON_")
	if service.RetryDelay != nil {
		line += fmt.Sprintf(" retry=%d", service.RetryDelay.Milliseconds())
	}
	for _, key := range slices.Sorted(maps.Keys(service.Metadata)) {
		line += fmt.Sprintf(" %s=%s", key, service.Metadata[key])
	}
	for _, violation := range service.Violations {
		line += fmt.Sprintf(" violation=%s:%s", violation.Field, violation.RuleID)
	}
	return line
}

func book(update client.BookUpdate) string {
	line := string(update.State) + " " + cmp.Or(update.Reason, "-")
	if update.Book == nil {
		return line + " absent"
	}
	for _, side := range [][]*marketsv1.BookLevel{update.Book.Bids(), update.Book.Asks()} {
		if len(side) == 0 {
			line += " -"
			continue
		}
		line += fmt.Sprintf(" %s@%s", side[0].GetPrice(), side[0].GetQuantity())
	}
	return line
}

// pages lists by reflection, because a case may name any list.
func (p *play) pages(ctx context.Context, conn *grpc.ClientConn, request proto.Message) error {
	list := func(ctx context.Context, request client.PageRequest, _ ...grpc.CallOption) (client.Page, error) {
		response := p.message(p.method(p.Method).Output(), nil)
		return response.(client.Page), conn.Invoke(ctx, "/"+p.Method, request, response)
	}
	items := func(page client.Page) (found []protoreflect.Message) {
		list := page.ProtoReflect().Get(page.ProtoReflect().Descriptor().Fields().ByName(p.Items)).List()
		for i := range list.Len() {
			found = append(found, list.Get(i).Message())
		}
		return found
	}
	taken := 0
	for item, err := range client.Pages(ctx, list, request.(client.PageRequest), items) {
		if err != nil {
			return err
		}
		if p.log("item %s", shown(item.Interface(), p.Show)); p.enough(&taken) {
			break
		}
	}
	p.log("done")
	return nil
}

func (p *play) follow(
	ctx context.Context, conn *grpc.ClientConn, request proto.Message, options client.FollowOptions,
) error {
	market, gateway := servicesv1.NewMarketDataClient(conn), servicesv1.NewVenueGatewayClient(conn)
	switch request := request.(type) {
	case *servicesv1.StreamEventsRequest:
		return follow(ctx, p, servicesv1.NewEventLogClient(conn).StreamEvents, request, options)
	case *servicesv1.StreamTradesRequest:
		return follow(ctx, p, market.StreamTrades, request, options)
	case *servicesv1.StreamPricesRequest:
		return follow(ctx, p, market.StreamPrices, request, options)
	case *servicesv1.StreamTickersRequest:
		return follow(ctx, p, market.StreamTickers, request, options)
	case *servicesv1.StreamBalancesRequest:
		return follow(ctx, p, gateway.StreamBalances, request, options)
	case *servicesv1.StreamExecutionReportsRequest:
		return follow(ctx, p, gateway.StreamExecutionReports, request, options)
	}
	return fmt.Errorf("add %T to the streams that a case may follow", request)
}

func follow[Q client.StreamRequest, M any, P client.StreamMessage[M]](
	ctx context.Context, p *play,
	open func(context.Context, Q, ...grpc.CallOption) (grpc.ServerStreamingClient[M], error),
	request Q, options client.FollowOptions,
) error {
	taken := 0
	for item, err := range client.Follow[Q, M, P](ctx, open, request, options) {
		if err != nil {
			return err
		}
		message := P(item).ProtoReflect()
		event := message.WhichOneof(message.Descriptor().Oneofs().ByName("event"))
		if p.log("item %s", event.Name()); p.enough(&taken) {
			break
		}
	}
	p.log("done")
	return nil
}

// method returns a method, such as "cqc.services.v1.MarketData/GetPrice".
func (p *play) method(name string) protoreflect.MethodDescriptor {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(
		protoreflect.FullName(strings.Replace(name, "/", ".", 1)))
	if err != nil {
		panic(err)
	}
	return found.(protoreflect.MethodDescriptor)
}

// message returns a message with the content of JSON, which may be absent.
func (p *play) message(described protoreflect.MessageDescriptor, content []byte) proto.Message {
	found, err := protoregistry.GlobalTypes.FindMessageByName(described.FullName())
	if err != nil {
		panic(err)
	}
	message := found.New().Interface()
	if content != nil {
		if err := protojson.Unmarshal(content, message); err != nil {
			panic(err)
		}
	}
	return message
}

// shown returns the field at a path, such as "portfolio.portfolio_id".
func shown(message proto.Message, path string) string {
	value := protoreflect.ValueOfMessage(message.ProtoReflect())
	for name := range strings.SplitSeq(path, ".") {
		message := value.Message()
		field := message.Descriptor().Fields().ByName(protoreflect.Name(name))
		if !message.Has(field) {
			return "-"
		}
		value = message.Get(field)
	}
	return value.String()
}
