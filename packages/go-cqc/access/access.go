// Package access states who may call: the scope of each method, and server interceptors that enforce scopes and
// accounts.
//
//	verify := func(ctx context.Context, token string) (*access.Principal, error) { ... }
//	options := append(access.ServerOptions(verify), interceptors.ServerOptions()...)
//	server := grpc.NewServer(append(options, grpc.Creds(tls))...)
//
// A call has its token in the metadata, as "authorization: Bearer <token>", and travels over TLS. The interceptors check
// the token, the scope of the method, and every field named account_id, account_ids, from_account_id or to_account_id,
// at any depth, against the accounts of the principal. What depends on a record, such as the owner of a portfolio, the
// service checks itself: in a handler, FromContext returns the caller.
package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	"github.com/Combine-Capital/cqc/packages/go-cqc/internal/methods"
	optionsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/options/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

// Principal is the authenticated caller.
type Principal struct {
	// Subject is the holder of the credential. A renewed token has the same subject.
	Subject string
	// Scopes are the scopes that were granted, such as "orders.write".
	Scopes []string
	// Accounts are the ids of the accounts that the caller may name.
	Accounts []string
}

// Verifier returns the principal of a token, and nil if the token is unknown, expired or revoked. An error means that it
// cannot tell, and fails the call as it is.
type Verifier func(ctx context.Context, token string) (*Principal, error)

type key struct{}

// FromContext returns the caller of the RPC that is being handled, and nil outside a handler.
func FromContext(ctx context.Context) *Principal {
	caller, _ := ctx.Value(key{}).(*Principal)
	return caller
}

// ScopeOf returns the scope that a method needs, such as "market.read" for "/cqc.services.v1.MarketData/GetPrice".
//
// The leading slash may be left out, and a dot may replace the slash before the method. It returns an empty string for a
// method that is not linked in or has no scope, such as those of other packages.
func ScopeOf(method string) string {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return ""
	}
	described, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return ""
	}
	return proto.GetExtension(described.Options(), optionsv1.E_Scope).(string)
}

// ServerOptions returns the options for a server that rejects calls that their principal may not make. Methods of other
// packages, which have no scope, are not checked.
func ServerOptions(verify Verifier) []grpc.ServerOption {
	unary := func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, caller, err := admit(ctx, verify, info.FullMethod)
		if err == nil && caller != nil {
			err = checkAccounts(request, caller)
		}
		if err != nil {
			return nil, err
		}
		return handler(ctx, request)
	}
	stream := func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		ctx, caller, err := admit(stream.Context(), verify, info.FullMethod)
		if err != nil {
			return err
		}
		if caller == nil {
			return handler(server, stream)
		}
		return handler(server, checkedStream{stream, ctx, caller})
	}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(unary), grpc.ChainStreamInterceptor(stream)}
}

// admit returns the principal of a call, and a context with it. The principal is nil if the method has no scope.
func admit(ctx context.Context, verify Verifier, method string) (context.Context, *Principal, error) {
	scope := ScopeOf(method)
	if scope == "" {
		_, err := methods.Find(method)
		return ctx, nil, err
	}
	words := strings.Fields(strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), " "))
	if len(words) != 2 || !strings.EqualFold(words[0], "bearer") {
		return nil, nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_CREDENTIALS_MISSING,
			"the call carries no bearer token")
	}
	caller, err := verify(ctx, words[1])
	if err != nil {
		return nil, nil, err
	}
	if caller == nil {
		return nil, nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_CREDENTIALS_INVALID,
			"the token is unknown, expired or revoked")
	}
	if !slices.Contains(caller.Scopes, scope) {
		return nil, nil, errors.New(servicesv1.ErrorReason_ERROR_REASON_SCOPE_MISSING,
			"the method needs the scope "+scope, "scope", scope)
	}
	return context.WithValue(ctx, key{}, caller), caller, nil
}

type checkedStream struct {
	grpc.ServerStream
	ctx    context.Context
	caller *Principal
}

func (s checkedStream) Context() context.Context { return s.ctx }

func (s checkedStream) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	return checkAccounts(message, s.caller)
}

// checkAccounts returns an error for the first account in a request that the principal does not have.
func checkAccounts(message any, caller *Principal) error {
	request, ok := message.(proto.Message)
	if !ok {
		return nil
	}
	for _, account := range accounts(request.ProtoReflect(), nil) {
		if !slices.Contains(caller.Accounts, account) {
			return errors.New(servicesv1.ErrorReason_ERROR_REASON_ACCOUNT_NOT_ALLOWED,
				fmt.Sprintf("%s is not an account of the caller", account), "account_id", account)
		}
	}
	return nil
}

// accounts appends every account that a message names, at any depth.
func accounts(message protoreflect.Message, found []string) []string {
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, item protoreflect.Value) bool {
					found = accounts(item.Message(), found)
					return true
				})
			}
		case field.IsList():
			for i := range value.List().Len() {
				found = inValue(field, value.List().Get(i), found)
			}
		default:
			found = inValue(field, value, found)
		}
		return true
	})
	return found
}

func inValue(field protoreflect.FieldDescriptor, value protoreflect.Value, found []string) []string {
	if field.Message() != nil {
		return accounts(value.Message(), found)
	}
	switch field.Name() {
	case "account_id", "account_ids", "from_account_id", "to_account_id":
		return append(found, value.String())
	}
	return found
}
