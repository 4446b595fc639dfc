package client

import (
	"context"
	"iter"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// PageRequest is the request of a list.
type PageRequest interface {
	proto.Message
	GetPageToken() string
}

// Page is the response of a list.
type Page interface {
	proto.Message
	GetNextPageToken() string
}

// Pages returns the items of a list, from the page of the request to the last one.
//
//	for trade, err := range client.Pages(ctx, market.ListTrades, request, (*servicesv1.ListTradesResponse).GetTrades) {
//
// A page is fetched when the loop needs it. The last pair has the error if one occurred: that of the call, or a
// *ProtocolError if the server returns the token that it was sent.
func Pages[Q PageRequest, R Page, T any](
	ctx context.Context, list func(context.Context, Q, ...grpc.CallOption) (R, error), request Q, items func(R) []T,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for token := request.GetPageToken(); ; {
			page, err := list(ctx, withField(request, "page_token", token))
			if err != nil {
				yield(none, err)
				return
			}
			for _, item := range items(page) {
				if !yield(item, nil) {
					return
				}
			}
			next := page.GetNextPageToken()
			if next == "" {
				return
			}
			if next == token {
				method := strings.TrimSuffix(string(request.ProtoReflect().Descriptor().Name()), "Request")
				yield(none, &ProtocolError{method, "the next page has the token of this one"})
				return
			}
			token = next
		}
	}
}

// withField returns a copy of a request with the string field of that name set to text.
func withField[Q proto.Message](request Q, name protoreflect.Name, text string) Q {
	copied := proto.CloneOf(request)
	message := copied.ProtoReflect()
	message.Set(message.Descriptor().Fields().ByName(name), protoreflect.ValueOfString(text))
	return copied
}
