package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/seguehq/segue/message"
)

// A receiver is a message.Receiver: a consumer of a group.
type receiver struct {
	broker   *Broker
	to       message.Subscription
	group    string
	consumer string
	streams  [2]string // of the topic, and of what was given back

	ctx     context.Context // ends when closing begins
	stop    context.CancelFunc
	running sync.WaitGroup
	reader  atomic.Int64  // the ID that the server has for the connection which waits
	wake    chan struct{} // something has come
	room    chan struct{} // more may be fetched than before
	done    chan struct{} // something was acknowledged or returned

	mu     sync.Mutex
	queue  []message.Delivery // that were fetched and not yet received
	held   map[tag]bool       // that were fetched and not yet acknowledged or returned
	failed error              // why nothing comes, until Receive has told of it
	last   string             // the entry of the topic's stream that was fetched last
}

// A tag is where a delivery is: the number of a stream, as the scripts have it, and
// its entry.
type tag struct {
	stream int
	id     string
}

// Subscribe implements message.Broker.
func (b *Broker) Subscribe(ctx context.Context, s message.Subscription) (message.Receiver, error) {
	if err := b.enter(ctx); err != nil {
		return nil, err
	}
	r := &receiver{
		broker: b, to: s, group: s.Group, consumer: consumerName(),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1), done: make(chan struct{}, 1), held: map[tag]bool{},
	}
	if s.Group == "" {
		r.group = "/" + rand.Text() // no name of a group begins so
	}
	r.streams = [2]string{b.set.stream(s.Topic), b.set.returned(s.Topic, r.group)}
	var err error
	if r.last, err = r.join(ctx, "$"); err != nil {
		return nil, b.fail(ctx, r.doing("subscribe"), err)
	}
	b.topics.Store(s.Topic, true)
	r.ctx, r.stop = context.WithCancel(b.ctx)
	r.running.Go(r.fetch)
	r.running.Go(r.keep)
	return r, nil
}

func consumerName() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
}

func (r *receiver) doing(what string) string {
	if r.to.Group == "" {
		return what + " to " + r.to.Topic
	}
	return what + " to " + r.to.Topic + " as " + r.group
}

// run runs a script for this receiver.
func (r *receiver) run(ctx context.Context, s *rueidis.Lua, args ...string) rueidis.RedisResult {
	return s.Exec(ctx, r.broker.client, r.streams[:], append([]string{r.group, r.consumer}, args...))
}

// join makes the group, which begins behind an entry unless it is there, and the
// consumer. It returns the last entry of the topic's stream.
func (r *receiver) join(ctx context.Context, from string) (last string, err error) {
	return r.run(ctx, r.broker.scripts.join, from).ToString()
}

// Receive implements message.Receiver.
func (r *receiver) Receive(ctx context.Context) ([]message.Delivery, error) {
	for {
		r.mu.Lock()
		got, err := r.queue, r.failed
		r.queue, r.failed = nil, nil
		r.mu.Unlock()
		switch {
		case len(got) > 0:
			signal(r.room) // there may have been some, for more than are waiting
			return got, nil
		case err != nil:
			return nil, err
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.ctx.Done():
			return nil, errReceiverClosed
		}
	}
}

var errReceiverClosed = errors.New("message: the receiver is closed")

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// add puts what has come into the queue.
func (r *receiver) add(d []message.Delivery) {
	if len(d) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range d {
		t := d.Tag.(tag)
		r.held[t] = true
		if t.stream == 1 {
			r.last = t.id
		}
	}
	r.queue = append(r.queue, d...)
	r.failed = nil
	signal(r.wake)
}

// free is how many more may be fetched. While there are some to be received, it is
// none until half of the window is free: few large answers cost less than many.
func (r *receiver) free() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.to.Window - len(r.held)
	if len(r.queue) > 0 && n < r.to.Window/2 {
		return 0
	}
	return max(n, 0)
}

// tags are what an Ack or Return is about.
func tags(doing string, d []message.Delivery) ([]tag, error) {
	all := make([]tag, len(d))
	for i := range d {
		t, ok := d[i].Tag.(tag)
		if !ok {
			return nil, fmt.Errorf("message: %s %s: it is no delivery of this receiver", doing, d[i].ID)
		}
		all[i] = t
	}
	return all, nil
}

func (r *receiver) settled(all []tag) {
	r.mu.Lock()
	for _, t := range all {
		delete(r.held, t)
	}
	r.mu.Unlock()
	signal(r.room)
	signal(r.done)
}

// Ack implements message.Receiver.
func (r *receiver) Ack(ctx context.Context, d ...message.Delivery) error {
	all, err := tags("acknowledge", d)
	if err != nil || len(all) == 0 {
		return err
	}
	var ids [2][]string
	for _, t := range all {
		ids[t.stream-1] = append(ids[t.stream-1], t.id)
	}
	for i, ids := range ids {
		if len(ids) == 0 {
			continue
		}
		if err := r.acknowledge(ctx, r.streams[i], ids, i == 1); err != nil {
			return r.broker.fail(ctx, r.doing("acknowledge"), err)
		}
	}
	r.settled(all)
	return nil
}

// acknowledge acknowledges entries of a stream, and removes them if nobody else wants
// them.
func (r *receiver) acknowledge(ctx context.Context, stream string, ids []string, remove bool) error {
	c := r.broker.client
	ack := c.B().Xack().Key(stream).Group(r.group).Id(ids...).Build()
	if !remove {
		return c.Do(ctx, ack).Error()
	}
	for _, answer := range c.DoMulti(ctx, ack, c.B().Xdel().Key(stream).Id(ids...).Build()) {
		if err := answer.Error(); err != nil {
			return err
		}
	}
	return nil
}

// Return implements message.Receiver.
func (r *receiver) Return(ctx context.Context, d ...message.Delivery) error {
	all, err := tags("return", d)
	if err != nil || len(all) == 0 {
		return err
	}
	if err := r.run(ctx, r.broker.scripts.giveBack, flat(all)...).Error(); err != nil {
		return r.broker.fail(ctx, r.doing("return"), err)
	}
	r.settled(all)
	return nil
}

// flat is how the scripts are told of entries.
func flat(all []tag) (args []string) {
	for _, t := range all {
		args = append(args, strconv.Itoa(t.stream), t.id)
	}
	return args
}

// Close implements message.Receiver.
func (r *receiver) Close(ctx context.Context) error {
	if r.ctx.Err() != nil && r.broker.ctx.Err() == nil {
		return nil
	}
	r.stop()
	if err := r.end(ctx); err != nil {
		return r.broker.fail(ctx, r.doing("end the subscription"), err)
	}
	own := ""
	if r.to.Group == "" {
		own = "own"
	}
	err := r.run(ctx, r.broker.scripts.leave, own).Error()
	if noGroup(err) {
		return nil // nothing is left of it
	}
	return r.broker.fail(ctx, r.doing("end the subscription"), err)
}

// end waits until nothing is fetched any more. A read that waits is called off: the
// connection is not cut, because what the server was sending would then stay pending
// for a consumer that is no more.
func (r *receiver) end(ctx context.Context) error {
	done := make(chan struct{})
	go func() { r.running.Wait(); close(done) }()
	for {
		if id := r.reader.Load(); id != 0 && !r.broker.set.cluster {
			_ = r.broker.client.Do(ctx, r.broker.client.B().ClientUnblock().ClientId(id).Build()).Error() // it ends by itself, too
		}
		select {
		case <-done:
			return nil
		case <-time.After(20 * time.Millisecond): // it may not have begun to wait when it was called off
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
