package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/seguehq/segue/message"
)

// A receiver has a client of its own, which is a member of the group, or reads all
// partitions.
type receiver struct {
	broker *Broker
	topic  string
	group  string // Kafka's; empty: all partitions
	window int
	client *kgo.Client

	joined   chan struct{}  // closed when the group has given us what there is for us
	watching sync.WaitGroup // what looks for new partitions
	stop     context.CancelFunc

	mu        sync.Mutex
	changed   chan struct{} // closed, and another in its place, when something below has changed
	waiting   int           // for that
	parts     map[int32]*partition
	open      int                // in somebody's hands
	again     []message.Delivery // returned
	failed    error              // to be told by the next Receive
	interrupt context.CancelFunc // of the poll that is under way, or nil
	holding   int                // how many want no poll to be under way
	out       bool               // of the group, until it is joined again: nobody polls
	closed    bool
	managed   error // what the group failed of last
}

var errClosed = errors.New("kafka: the receiver is closed")

// change wakes who waits. The caller holds mu.
func (r *receiver) change() {
	if r.waiting > 0 {
		close(r.changed)
		r.changed = make(chan struct{})
	}
}

// await waits, holding mu before and after, until it is so.
func (r *receiver) await(ctx context.Context, is func() bool) error {
	for !is() {
		changed := r.changed
		r.waiting++
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		r.mu.Lock()
		r.waiting--
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Receive is described by [message.Receiver].
func (r *receiver) Receive(ctx context.Context) ([]message.Delivery, error) {
	for {
		ds, room, polling, err := r.turn(ctx)
		if len(ds) > 0 || err != nil {
			return ds, err
		}
		ds, err = r.poll(polling, room)
		if len(ds) > 0 || err != nil {
			return ds, err
		}
	}
}

// turn waits until there is room, and gives what was returned. If there is none of
// that, it is for the caller to poll, with a context that ends when it is in the way.
func (r *receiver) turn(ctx context.Context) (ds []message.Delivery, room int, polling context.Context, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = r.await(ctx, func() bool {
		return r.closed || r.failed != nil || r.window > r.open && (len(r.again) > 0 || r.holding == 0 && !r.out)
	})
	switch room = r.window - r.open; {
	case err != nil:
		return nil, 0, nil, err
	case ctx.Err() != nil:
		return nil, 0, nil, ctx.Err()
	case r.closed:
		return nil, 0, nil, errClosed
	case r.failed != nil:
		err, r.failed = r.failed, nil
		return nil, 0, nil, err
	case len(r.again) > 0:
		return r.redeliver(room), 0, nil, nil
	}
	polling, r.interrupt = context.WithCancel(ctx)
	return nil, room, polling, nil
}

// redeliver hands out what was returned. The caller holds mu.
func (r *receiver) redeliver(room int) []message.Delivery {
	n := min(room, len(r.again))
	ds := r.again[:n:n]
	r.again = r.again[n:]
	for _, d := range ds {
		at := d.Tag.(*place)
		at.state = open
		at.in.open++
		r.open++
	}
	return ds
}

// poll asks the client for records, and takes note of them before anybody can take
// their partitions away: hold waits for it.
func (r *receiver) poll(ctx context.Context, room int) (ds []message.Delivery, err error) {
	fetches := r.client.PollRecords(ctx, room)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupt()
	r.interrupt = nil
	r.change()
	fetches.EachRecord(func(rec *kgo.Record) { ds = append(ds, r.deliver(rec)) })
	fetches.EachError(func(topic string, partition int32, failed error) {
		if err == nil && serious(failed) {
			err = fmt.Errorf("kafka: receive from %q: %w", r.topic, failed)
		}
	})
	if len(ds) > 0 {
		r.failed, err = err, nil
	}
	return ds, err
}

// deliver makes a delivery of a record. The caller holds mu.
func (r *receiver) deliver(rec *kgo.Record) message.Delivery {
	p := r.parts[rec.Partition]
	if p == nil {
		p = &partition{mark: kgo.Record{Topic: rec.Topic, Partition: rec.Partition}}
		r.parts[rec.Partition] = p
	}
	r.open++
	return message.Delivery{Message: received(rec), Tag: p.add(rec)}
}

// serious tells whether an error is one that does not mend by itself.
func serious(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false // we have interrupted it; if the caller has, Receive sees that
	}
	session := (*kgo.ErrGroupSession)(nil)
	return !errors.As(err, &session) // the hook has heard of it
}

// Ack is described by [message.Receiver]. Kafka is told within the URL's commit, and
// before the partition or the receiver goes.
func (r *receiver) Ack(_ context.Context, ds ...message.Delivery) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	late, last := 0, (*partition)(nil)
	for _, d := range ds {
		at := d.Tag.(*place)
		if at.state != open {
			continue
		}
		r.let(at, done)
		if at.in.taken == gone {
			late++
			continue
		}
		if last != nil && last != at.in {
			r.mark(last) // once for neighbours: many are acknowledged at once
		}
		last = at.in
	}
	if last != nil {
		r.mark(last)
	}
	r.change()
	if late > 0 {
		return fmt.Errorf("kafka: %d of %d messages of %q were done with after their partition had been given to another of group %q; a handler has %v when the group is divided anew (handover in the URL): %w",
			late, len(ds), r.topic, r.group, r.broker.settings.handover, message.ErrLapsed)
	}
	return nil
}

// mark has the client tell Kafka how far a partition is done with, sooner or later.
// The caller holds mu.
func (r *receiver) mark(p *partition) {
	if p.advance() && r.group != "" {
		r.client.MarkCommitRecords(&p.mark)
	}
}

// let takes a message out of somebody's hands. The caller holds mu.
func (r *receiver) let(at *place, s state) {
	at.state = s
	at.in.open--
	r.open--
}

// Return is described by [message.Receiver]: the message comes again here, unless the
// partition is leaving.
func (r *receiver) Return(_ context.Context, ds ...message.Delivery) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range ds {
		at := d.Tag.(*place)
		if at.state != open {
			continue
		}
		r.let(at, returned)
		if at.in.taken == ours && !r.closed {
			d.Attempt++
			r.again = append(r.again, d)
		}
	}
	if r.interrupt != nil {
		r.interrupt() // Receive is to look again
	}
	r.change()
	return nil
}

// Close is described by [message.Receiver].
func (r *receiver) Close(ctx context.Context) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	if r.interrupt != nil {
		r.interrupt()
	}
	r.again = nil
	r.change()
	r.mu.Unlock()
	var err error
	if r.group != "" {
		err = r.leave(ctx)
	}
	r.stop()
	r.watching.Wait()
	r.client.CloseAllowingRebalance()
	return err
}
