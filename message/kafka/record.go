package kafka

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seguehq/segue/message"
)

// record is a message as Kafka has it.
func record(m message.Message) (*kgo.Record, error) {
	r := &kgo.Record{Topic: m.Topic, Value: m.Body, Timestamp: m.Time}
	if m.Key != "" {
		r.Key = []byte(m.Key)
	}
	r.Headers = make([]kgo.RecordHeader, 0, 1+len(m.Header))
	r.Headers = append(r.Headers, kgo.RecordHeader{Key: HeaderID, Value: []byte(m.ID)})
	for name, value := range m.Header {
		if name == HeaderID {
			return nil, fmt.Errorf("kafka: message %s has a header %s of its own, which is where its ID goes; give it another name: %w", m.ID, HeaderID, message.ErrRefused)
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	return r, nil
}

// received is a record as a message, also one that somebody else has published.
// Of headers with the same name the last one counts.
func received(r *kgo.Record) message.Message {
	m := message.Message{Topic: r.Topic, Key: string(r.Key), Body: r.Value, Time: r.Timestamp, Attempt: 1}
	for _, h := range r.Headers {
		if h.Key == HeaderID {
			m.ID = string(h.Value)
			continue
		}
		if m.Header == nil {
			m.Header = make(map[string]string, len(r.Headers))
		}
		m.Header[h.Key] = string(h.Value)
	}
	if m.ID == "" {
		m.ID = fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)
	}
	return m
}
