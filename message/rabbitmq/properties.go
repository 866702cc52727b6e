package rabbitmq

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seguehq/segue/message"
)

const (
	// inMilliseconds is the header by which RabbitMQ's message-timestamp plugin tells
	// a time better than AMQP's whole seconds do.
	inMilliseconds = "timestamp_in_ms"
	// delivered is the header of quorum queues: how often before.
	delivered = "x-delivery-count"
)

// longest is how long AMQP's short strings may be: names of headers, and keys.
const longest = 255

// publishing is a message as AMQP has it.
func publishing(m message.Message) (amqp.Publishing, error) {
	headers := make(amqp.Table, len(m.Header)+1)
	for k, v := range m.Header {
		if len(k) > longest || k == inMilliseconds || k == delivered {
			return amqp.Publishing{}, fmt.Errorf("%w: the header %.300q: AMQP's names have up to %d bytes, and %s and %s are RabbitMQ's",
				message.ErrRefused, k, longest, inMilliseconds, delivered)
		}
		headers[k] = v
	}
	if len(m.Key) > longest {
		return amqp.Publishing{}, fmt.Errorf("%w: its key has %d bytes, and AMQP's have up to %d", message.ErrRefused, len(m.Key), longest)
	}
	headers[inMilliseconds] = m.Time.UnixMilli()
	return amqp.Publishing{
		Headers: headers, DeliveryMode: amqp.Persistent, MessageId: m.ID, Timestamp: m.Time, Body: m.Body,
	}, nil
}

// received is a message of AMQP as we have it.
func received(topic string, d *amqp.Delivery) message.Message {
	m := message.Message{ID: d.MessageId, Topic: topic, Key: d.RoutingKey, Body: d.Body, Time: d.Timestamp, Attempt: 1}
	if d.Redelivered {
		m.Attempt = 2
	}
	for k, v := range d.Headers {
		switch n, number := v.(int64); {
		case k == inMilliseconds && number:
			m.Time = time.UnixMilli(n)
		case k == delivered && number:
			m.Attempt = int(n) + 1
		default:
			m.Header = put(m.Header, k, v)
		}
	}
	return m
}

// put adds a header of a foreign program's if it is one that text can say.
func put(h map[string]string, name string, value any) map[string]string {
	switch v := value.(type) {
	case nil, amqp.Table, []any:
		return h
	case []byte:
		value = string(v)
	}
	if h == nil {
		h = map[string]string{}
	}
	h[name] = fmt.Sprint(value)
	return h
}
