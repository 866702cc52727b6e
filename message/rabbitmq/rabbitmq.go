// Package rabbitmq carries messages over RabbitMQ 3.10 or newer (AMQP 0-9-1).
//
// A topic is a durable fanout exchange of its name. A group of it is a durable queue,
// topic/group, that is bound to it: what is published goes to each group that has
// subscribed once, and to nobody if there is none, as the contract has it. A
// subscription without a group has a queue of its own, which is removed when it is
// closed. It is not the exclusive queue that AMQP has for this: that one is gone
// when the connection breaks, with all that comes until it is back. The queue of a
// process that was killed removes itself, five minutes later.
//
// Queues are quorum queues, on a single node, too: they are on disk before a message
// is confirmed, they are copied to the nodes of a cluster, and they count how often a
// message was delivered, which is its Attempt. (RabbitMQ 3.10 notes on disk only
// three seconds after a queue was made that there is one: crashing before, it loses
// the queue.) A message that was given back unhandled
// counts as delivered. The server must not throw away what was delivered often, as
// RabbitMQ 4 does after 20 times: these queues say that there is no limit, where the
// server knows such a word. Classic queues (?queue=classic) know no more than that a
// message comes again.
//
// Messages are persistent, and Publish waits until the server has confirmed them.
// Their parts are AMQP's own: ID is message-id, Key the routing key, Time timestamp
// in seconds and, as RabbitMQ's plugin has it, the header timestamp_in_ms; so programs
// without this package can publish to the exchange and take from queues.
//
// Messages with the same key come to a group in order, and to one receiver of it they
// go in order. Several instances take turns: if order counts, let one receive.
//
// Connections are two, because RabbitMQ holds back those that publish when it is
// short of memory, and no acknowledgement is to wait for that. What broke is
// connected again by who next needs it: a Publish that was under way then fails,
// Receive waits. AMQP does not answer an acknowledgement: one that was on its way
// when the connection broke may be lost, and its message comes again. Close waits until
// the server has got all of them.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seguehq/segue/message"
)

// A Broker is a message.Broker on a RabbitMQ server. It must not be copied.
type Broker struct {
	set      settings
	sending  line // messages
	taking   line // deliveries
	outlet   atomic.Pointer[outlet]
	opening  chan struct{} // has an element while an outlet is opened
	mu       sync.Mutex
	closed   bool
	calls    sync.WaitGroup // of the server, also those that nobody waits for any more
	finished context.Context
	finish   context.CancelFunc
}

var _ message.Broker = (*Broker)(nil)

var errClosed = errors.New("message: the broker is closed")

// farewell is how long Close waits for the server's word.
const farewell = 5 * time.Second

// Open connects to the server of a URL:
//
//	amqp://user:password@host:5672/vhost   amqps://… over TLS
//
// Without a vhost it is "/". Parameters after the question mark: addr=host:port, a
// further node of the cluster, any number of times; queue=classic; prefix, which all
// names begin with; heartbeat, in seconds (5); connection_timeout, in milliseconds
// (10000); cacertfile, certfile, keyfile, server_name_indication, auth_mechanism and
// channel_max as RabbitMQ documents them.
//
// The server has to answer. Once open, the broker outlives its restarts.
func Open(ctx context.Context, url string) (*Broker, error) {
	set, err := parse(url)
	if err != nil {
		return nil, err
	}
	b := &Broker{set: set, sending: newLine(), taking: newLine(), opening: make(chan struct{}, 1)}
	b.finished, b.finish = context.WithCancel(context.Background())
	if _, err := b.sending.connection(ctx, b); err != nil {
		_ = b.Close()
		return nil, b.fail(ctx, "open", err)
	}
	return b, nil
}

// Close implements message.Broker.
func (b *Broker) Close() error {
	b.mu.Lock()
	was := b.closed
	b.closed = true
	b.mu.Unlock()
	if was {
		return nil
	}
	b.finish()
	err := errors.Join(b.sending.close(), b.taking.close())
	b.calls.Wait()
	if err != nil {
		return fmt.Errorf("message: %s: close: %w", b.set.where, err)
	}
	return nil
}

// begin runs fn, which Close waits for. It reports false if it is too late for that.
func (b *Broker) begin(fn func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.calls.Go(fn)
	return true
}

// await calls the server, for as long as the context lasts. The client library's
// calls know no context: one that is waited for no longer ends with its answer, or
// with the connection, which has heartbeats.
func await[T any](ctx context.Context, b *Broker, call func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	done := make(chan result, 1)
	if !b.begin(func() { v, err := call(); done <- result{v, err} }) {
		return none, errClosed
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// channel opens a channel on a connection, and sees that none is left behind if
// nobody waits for it any more.
func (b *Broker) channel(ctx context.Context, c *amqp.Connection, prepare func(*amqp.Channel) error) (*amqp.Channel, error) {
	return await(ctx, b, func() (*amqp.Channel, error) {
		ch, err := c.Channel()
		if err != nil {
			return nil, err
		}
		if err = prepare(ch); err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = ch.Close() // it is closed already if the server has refused something
			return nil, err
		}
		return ch, nil
	})
}
