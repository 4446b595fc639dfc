// Package cqc is the root of Crypto Quant Contracts, the Protocol Buffers that crypto trading services share.
//
// The contracts are in one package per domain and version, such as
// github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1. This package holds what concerns all of them.
package cqc

import (
	_ "embed"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

//go:embed descriptor_set.binpb
var descriptorSet []byte

// DescriptorSet returns the descriptors of all contracts and of the files they import, with the comments of the
// sources.
//
// The files stand in dependency order. A new message is returned at each call: it may be changed freely. The sources
// themselves are in the module's folder proto.
func DescriptorSet() *descriptorpb.FileDescriptorSet {
	set := new(descriptorpb.FileDescriptorSet)
	// Options are left as they are on the wire; their extensions resolve against the types that the program links in.
	if err := proto.Unmarshal(descriptorSet, set); err != nil {
		panic("cqc: the embedded descriptor set is damaged: " + err.Error())
	}
	return set
}
