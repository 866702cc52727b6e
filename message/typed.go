package message

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seguehq/segue/internal/unknown"
)

// Of is a message whose body is a T in JSON.
//
// A release that knows less of T than the one which published the message loses
// nothing of it: Encode keeps the members of the body that T has no field for. So a
// message may be handled, changed and published again by an older release.
type Of[T any] struct {
	Message   // Body is as it was received; Encode makes the one of what it returns
	Value   T // what the body says
}

// Encode returns the message with Value as its body.
func (o Of[T]) Encode() (Message, error) {
	body, err := json.Marshal(o.Value)
	if err == nil {
		body, err = unknown.Keep[T](o.Body, body)
	}
	if err != nil {
		return Message{}, fmt.Errorf("message: %q: encode the body: %w", o.Topic, err)
	}
	m := o.Message
	m.Body = body
	return m, nil
}

// JSON is a message to a topic with v as its body.
func JSON[T any](topic string, v T) (Message, error) {
	return Of[T]{Message{Topic: topic}, v}.Encode()
}

// On is a handler of messages whose bodies are a T in JSON. One whose body is none
// is parked at once.
func On[T any](h func(ctx context.Context, m Of[T]) error) Handler {
	return func(ctx context.Context, m Message) error {
		o := Of[T]{Message: m}
		if err := json.Unmarshal(m.Body, &o.Value); err != nil {
			return Permanent(fmt.Errorf("message: %q: the body is no %T: %w", m.Topic, o.Value, err))
		}
		return h(ctx, o)
	}
}
