package message

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/store"
)

// A Handler does what a message asks for. The message is acknowledged when it
// returns nil, and tried again when it returns an error or panics, up to Attempts
// times; then it is parked. See Permanent.
//
// Its context is done when the process's deadline for stopping is near, or a claim
// of Once was lost. An error that is returned then is no attempt: the message is
// given back.
type Handler func(ctx context.Context, m Message) error

// A Bus publishes, and hands what comes to handlers. It may be used concurrently.
type Bus struct {
	broker Broker
	store  store.Store
	name   string
	log    *slog.Logger
	within time.Duration

	mu        sync.Mutex
	started   bool
	consumers []*consumer
	retrier   *retrier
}

// New returns a bus over a broker. The store is where messages are parked, and where
// Once keeps what was done. Closing both is left to who has opened them.
func New(broker Broker, s store.Store, options ...BusOption) *Bus {
	b := &Bus{broker: broker, store: s, name: "messages", log: slog.Default(), within: DefaultPublishWithin}
	for _, o := range options {
		o(b)
	}
	return b
}

// One has each message of a topic handled by one instance of the group. A group
// lasts: what is published while no instance of it lives waits for the next. It
// panics if the names are none, if the bus has that group of the topic already, and
// when its component has been started.
func (b *Bus) One(topic, group string, h Handler, options ...Option) {
	if err := CheckName("group", group, MaxGroup); err != nil {
		panic(err.Error())
	}
	b.add(topic, group, h, options)
}

// All has each message of a topic handled by every instance: what is published
// while the instance lives, from its start on. It panics as One does, and with Once:
// what one instance has done is no reason for another not to do it.
func (b *Bus) All(topic string, h Handler, options ...Option) { b.add(topic, "", h, options) }

func (b *Bus) add(topic, group string, h Handler, options []Option) {
	if err := CheckName("topic", topic, MaxTopic); err != nil {
		panic(err.Error())
	}
	c := newConsumer(b, topic, group, h, options)
	if group == "" && c.once > 0 {
		panic(fmt.Sprintf("message: Once for all of %q: each instance is to handle what comes; leave it out", topic))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		panic(fmt.Sprintf("message: a handler for %q when the bus had been started; add handlers first", topic))
	}
	if slices.ContainsFunc(b.consumers, func(o *consumer) bool { return o.topic == topic && o.group == group }) {
		panic(fmt.Sprintf("message: a second handler for topic %q and group %q; two groups get a message each", topic, group))
	}
	b.consumers = append(b.consumers, c)
}

// Publish returns nil when the broker has all of the messages. It gives them IDs and
// times if they have none. A broker that is away is asked again until the context is
// done, or for as long as PublishWithin says. After an error any of the messages may
// have been published: publish them again under the same IDs.
func (b *Bus) Publish(ctx context.Context, messages ...Message) error {
	messages = slices.Clone(messages)
	for n := range messages {
		m := &messages[n]
		if m.ID == "" {
			m.ID = rand.Text()
		}
		if m.Time.IsZero() {
			m.Time = time.Now()
		}
		if err := m.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	if len(messages) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, b.within)
	defer cancel()
	var last error
	err := insist(bounded, func() error {
		err := b.broker.Publish(bounded, messages...)
		if err != nil && (bounded.Err() == nil || last == nil) {
			last = err // not merely that the time was over
		}
		return err
	})
	switch {
	case err == nil || errors.Is(err, ErrRefused):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("message: publish to %q: called off: %w", messages[0].Topic, errors.Join(ctx.Err(), last))
	}
	return fmt.Errorf("message: publish to %q: the broker has not taken it within %v; it may be away: start it, or give it longer (message.PublishWithin): %w", messages[0].Topic, b.within, last)
}

// insist does it again until it succeeds, can never succeed, or the context is done.
func insist(ctx context.Context, do func() error) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := do()
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrRefused) || errors.Is(err, ErrLapsed) {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		if ctx.Err() != nil {
			return err
		}
	}
}

// Component is the part of a service that receives: its Start returns when all
// subscriptions are there, its Stop when everything is handled and acknowledged, or
// given back. It is for one run.
func (b *Bus) Component() lifecycle.Component {
	return lifecycle.Func(b.name, b.start, b.stop)
}

func (b *Bus) start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started {
		return errors.New("message: the bus was started before; a bus is for one run")
	}
	b.started = true
	if err := b.each(func(c *consumer) error { return c.subscribe(ctx) }); err != nil {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.within)
		defer cancel()
		return errors.Join(err, b.each(func(c *consumer) error { return c.unsubscribe(closing) }))
	}
	b.retrier = newRetrier(b)
	for _, c := range b.consumers {
		c.start()
	}
	b.retrier.start()
	return nil
}

func (b *Bus) stop(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.retrier.rest()
	err := b.each(func(c *consumer) error { return c.drain(ctx) })
	b.retrier.end()
	return err
}

// each does something to all consumers at the same time.
func (b *Bus) each(do func(*consumer) error) error {
	errs := make([]error, len(b.consumers))
	var all sync.WaitGroup
	for n, c := range b.consumers {
		all.Go(func() { errs[n] = do(c) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Permanent marks an error as one that comes again at each attempt: the message is
// parked at once.
func Permanent(err error) error { return permanent{err} }

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }
