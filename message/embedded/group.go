package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

// lookAnyway is how often a member looks whether there is something, unasked.
const lookAnyway = 5 * time.Second

// A member is one receiver of a group. One goroutine of its own (run) does what is
// asked of it and asks the store; it alone uses what stands below step.
type member struct {
	*topic
	group, id, key string
	window         int
	watcher        store.Watcher
	ending         chan struct{}      // closed: run ends after its turn
	stop           context.CancelFunc // run ends at once
	tasks          sync.WaitGroup
	wake           chan struct{} // holds one when there may be something to do
	arrived        chan struct{} // holds one when ready may have something

	mu     sync.Mutex
	hungry bool  // somebody receives
	told   int64 // the greatest number of a chunk that was told of
	unsure bool  // there may be more than was told of
	stale  bool  // somebody else has written state
	asked  []*request
	ready  []message.Delivery // claimed, and not yet received
	failed error              // what keeps run from claiming

	// step
	state    state
	revision store.Revision // of state; Any: it has to be read
	written  time.Time      // when we last wrote it
	rivalled time.Time      // when somebody else was last quicker
	looked   time.Time      // when the lease was last extended
	bury     bool           // look who has died
	log      map[int64][]message.Message
	mine     map[place]bool // claimed, and not acknowledged
	free     int            // messages that others could have had after the last step
}

// A request is an Ack or a Return.
type request struct {
	done, back map[place]bool
	err        chan error // holds one
}

// join makes a member of a group, and the group if it is not there.
func (t *topic) join(ctx context.Context, group string, window int) (*member, error) {
	m := &member{topic: t, group: group, id: rand.Text()[:12], key: groupPrefix + t.name + "/" + group, window: max(window, 1),
		ending: make(chan struct{}), wake: make(chan struct{}, 1), arrived: make(chan struct{}, 1), unsure: true, revision: store.Any,
		log: map[int64][]message.Message{}, mine: map[place]bool{}}
	var err error
	if m.watcher, err = t.store.Watch(ctx, logPrefix+t.name+"/"); err != nil {
		return nil, err
	}
	if err = m.found(ctx); err == nil {
		err = m.live(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, m.watcher.Close())
	}
	var running context.Context
	running, m.stop = context.WithCancel(t.running)
	m.tasks.Go(func() { m.watch(running) })
	m.tasks.Go(func() { m.run(running) })
	return m, nil
}

// found makes the group if it is not there. It begins with what is published from
// now on.
func (m *member) found(ctx context.Context) error {
	for {
		_, err := m.store.Get(ctx, m.key)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		n, err := m.end(ctx)
		if err != nil {
			return err
		}
		value, err := (&state{Next: place{n, 0}}).encode()
		if err != nil {
			return err
		}
		_, err = m.store.Put(ctx, store.Write{Key: m.key, Value: value, TTL: m.keep})
		if err == nil || !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (m *member) leaseKey() string { return memberPrefix + m.topic.name + "/" + m.group + "/" + m.id }

// live extends the member's lease. One that has ended is begun anew: what the member
// had it still has, unless another has found it dead meanwhile.
func (m *member) live(ctx context.Context) error {
	m.looked = time.Now()
	_, err := m.store.Put(ctx, store.Write{Key: m.leaseKey(), Expect: store.Any, TTL: m.lease})
	return err
}

// watch notes what the store tells.
func (m *member) watch(ctx context.Context) {
	for {
		c, err := m.watcher.Next(ctx)
		if err != nil {
			return
		}
		m.mu.Lock()
		n, called := m.numberOf(c.Key), c.Missed || c.Key == m.wakeKey(m.group)
		m.unsure, m.stale = m.unsure || c.Missed, m.stale || called
		relevant := called || n > m.told
		m.told = max(m.told, n)
		m.mu.Unlock()
		if relevant {
			rouse(m.wake)
		}
	}
}

func rouse(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run does what there is to do until the context is done. What fails is tried again
// soon.
func (m *member) run(ctx context.Context) {
	beat := min(m.lease/3, lookAnyway)
	t := time.NewTimer(beat)
	defer t.Stop()
	for {
		err := m.turn(ctx)
		pause := beat
		if err != nil {
			pause = min(beat, 100*time.Millisecond)
		}
		m.mu.Lock()
		m.failed = err
		m.mu.Unlock()
		if err != nil {
			rouse(m.arrived)
		}
		t.Reset(pause)
		select {
		case <-ctx.Done():
			m.refuse(ctx.Err())
			return
		case <-m.ending:
			m.refuse(store.ErrClosed)
			return
		case <-wake(m.wake, err):
		case <-t.C:
		}
	}
}

// wake is no reason to try again at once what has just failed.
func wake(c chan struct{}, failed error) chan struct{} {
	if failed != nil {
		return nil
	}
	return c
}

// turn is one round of run.
func (m *member) turn(ctx context.Context) error {
	if elapsed(m.looked) >= m.lease/3 {
		if err := m.beat(ctx); err != nil {
			m.refuse(err)
			return err
		}
	}
	asked := m.take()
	err := m.step(ctx, asked)
	for _, r := range asked {
		r.err <- err
	}
	return err
}

func (m *member) take() []*request {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := m.asked
	m.asked = nil
	return asked
}

func (m *member) refuse(err error) {
	for _, r := range m.take() {
		r.err <- err
	}
}

// beat extends the lease, buries the dead, and looks whether there is anything that
// nobody has told of.
func (m *member) beat(ctx context.Context) error {
	if err := m.live(ctx); err != nil {
		return fmt.Errorf("extend the lease: %w", err)
	}
	m.mu.Lock()
	m.unsure, m.stale = true, true
	m.mu.Unlock()
	m.bury = true
	return nil
}

// ask has run do something, and waits for it.
func (m *member) ask(ctx context.Context, r *request) error {
	r.err = make(chan error, 1)
	m.mu.Lock()
	m.asked = append(m.asked, r)
	m.mu.Unlock()
	rouse(m.wake)
	select {
	case err := <-r.err:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-m.ending:
		return store.ErrClosed
	}
}

func places(d []message.Delivery) map[place]bool {
	all := map[place]bool{}
	for _, d := range d {
		all[d.Tag.(place)] = true
	}
	return all
}

// Receive implements message.Receiver.
func (m *member) Receive(ctx context.Context) ([]message.Delivery, error) {
	m.mu.Lock()
	m.hungry = true
	m.mu.Unlock()
	for woken := false; ; {
		m.mu.Lock()
		ready, failed := m.ready, m.failed
		m.ready = nil
		m.mu.Unlock()
		switch {
		case len(ready) > 0:
			return ready, nil
		case ctx.Err() != nil:
			m.mu.Lock()
			m.hungry = false
			m.mu.Unlock()
			return nil, ctx.Err()
		case failed != nil && woken:
			return nil, fmt.Errorf("embedded: receive from %q: %w", m.topic.name, failed)
		}
		if !woken {
			rouse(m.wake)
		}
		woken = true
		select {
		case <-m.arrived:
		case <-ctx.Done():
		}
	}
}

// Ack implements message.Receiver.
func (m *member) Ack(ctx context.Context, d ...message.Delivery) error {
	if err := m.ask(ctx, &request{done: places(d)}); err != nil {
		return fmt.Errorf("embedded: acknowledge messages of %q: %w", m.topic.name, err)
	}
	return nil
}

// Return implements message.Receiver.
func (m *member) Return(ctx context.Context, d ...message.Delivery) error {
	if err := m.ask(ctx, &request{back: places(d)}); err != nil {
		return fmt.Errorf("embedded: return messages of %q: %w", m.topic.name, err)
	}
	return nil
}

// Close implements message.Receiver. If the store is away, the group learns of it
// when the member's lease ends.
func (m *member) Close(ctx context.Context) error {
	close(m.ending)
	end := context.AfterFunc(ctx, m.stop)
	err := m.watcher.Close()
	m.tasks.Wait()
	end()
	m.stop()
	if left := m.leave(ctx); left != nil {
		return errors.Join(fmt.Errorf("embedded: leave the group %q of %q: %w", m.group, m.topic.name, left), err)
	}
	return err
}
