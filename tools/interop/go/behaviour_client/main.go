//go:build cqc_code

// The scripted client of the behaviour tests in Go: `behaviour_client <target> <file of cases>`. For each case it loads
// the case's script into the server, calls it through package client, and prints what came of it as one line of JSON.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	stderrors "errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

// limit is longer than any case takes.
const limit = time.Minute

type behaviour struct {
	Name      string            `json:"name"`
	Call      string            `json:"call"`
	Method    string            `json:"method"`
	Request   json.RawMessage   `json:"request"`
	TimeoutMS int               `json:"timeout_ms"`
	Take      int               `json:"take"`
	Items     protoreflect.Name `json:"items"`
	Show      string            `json:"show"`
	Load      *bool             `json:"load"`
	Attempts  json.RawMessage   `json:"attempts"`
}

type result struct {
	Name  string          `json:"name"`
	Lines []string        `json:"lines"`
	Log   json.RawMessage `json:"log"`
}

type (
	eventLog   = servicesv1.EventLogClient
	marketData = servicesv1.MarketDataClient
	gateway    = servicesv1.VenueGatewayClient
)

// streams follow the streams that a case may name.
var streams = map[string]func(*play, context.Context, *grpc.ClientConn, proto.Message) error{
	servicesv1.EventLog_StreamEvents_FullMethodName:       follows(servicesv1.NewEventLogClient, eventLog.StreamEvents),
	servicesv1.MarketData_StreamOrderBook_FullMethodName:  follows(servicesv1.NewMarketDataClient, marketData.StreamOrderBook),
	servicesv1.MarketData_StreamPrices_FullMethodName:     follows(servicesv1.NewMarketDataClient, marketData.StreamPrices),
	servicesv1.MarketData_StreamTickers_FullMethodName:    follows(servicesv1.NewMarketDataClient, marketData.StreamTickers),
	servicesv1.MarketData_StreamTrades_FullMethodName:     follows(servicesv1.NewMarketDataClient, marketData.StreamTrades),
	servicesv1.VenueGateway_StreamBalances_FullMethodName: follows(servicesv1.NewVenueGatewayClient, gateway.StreamBalances),
	servicesv1.VenueGateway_StreamExecutionReports_FullMethodName: follows(
		servicesv1.NewVenueGatewayClient, gateway.StreamExecutionReports),
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: behaviour_client <target> <file of cases>")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(target, path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var cases []behaviour
	if err := json.Unmarshal(content, &cases); err != nil {
		return err
	}
	steering, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer steering.Close()
	conn, err := client.Connect(client.Options{Target: target, Plaintext: true, Token: client.StaticToken("")})
	if err != nil {
		return err
	}
	defer conn.Close()
	written := json.NewEncoder(os.Stdout)
	written.SetEscapeHTML(false)
	for _, one := range cases {
		found, err := one.run(steering, conn)
		if err != nil {
			return fmt.Errorf("%s: %w", one.Name, err)
		}
		if err := written.Encode(found); err != nil {
			return err
		}
	}
	return nil
}

func (b behaviour) run(steering, conn *grpc.ClientConn) (result, error) {
	found := result{Name: b.Name, Log: json.RawMessage("[]")}
	loads := b.Load == nil || *b.Load
	if loads {
		if _, err := steer(steering, "Load", string(b.Attempts)); err != nil {
			return result{}, err
		}
	}
	// A context with a deadline would reach the server, and a follower would take it for the consumer's own.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer time.AfterFunc(limit, cancel).Stop()
	played := &play{behaviour: b}
	if err := played.call(ctx, conn); err != nil {
		played.note("error %s", failure(err))
	}
	if ctx.Err() != nil {
		return result{}, fmt.Errorf("no result after %s, only %q", limit, played.lines)
	}
	found.Lines = played.lines
	if loads {
		log, err := steer(steering, "Log", "")
		if err != nil {
			return result{}, err
		}
		found.Log = json.RawMessage(log)
	}
	return found, nil
}

// steer calls the script of the server.
func steer(conn *grpc.ClientConn, method, value string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	answer := new(wrapperspb.StringValue)
	err := conn.Invoke(ctx, "/cqc.testing.Script/"+method, wrapperspb.String(value), answer, grpc.WaitForReady(true))
	return answer.GetValue(), err
}

// play is a run of a case.
type play struct {
	behaviour
	lines []string
	taken int
}

func (p *play) note(format string, values ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, values...))
}

// enough reports whether an item was the last one to take.
func (p *play) enough() bool {
	p.taken++
	return p.taken == p.Take
}

func (p *play) options() client.FollowOptions {
	return client.FollowOptions{OnLost: func(lost client.Lost) { p.note("lost %s", lost.Cause) }}
}

// call makes the call of the case and notes what it returns.
func (p *play) call(ctx context.Context, conn *grpc.ClientConn) error {
	method, err := methodOf(p.Method)
	if err != nil {
		return err
	}
	request, err := newMessage(method.Input(), p.Request)
	if err != nil {
		return err
	}
	if p.TimeoutMS > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(p.TimeoutMS)*time.Millisecond)
		defer cancel()
		ctx = limited
	}
	switch p.Call {
	case "unary":
		response, err := newMessage(method.Output(), nil)
		if err != nil {
			return err
		}
		if err := conn.Invoke(ctx, "/"+p.Method, request, response); err != nil {
			return err
		}
		p.note("result %s", shown(response, p.Show))
		return nil
	case "place_order":
		gateway := servicesv1.NewVenueGatewayClient(conn)
		order, err := client.PlaceOrder(ctx, gateway, request.(*servicesv1.PlaceOrderRequest))
		if err != nil {
			return err
		}
		p.note("result %s", shown(order, p.Show))
		return nil
	case "pages":
		return p.pages(ctx, conn, method, request.(client.PageRequest))
	case "follow_book":
		open := servicesv1.NewMarketDataClient(conn).StreamOrderBook
		asked := request.(*servicesv1.StreamOrderBookRequest)
		for update, err := range client.FollowBook(ctx, open, asked, p.options()) {
			if err != nil {
				return err
			}
			if p.note("book %s", bookOf(update)); p.enough() {
				break
			}
		}
		p.note("done")
		return nil
	case "follow":
		if follow, ok := streams["/"+p.Method]; ok {
			return follow(p, ctx, conn, request)
		}
		return fmt.Errorf("add %s to the streams of the scripted client in Go", p.Method)
	}
	return fmt.Errorf("%q is no call", p.Call)
}

// pages lists by reflection, because a case may name any list.
func (p *play) pages(
	ctx context.Context, conn *grpc.ClientConn, method protoreflect.MethodDescriptor, request client.PageRequest,
) error {
	list := func(ctx context.Context, request client.PageRequest, options ...grpc.CallOption) (client.Page, error) {
		response, err := newMessage(method.Output(), nil)
		if err != nil {
			return nil, err
		}
		return response.(client.Page), conn.Invoke(ctx, "/"+p.Method, request, response, options...)
	}
	field := method.Output().Fields().ByName(p.Items)
	items := func(page client.Page) (found []proto.Message) {
		listed := page.ProtoReflect().Get(field).List()
		for i := range listed.Len() {
			found = append(found, listed.Get(i).Message().Interface())
		}
		return found
	}
	for item, err := range client.Pages(ctx, list, request, items) {
		if err != nil {
			return err
		}
		if p.note("item %s", shown(item, p.Show)); p.enough() {
			break
		}
	}
	p.note("done")
	return nil
}

func follows[C any, Q client.StreamRequest, M any, P client.StreamMessage[M]](
	connect func(grpc.ClientConnInterface) C,
	open func(C, context.Context, Q, ...grpc.CallOption) (grpc.ServerStreamingClient[M], error),
) func(*play, context.Context, *grpc.ClientConn, proto.Message) error {
	return func(p *play, ctx context.Context, conn *grpc.ClientConn, request proto.Message) error {
		service := connect(conn)
		opened := func(ctx context.Context, request Q, options ...grpc.CallOption) (grpc.ServerStreamingClient[M], error) {
			return open(service, ctx, request, options...)
		}
		for item, err := range client.Follow[Q, M, P](ctx, opened, request.(Q), p.options()) {
			if err != nil {
				return err
			}
			message := P(item).ProtoReflect()
			if p.note("item %s", message.WhichOneof(message.Descriptor().Oneofs().ByName("event")).Name()); p.enough() {
				break
			}
		}
		p.note("done")
		return nil
	}
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
		return "OutcomeUnknownError " + codeOf(unknown.Cause)
	case stderrors.As(err, &certificate):
		return "CertificateError"
	}
	service, ok := errors.From(err)
	if !ok {
		return codeOf(err) + " -"
	}
	words := []string{codeOf(err), strings.TrimPrefix(service.Reason.String(), "ERROR_REASON_")}
	if service.RetryDelay != nil {
		words = append(words, fmt.Sprintf("retry=%d", service.RetryDelay.Milliseconds()))
	}
	for _, key := range slices.Sorted(maps.Keys(service.Metadata)) {
		words = append(words, key+"="+service.Metadata[key])
	}
	for _, violation := range service.Violations {
		words = append(words, fmt.Sprintf("violation=%s:%s", violation.Field, violation.RuleID))
	}
	return strings.Join(words, " ")
}

// codeOf returns a code's name in the spelling of google.rpc.Code.
func codeOf(err error) string { return code.Code(status.Code(err)).String() }

func bookOf(update client.BookUpdate) string {
	words := []string{string(update.State), cmp.Or(update.Reason, "-")}
	if update.Book == nil {
		return strings.Join(append(words, "absent"), " ")
	}
	for _, side := range [][]*marketsv1.BookLevel{update.Book.Bids(), update.Book.Asks()} {
		if len(side) == 0 {
			words = append(words, "-")
			continue
		}
		words = append(words, side[0].GetPrice()+"@"+side[0].GetQuantity())
	}
	return strings.Join(words, " ")
}

// methodOf returns a method, such as "cqc.services.v1.MarketData/GetPrice".
func methodOf(name string) (protoreflect.MethodDescriptor, error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(
		protoreflect.FullName(strings.Replace(name, "/", ".", 1)))
	if err != nil {
		return nil, err
	}
	method, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is not a method", name)
	}
	return method, nil
}

// newMessage returns a message with the content of JSON, which may be absent.
func newMessage(described protoreflect.MessageDescriptor, content []byte) (proto.Message, error) {
	found, err := protoregistry.GlobalTypes.FindMessageByName(described.FullName())
	if err != nil {
		return nil, err
	}
	message := found.New().Interface()
	if content == nil {
		return message, nil
	}
	return message, protojson.Unmarshal(content, message)
}

// shown returns the text of the field at a path such as "order.order_id".
func shown(message proto.Message, path string) string {
	value := protoreflect.ValueOfMessage(message.ProtoReflect())
	for name := range strings.SplitSeq(path, ".") {
		value = value.Message().Get(value.Message().Descriptor().Fields().ByName(protoreflect.Name(name)))
	}
	return cmp.Or(value.String(), "-")
}
