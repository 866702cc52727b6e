// Package embedded is a broker of messages over any store: the fleet's own, of which
// nothing has to be installed.
//
// It promises what package message does, and besides:
//
//   - Order. Messages of a topic are numbered without a gap, by whichever process
//     publishes them. Those with the same key are handled by a group one after
//     another, in the order of their numbers, on whatever instances, also after some
//     of those were killed: while one has a message, no other gets a later one with
//     that key.
//   - What the dead had comes again within one lease ([Lease]) and a third. Leases
//     are kept by the store's clock.
//   - Nothing comes twice but what a process had that was killed, or could not reach
//     the store for a lease.
//   - A message is kept until every group has it. A group of which nobody was there
//     for a week ([Keep]) is forgotten; a topic without groups keeps nothing.
//   - Nobody polls: who waits is woken by the store's Watch, and looks by himself
//     every few seconds only.
//
// How: a topic is a log of chunks, each an entry of the store whose key is the next
// number. A chunk is created and never overwritten, so that two publishers cannot get
// the same number, and none can come after one that is missing. What is published at
// the same time shares a chunk. A group is one entry: up to where in the log it has
// come, and which messages before that are not done, with who has them. Whoever
// claims or acknowledges writes it anew, many messages at once.
package embedded

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

const (
	// DefaultLease is after how long the messages of a process that died come again.
	DefaultLease = 10 * time.Second
	// MinLease is the shortest lease that a process on a busy machine can keep.
	MinLease = 200 * time.Millisecond
	// DefaultKeep is how long a group lasts of which nobody is there.
	DefaultKeep = 7 * 24 * time.Hour
)

// settle is how long a part of the log is known to be done with before it is
// removed. A publisher who has not looked for as long looks again: see appender.
const settle = 30 * time.Second

// A Broker is a message.Broker over a store.
type Broker struct {
	store  store.Store
	lease  time.Duration
	keep   time.Duration
	settle time.Duration

	running context.Context // until Close
	stop    context.CancelFunc
	tasks   sync.WaitGroup

	mu     sync.Mutex
	topics map[string]*topic
	closed bool
}

// An Option changes what New makes.
type Option func(*Broker)

// Lease sets after how long the messages of a process that died come again: long
// enough for the slowest hiccup of process, network and store. DefaultLease without
// it; it panics below MinLease.
func Lease(d time.Duration) Option {
	if d < MinLease {
		panic(fmt.Sprintf("embedded: a lease of %v; it is %v at least", d, MinLease))
	}
	return func(b *Broker) { b.lease = d }
}

// Keep sets how long a group lasts of which nobody is there, and with it the
// messages that it has not got: DefaultKeep without it. It panics below a minute.
func Keep(d time.Duration) Option {
	if d < time.Minute {
		panic(fmt.Sprintf("embedded: groups kept for %v; it is a minute at least", d))
	}
	return func(b *Broker) { b.keep = d }
}

// New returns a broker whose messages are kept in s, under keys that begin with
// message/. All who use the same store have the same broker. Close does not close s.
func New(s store.Store, options ...Option) *Broker {
	b := &Broker{store: s, lease: DefaultLease, keep: DefaultKeep, settle: settle, topics: map[string]*topic{}}
	b.running, b.stop = context.WithCancel(context.Background())
	for _, o := range options {
		o(b)
	}
	return b
}

// A topic is what a process knows of one.
type topic struct {
	*Broker
	name     string
	appender appender
}

// topic returns the topic, and sees that somebody removes what is done with.
func (b *Broker) topic(name string) (*topic, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("embedded: topic %q: the broker is closed", name)
	}
	t := b.topics[name]
	if t == nil {
		t = &topic{Broker: b, name: name}
		t.appender.topic = t
		if len(b.topics) == 0 {
			b.tasks.Go(b.clean)
		}
		b.topics[name] = t
	}
	return t, nil
}

func (b *Broker) inUse() []*topic {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.topics))
}

// Close implements message.Broker.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.stop()
	b.tasks.Wait()
	return nil
}

// Subscribe implements message.Broker.
func (b *Broker) Subscribe(ctx context.Context, s message.Subscription) (message.Receiver, error) {
	t, err := b.topic(s.Topic)
	if err != nil {
		return nil, err
	}
	var r message.Receiver
	if s.Group == "" {
		r, err = t.read(ctx, s.Window)
	} else {
		r, err = t.join(ctx, s.Group, s.Window)
	}
	if err != nil {
		return nil, fmt.Errorf("embedded: subscribe to %q: %w", s.Topic, err)
	}
	return r, nil
}
