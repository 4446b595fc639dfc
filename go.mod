// Deprecated: this is not the Go module of CQC, use github.com/Combine-Capital/cqc/packages/go-cqc instead.
module github.com/Combine-Capital/cqc

go 1.23.0
