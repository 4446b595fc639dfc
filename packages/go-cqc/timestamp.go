package cqc

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// ToUnixNanos converts a timestamp to nanoseconds since 1970-01-01T00:00:00Z.
//
// It returns an error if the timestamp is nil or invalid, or if it is before 1677-09-21 or after 2262-04-11, which
// int64 nanoseconds cannot represent. Timestamp.AsTime has no such limit.
func ToUnixNanos(timestamp *timestamppb.Timestamp) (int64, error) {
	if err := timestamp.CheckValid(); err != nil {
		return 0, err
	}
	nanos := timestamp.AsTime().UnixNano()
	if back := FromUnixNanos(nanos); back.GetSeconds() != timestamp.GetSeconds() {
		return 0, fmt.Errorf("%s is out of range for int64 nanoseconds", timestamp.AsTime())
	}
	return nanos, nil
}

// FromUnixNanos converts nanoseconds since 1970-01-01T00:00:00Z to a timestamp.
func FromUnixNanos(nanos int64) *timestamppb.Timestamp {
	return timestamppb.New(time.Unix(0, nanos))
}
