package client

import (
	"encoding/json"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

// resolvedByClient are the methods that move money at a venue and whose outcome PlaceOrder finds out before it sends
// again.
var resolvedByClient = []string{
	servicesv1.VenueGateway_PlaceOrder_FullMethodName, servicesv1.VenueGateway_PlaceOrders_FullMethodName,
}

// ServiceConfig returns the gRPC service config that Connect uses, as JSON: unary methods that can be repeated are
// called again, up to four times in all, if the server is unavailable. It covers every service that the program links.
func ServiceConfig() string {
	names := []map[string]string{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for j := range methods.Len() {
				if method := methods.Get(j); repeatable(method) {
					service := string(method.Parent().FullName())
					names = append(names, map[string]string{"service": service, "method": string(method.Name())})
				}
			}
		}
		return true
	})
	slices.SortFunc(names, func(one, other map[string]string) int {
		return strings.Compare(one["service"]+"/"+one["method"], other["service"]+"/"+other["method"])
	})
	config, err := json.Marshal(map[string]any{
		"methodConfig": []any{map[string]any{
			"name": names,
			"retryPolicy": map[string]any{
				"maxAttempts":          4,
				"initialBackoff":       "0.1s",
				"maxBackoff":           "2s",
				"backoffMultiplier":    2,
				"retryableStatusCodes": []string{"UNAVAILABLE"},
			},
		}},
		"retryThrottling": map[string]any{"maxTokens": 100, "tokenRatio": 0.1},
	})
	if err != nil {
		panic(err) // Maps and lists of text and numbers always have a JSON form.
	}
	return string(config)
}

// repeatable reports whether a call has the same effect when it is made again with the same request.
func repeatable(method protoreflect.MethodDescriptor) bool {
	if method.IsStreamingClient() || method.IsStreamingServer() || slices.Contains(resolvedByClient, fullName(method)) {
		return false
	}
	options, _ := method.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN ||
		requestID(method.Input()) != nil
}

// requestID returns the field that makes a request repeatable, and nil if it has none.
func requestID(request protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	field := request.Fields().ByName("request_id")
	if field == nil || field.Kind() != protoreflect.StringKind || field.IsList() {
		return nil
	}
	return field
}

// fullName returns the name of a method as gRPC writes it.
func fullName(method protoreflect.MethodDescriptor) string {
	return "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
}
