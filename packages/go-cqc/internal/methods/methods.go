// Package methods tells the methods of the contracts from those of other packages.
package methods

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const (
	modulePath  = "github.com/Combine-Capital/cqc/packages/go-cqc"
	rootPackage = "cqc."
)

// Find returns the method of a path such as "/cqc.services.v1.MarketData/GetPrice", and nil if it belongs to another
// package, such as those of health checks and reflection.
//
// It returns an error with code INTERNAL if the method is one of the contracts but not linked into the program: what its
// options and rules demand is then unknown, and a call that nobody checked must not look like a checked one.
func Find(path string) (protoreflect.MethodDescriptor, error) {
	name := strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ".")
	relative, ours := strings.CutPrefix(name, rootPackage)
	if !ours {
		return nil, nil
	}
	found, _ := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if method, ok := found.(protoreflect.MethodDescriptor); ok {
		return method, nil
	}
	words := strings.Split(relative, ".")
	problem := fmt.Sprintf("%s is not linked into this program, so its calls cannot be checked", path)
	if len(words) < 4 {
		return nil, status.Error(codes.Internal, problem)
	}
	return nil, status.Errorf(codes.Internal, "%s: import _ %q, or a newer version of the module",
		problem, strings.Join([]string{modulePath, words[0], words[1]}, "/"))
}
