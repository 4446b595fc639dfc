package cqc

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	eventsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/events/v1"
	optionsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/options/v1"
)

// UnknownEventError means that this version of the package does not know the content of an Event.
//
// Its type cannot be named: forward it under the attributes and the subject with which it came. The fields are those of
// its metadata; note the sequence, so that the next event shows no false gap.
type UnknownEventError struct {
	EventID, Topic, Subject string
	Sequence                uint64
}

func (e *UnknownEventError) Error() string {
	return fmt.Sprintf("event %s of topic %s is not known to this version", e.EventID, e.Topic)
}

// Attributes returns the CloudEvents 1.0 attributes of an event, whose data is the Event itself.
//
// The keys are specversion, id, source, type, subject, time, datacontenttype, partitionkey and sequence, and
// correlationid and causationid if the event has them. time is RFC 3339 in UTC with 0, 3, 6 or 9 fraction digits.
// sequence has 20 digits with leading zeros, so that it orders as text.
//
// It returns an *UnknownEventError, and another error if the metadata lacks event_id, source, subject or a valid
// occurred_at, or if its topic is not that of the event.
func Attributes(event *eventsv1.Event) (map[string]string, error) {
	field, err := knownEvent(event)
	if err != nil {
		return nil, err
	}
	metadata := event.GetMetadata()
	if metadata.GetOccurredAt() == nil {
		return nil, errors.New("metadata.occurred_at is missing")
	}
	time, err := protojson.Marshal(metadata.GetOccurredAt())
	if err != nil {
		return nil, err
	}
	found := map[string]string{
		"specversion":     "1.0",
		"id":              metadata.GetEventId(),
		"source":          "urn:cqc:" + metadata.GetSource(),
		"type":            string(field.Message().FullName()),
		"subject":         metadata.GetSubject(),
		"time":            strings.Trim(string(time), `"`),
		"datacontenttype": "application/protobuf",
		"partitionkey":    metadata.GetSubject(),
		"sequence":        fmt.Sprintf("%020d", metadata.GetSequence()),
	}
	if metadata.CorrelationId != nil {
		found["correlationid"] = metadata.GetCorrelationId()
	}
	if metadata.CausationId != nil {
		found["causationid"] = metadata.GetCausationId()
	}
	return found, nil
}

// NATSSubject returns the NATS subject of an event, such as `cqc.events.v1.orders.order_filled.main`.
//
// Its last token is the subject of the event; every byte of it outside `[A-Za-z0-9_:-]` is `%XX`. The header
// `Nats-Msg-Id` is the event's id. NATSSubject returns errors as Attributes does, but needs no occurred_at.
func NATSSubject(event *eventsv1.Event) (string, error) {
	field, err := knownEvent(event)
	if err != nil {
		return "", err
	}
	topic := event.GetMetadata().GetTopic()
	return fmt.Sprintf("cqc.events.v1.%s.%s.%s", topic, field.Name(), token(event.GetMetadata().GetSubject())), nil
}

// KafkaTopic returns the Kafka topic of an event, such as `cqc.events.v1.orders`; the key is metadata.subject in UTF-8.
//
// It returns errors as NATSSubject does.
func KafkaTopic(event *eventsv1.Event) (string, error) {
	_, err := knownEvent(event)
	if err != nil {
		return "", err
	}
	return "cqc.events.v1." + event.GetMetadata().GetTopic(), nil
}

// knownEvent returns the field that holds the event.
func knownEvent(event *eventsv1.Event) (protoreflect.FieldDescriptor, error) {
	metadata := event.GetMetadata()
	message := event.ProtoReflect()
	field := message.WhichOneof(message.Descriptor().Oneofs().ByName("event"))
	if field == nil {
		return nil, &UnknownEventError{
			metadata.GetEventId(), metadata.GetTopic(), metadata.GetSubject(), metadata.GetSequence(),
		}
	}
	for _, item := range []struct{ name, value string }{
		{"event_id", metadata.GetEventId()}, {"source", metadata.GetSource()}, {"subject", metadata.GetSubject()},
	} {
		if item.value == "" {
			return nil, fmt.Errorf("metadata.%s is missing", item.name)
		}
	}
	topic := proto.GetExtension(field.Message().Options(), optionsv1.E_Topic).(string)
	if metadata.GetTopic() != topic {
		return nil, fmt.Errorf("metadata.topic is %q, but %s belongs to %q", metadata.GetTopic(), field.Name(), topic)
	}
	return field, nil
}

func token(subject string) string {
	var written strings.Builder
	for _, char := range []byte(subject) {
		switch {
		case 'a' <= char && char <= 'z', 'A' <= char && char <= 'Z', '0' <= char && char <= '9',
			char == '_', char == ':', char == '-':
			written.WriteByte(char)
		default:
			fmt.Fprintf(&written, "%%%02X", char)
		}
	}
	return written.String()
}
