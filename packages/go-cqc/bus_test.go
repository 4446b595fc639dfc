package cqc_test

import (
	"errors"
	"maps"
	"math"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	eventsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/events/v1"
)

func filled() *eventsv1.Event {
	return &eventsv1.Event{
		Metadata: &eventsv1.EventMetadata{
			EventId:    "8f14e45f-ceea-467f-9575-1e8a5fe0f001",
			Topic:      "orders",
			Subject:    "main.account/1 é",
			Sequence:   42,
			OccurredAt: &timestamppb.Timestamp{Seconds: 1_710_500_000, Nanos: 120_000_000},
			Source:     "venue-gateway",
		},
		Event: &eventsv1.Event_OrderFilled{OrderFilled: &eventsv1.OrderFilled{}},
	}
}

func TestAttributes(t *testing.T) {
	want := map[string]string{
		"specversion":     "1.0",
		"id":              "8f14e45f-ceea-467f-9575-1e8a5fe0f001",
		"source":          "urn:cqc:venue-gateway",
		"type":            "cqc.events.v1.OrderFilled",
		"subject":         "main.account/1 é",
		"time":            "2024-03-15T10:53:20.120Z",
		"datacontenttype": "application/protobuf",
		"partitionkey":    "main.account/1 é",
		"sequence":        "00000000000000000042",
	}
	if got, err := cqc.Attributes(filled()); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	caused := filled()
	caused.Metadata.CorrelationId, caused.Metadata.CausationId = proto.String("c"), proto.String("d")
	caused.Metadata.Sequence = math.MaxUint64
	want["correlationid"], want["causationid"], want["sequence"] = "c", "d", "18446744073709551615"
	if got, err := cqc.Attributes(caused); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestTopicsAndSubjects(t *testing.T) {
	want := "cqc.events.v1.orders.order_filled.main%2Eaccount%2F1%20%C3%A9"
	if got, err := cqc.NATSSubject(filled()); err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if got, err := cqc.KafkaTopic(filled()); err != nil || got != "cqc.events.v1.orders" {
		t.Errorf("got %s, %v", got, err)
	}
}

func FuzzNATSSubject(f *testing.F) {
	for _, subject := range []string{"main", "a.b", "*", ">", "%", "+", "~", "\x00", "€", "eip155:1/erc20:0xA0b8"} {
		f.Add(subject)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		event := filled()
		event.Metadata.Subject = subject
		got, err := cqc.NATSSubject(event)
		if (err != nil) != (subject == "") {
			t.Fatalf("%q: got %v", subject, err)
		}
		if err != nil {
			return
		}
		token := strings.TrimPrefix(got, "cqc.events.v1.orders.order_filled.")
		const allowed = "%_:-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		if decoded, err := url.PathUnescape(token); err != nil || decoded != subject || strings.Trim(token, allowed) != "" {
			t.Fatalf("%q became %q", subject, token)
		}
	})
}

func TestEventsThatCannotBePublished(t *testing.T) {
	elsewhere, anonymous, timeless, unknown := filled(), filled(), filled(), filled()
	elsewhere.Event = &eventsv1.Event_PriceUpdated{PriceUpdated: &eventsv1.PriceUpdated{}}
	anonymous.Metadata = nil
	timeless.Metadata.OccurredAt = nil
	unknown.Event = nil
	for want, event := range map[string]*eventsv1.Event{
		`metadata.topic is "orders", but price_updated belongs to "prices"`: elsewhere,
		"metadata.event_id is missing":                                      anonymous,
		"metadata.occurred_at is missing":                                   timeless,
	} {
		if _, err := cqc.Attributes(event); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	_, attributes := cqc.Attributes(unknown)
	_, subject := cqc.NATSSubject(unknown)
	_, topic := cqc.KafkaTopic(unknown)
	for _, err := range []error{attributes, subject, topic} {
		var found *cqc.UnknownEventError
		if !errors.As(err, &found) || found.Topic != "orders" || found.Subject != "main.account/1 é" ||
			found.Sequence != 42 {
			t.Errorf("got %v, want an UnknownEventError", err)
		}
	}
}
