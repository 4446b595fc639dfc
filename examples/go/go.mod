module github.com/Combine-Capital/cqc/examples/go

go 1.23.0

// The contracts are added by `go get github.com/Combine-Capital/cqc/packages/go-cqc/...@vX.Y.Z`.
require (
	google.golang.org/grpc v1.75.1
	google.golang.org/protobuf v1.36.10
)
