package client

// Jitter returns the factor of the time to wait before an attempt.
var Jitter = jitter

func init() {
	jitter = func() float64 { return 1 }
}
