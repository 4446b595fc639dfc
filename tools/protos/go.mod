// Pins the module that contains buf/validate/validate.proto; its checksum is in go.sum. It has no Go package, so
// `go mod tidy` would drop the requirement. It is therefore in a module of its own, without code, which is never tidied.
// Keep it on the release that generated go-cqc's buf.build/gen/go/bufbuild/protovalidate.
module github.com/Combine-Capital/cqc/tools/protos

go 1.24.0

require github.com/bufbuild/protovalidate v1.1.0
