package message

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// A consumer is a subscription of the bus, with its handler. One goroutine fetches,
// workers handle, and one acknowledges and returns, many at once; a worker that has
// nothing else to do acknowledges by itself.
type consumer struct {
	bus          *Bus
	topic, group string
	handler      Handler
	settings
	receiver Receiver
	log      *slog.Logger

	fetching context.Context // until the drain begins
	halt     context.CancelFunc
	running  context.Context // of handlers: until the deadline is near
	callOff  context.CancelFunc
	settling context.Context // of acknowledgements: until the deadline
	giveUp   context.CancelFunc
	fetcher  sync.WaitGroup
	working  sync.WaitGroup
	settled  sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond
	draining bool
	lanes    map[string]*lane // by key; one without a key is in none
	ready    []*lane          // whose first message may be handled now
	resting  map[*lane]*time.Timer

	settler settler
}

// A lane is messages that are handled one after another: those of one key, or one.
type lane struct {
	key   string
	queue []*work
}

// work is a message on its way through the process.
type work struct {
	Delivery
	tries  int   // how often a handler has failed here
	reason error // why it is to be parked; the handler is not asked any more
}

func newConsumer(b *Bus, topic, group string, h Handler, options []Option) *consumer {
	c := &consumer{bus: b, topic: topic, group: group, handler: h, settings: defaults(), lanes: map[string]*lane{}, resting: map[*lane]*time.Timer{}}
	for _, o := range options {
		o(&c.settings)
	}
	if c.window == 0 {
		c.window = max(16, 4*c.workers)
	}
	c.window = max(c.window, c.workers)
	c.changed = sync.NewCond(&c.mu)
	c.settler.wake = make(chan struct{}, 1)
	c.log = b.log.With("topic", topic)
	if group != "" {
		c.log = c.log.With("group", group)
	}
	return c
}

func (c *consumer) subscribe(ctx context.Context) error {
	failing := false
	err := insist(ctx, func() (err error) {
		c.receiver, err = c.bus.broker.Subscribe(ctx, Subscription{Topic: c.topic, Group: c.group, Window: c.window})
		if err != nil && !failing && ctx.Err() == nil {
			failing = true
			c.log.Warn("messages: cannot subscribe yet; trying again", "error", err)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("message: subscribe to %q: %w", c.topic, err)
	}
	return nil
}

func (c *consumer) unsubscribe(ctx context.Context) error {
	if c.receiver == nil {
		return nil
	}
	return c.receiver.Close(ctx)
}

func (c *consumer) start() {
	c.fetching, c.halt = context.WithCancel(context.Background())
	c.running, c.callOff = context.WithCancel(context.Background())
	c.settling, c.giveUp = context.WithCancel(context.Background())
	c.fetcher.Go(c.fetch)
	for range c.workers {
		c.working.Go(c.work)
	}
	c.settled.Go(func() { c.settler.run(c) })
}

// fetch puts what comes into lanes until the drain begins.
func (c *consumer) fetch() {
	failing := false
	for pause := 20 * time.Millisecond; ; {
		d, err := c.receiver.Receive(c.fetching)
		c.put(d...)
		if c.fetching.Err() != nil {
			return
		}
		if err == nil {
			if failing {
				c.log.Info("messages: receiving again")
			}
			failing, pause = false, 20*time.Millisecond
			continue
		}
		if !failing {
			c.log.Warn("messages: cannot receive at present; trying again", "error", err)
		}
		failing = true
		t := time.NewTimer(pause)
		select {
		case <-c.fetching.Done():
		case <-t.C:
		}
		t.Stop()
		pause = min(2*pause, time.Second)
	}
}

// put appends messages to the lanes of their keys.
func (c *consumer) put(d ...Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range d {
		if c.draining { // it was parked, and came too late
			c.settler.back(d)
			continue
		}
		w := &work{Delivery: d}
		if l := c.lanes[d.Key]; l != nil && d.Key != "" {
			l.queue = append(l.queue, w)
			continue
		}
		l := &lane{d.Key, []*work{w}}
		if d.Key != "" {
			c.lanes[d.Key] = l
		}
		c.ready = append(c.ready, l)
	}
	c.changed.Broadcast()
}

// next is a message that is to be handled, the first of its lane; nil: there will be
// none.
func (c *consumer) next() (*lane, *work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.ready) == 0 {
		if c.draining {
			return nil, nil
		}
		c.changed.Wait()
	}
	l := c.ready[0]
	c.ready = c.ready[1:]
	return l, l.queue[0]
}

// work handles messages until the drain.
func (c *consumer) work() {
	for l, w := c.next(); l != nil; l, w = c.next() {
		switch o := c.attempt(w); {
		case o.back:
			c.giveBack(l)
		case o.again > 0:
			c.rest(l, o.again)
		default:
			c.settler.done(c, w.Delivery, c.goOn(l))
		}
	}
}

// goOn lets a lane go on behind its first message, and reports whether no message
// waits for a worker.
func (c *consumer) goOn(l *lane) (idle bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l.queue = l.queue[1:]
	switch {
	case len(l.queue) == 0:
		c.close(l)
	case c.draining:
		c.giveBackLocked(l)
	default:
		c.ready = append(c.ready, l)
		c.changed.Signal()
	}
	return len(c.ready) == 0
}

// rest has a lane wait, while others go on.
func (c *consumer) rest(l *lane, pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		c.giveBackLocked(l)
		return
	}
	c.resting[l] = time.AfterFunc(pause, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.resting[l] == nil {
			return // it was given back
		}
		delete(c.resting, l)
		c.ready = append(c.ready, l)
		c.changed.Signal()
	})
}

func (c *consumer) giveBack(l *lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveBackLocked(l)
}

// giveBackLocked returns all messages of a lane: one that is returned must not be
// overtaken by another with its key.
func (c *consumer) giveBackLocked(l *lane) {
	for _, w := range l.queue {
		c.settler.back(w.Delivery)
	}
	c.close(l)
}

func (c *consumer) close(l *lane) {
	if l.key != "" {
		delete(c.lanes, l.key)
	}
}

// drain ends the consumer: it fetches nothing more, returns what no worker has begun
// with, waits for the rest, and leaves the group. Shortly before the deadline the
// handlers are called off, so that they have time to return.
func (c *consumer) drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, c.giveUp)
	defer stop()
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		t := time.AfterFunc(left-min(left/5, 2*time.Second), c.callOff)
		defer t.Stop()
	}
	defer context.AfterFunc(ctx, c.callOff)()
	c.halt()
	c.fetcher.Wait()
	c.mu.Lock()
	c.draining = true
	for _, l := range c.ready {
		c.giveBackLocked(l)
	}
	c.ready = nil
	for l, t := range c.resting {
		t.Stop()
		c.giveBackLocked(l)
	}
	clear(c.resting)
	c.changed.Broadcast()
	c.mu.Unlock()
	err := waitFor(ctx, &c.working)
	if err != nil {
		err = fmt.Errorf("message: a handler of %q still runs though its context has ended; its message is given back by the broker, and comes twice", c.topic)
	}
	c.settler.end()
	c.settled.Wait()
	c.callOff()
	return errors.Join(err, c.unsubscribe(ctx))
}

// waitFor waits until the group is done, or the context.
func waitFor(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
