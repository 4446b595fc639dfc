// Package cqc has helpers for Crypto Quant Contracts, the shared Protocol Buffers for crypto trading services.
//
// Each domain and version is a package, such as github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1.
package cqc

import (
	_ "embed"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

//go:embed descriptor_set.binpb
var descriptorSet []byte

// DescriptorSet returns the descriptors of all contracts and their imports, including source comments.
//
// Files are in dependency order. Each call returns a new message, which the caller may modify. The .proto files are in
// the module's proto folder.
func DescriptorSet() *descriptorpb.FileDescriptorSet {
	set := new(descriptorpb.FileDescriptorSet)
	// Extensions of the options are decoded if their types are linked into the program, and kept as unknown fields if not.
	if err := proto.Unmarshal(descriptorSet, set); err != nil {
		panic("cqc: the embedded descriptor set is corrupt: " + err.Error())
	}
	return set
}
