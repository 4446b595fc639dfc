package cqc

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// UnixNanos returns a time as whole nanoseconds since 1970-01-01T00:00:00Z.
//
// An error is returned for an absent or malformed timestamp, and for one before 1677-09-21 or after 2262-04-11, which 64
// bits of nanoseconds cannot hold; Timestamp.AsTime has no such limit.
func UnixNanos(timestamp *timestamppb.Timestamp) (int64, error) {
	if err := timestamp.CheckValid(); err != nil {
		return 0, err
	}
	nanos := timestamp.AsTime().UnixNano()
	if back := FromUnixNanos(nanos); back.GetSeconds() != timestamp.GetSeconds() {
		return 0, fmt.Errorf("%s is outside of what 64 bits of nanoseconds can hold", timestamp.AsTime())
	}
	return nanos, nil
}

// FromUnixNanos makes a timestamp of whole nanoseconds since 1970-01-01T00:00:00Z.
func FromUnixNanos(nanos int64) *timestamppb.Timestamp {
	return timestamppb.New(time.Unix(0, nanos))
}
