module github.com/Combine-Capital/cqc/tools/interop/go

go 1.24.0

require google.golang.org/protobuf v1.36.10
