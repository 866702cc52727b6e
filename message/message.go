// Package message carries messages between the instances of a fleet, and between
// fleets, while they are being replaced: each to one instance of a group, or to
// all instances.
//
// It promises, over every [Broker]:
//
//   - At least once. A message whose Publish returned nil is given to a handler of
//     each group until one has returned nil, whatever dies meanwhile.
//   - A drained instance fetches nothing more, finishes what it has, acknowledges
//     it, gives back the rest, and leaves the group: nothing is lost by a deploy,
//     and nothing comes twice by it.
//   - What comes twice (a process was killed between doing and acknowledging) is
//     made harmless by Once.
//   - A message that no handler can take is parked, with the reason, after some
//     attempts, and holds nobody else up. It is shown by `segue message parked`,
//     and can be tried again.
package message

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrRefused: the broker takes the message never, however often it is asked: it
	// is too large, or its topic belongs to somebody else. An error of a broker that
	// is not this one may be gone when it is asked again.
	ErrRefused = errors.New("message: refused by the broker")
	// ErrLapsed: the broker has taken back what is to be acknowledged, as after a
	// connection that broke; it comes again. Asking again is of no use.
	ErrLapsed = errors.New("message: the broker has taken it back and delivers it again")
)

// A Message is what is carried.
type Message struct {
	// ID tells messages apart; Publish makes one if it is empty. At most 128 bytes.
	ID string
	// Topic is where it is published. Letters, digits and . _ -, at most 200 bytes.
	Topic string
	// Key keeps an order: messages with the same key, published by one process one
	// after another, are handled in that order, by brokers that have one (see their
	// packages). Empty: no order.
	Key    string
	Header map[string]string
	Body   []byte
	Time   time.Time // when it was published; set by Publish if zero

	// Attempt is 1 when a handler gets it for the first time, as far as this is
	// known. Publish does not look at it.
	Attempt int
}

// A Broker carries messages. It may be used concurrently. Each passes the suite of
// package messagetest.
type Broker interface {
	// Publish returns nil when the broker has all of the messages, in a way that
	// outlives its restart. After an error any of them may have been published.
	// IDs, topics and times are set, and are valid ([Message.Check]). While the
	// broker is away it fails, or waits until the context is done: the bus asks
	// again, unless the error is an ErrRefused.
	Publish(ctx context.Context, m ...Message) error

	// Subscribe begins to receive. What is published after it has returned is
	// received; with a group that was there before, also what the group has not yet
	// got. The context bounds the call alone.
	Subscribe(ctx context.Context, s Subscription) (Receiver, error)

	// Close lets go of connections. Receivers must be closed before.
	Close() error
}

// A Subscription says what is to be received.
type Subscription struct {
	Topic string
	// Group names those who share the messages of a topic: each message goes to one
	// of them. A group lasts: what is published while nobody of it is there waits. An
	// empty group is this subscription's own: it gets every message that is
	// published while it lasts, and nothing is left of it afterwards.
	Group string
	// Window is how many messages are received and not yet acknowledged at most. At
	// least 1.
	Window int
}

// A Receiver receives the messages of a subscription. Receive is called by one
// goroutine at a time; Ack and Return by any.
type Receiver interface {
	// Receive waits for messages and returns at least one, or the context's error,
	// after which it may be called again. It mends broken connections by itself;
	// another error says that it has not succeeded yet, and what to mend: it is
	// shown, and Receive called again.
	Receive(ctx context.Context) ([]Delivery, error)

	// Ack says that messages are done with. They will not be delivered to the group
	// again, as far as the broker can promise that when it returns nil. After an
	// error that is no ErrLapsed it may be asked again.
	Ack(ctx context.Context, d ...Delivery) error

	// Return gives messages back that were not handled, to be delivered again, to
	// whoever of the group. Those of a broker that knows but a place in a row (Kafka)
	// come again when the group is divided anew, with all that come after them.
	Return(ctx context.Context, d ...Delivery) error

	// Close stops receiving, gives back what is neither acknowledged nor returned,
	// leaves the group, and returns when the broker knows.
	Close(ctx context.Context) error
}

// A Delivery is a message that was received, and what its broker knows it by.
type Delivery struct {
	Message
	Tag any // the broker's own
}
