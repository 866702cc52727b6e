package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

// A reader is a subscription to all messages of a topic. In the store there is only
// which chunk it reads next, so that this is not removed before.
type reader struct {
	*topic
	key     string
	window  int
	watcher store.Watcher
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	wake    chan struct{} // holds one when there may be something to receive

	mu    sync.Mutex
	next  place
	last  []message.Message // the chunk of next, when its Index is not 0
	back  []message.Delivery
	given map[place]bool // received, and neither acknowledged nor returned
}

// read subscribes to all that is published from now on.
func (t *topic) read(ctx context.Context, window int) (*reader, error) {
	r := &reader{topic: t, key: readerPrefix + t.name + "/" + rand.Text(), window: max(window, 1), wake: make(chan struct{}, 1), given: map[place]bool{}}
	var err error
	if r.watcher, err = t.store.Watch(ctx, logPrefix+t.name+"/"); err != nil {
		return nil, err
	}
	n, err := t.end(ctx)
	if err == nil {
		r.next.Chunk = n
		err = r.note(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.watcher.Close())
	}
	var running context.Context
	running, r.stop = context.WithCancel(t.running)
	r.tasks.Go(func() { r.watch(running) })
	r.tasks.Go(func() { r.keepNote(running) })
	return r, nil
}

// note writes down which chunk is read next. It lasts for two rounds of removing.
func (r *reader) note(ctx context.Context) error {
	r.mu.Lock()
	at := r.next.Chunk
	r.mu.Unlock()
	_, err := r.store.Put(ctx, store.Write{Key: r.key, Value: strconv.AppendInt(nil, at, 10), Expect: store.Any, TTL: 2 * r.settle})
	return err
}

// keepNote writes it again and again. A store that is away removes nothing either.
func (r *reader) keepNote(ctx context.Context) {
	t := time.NewTicker(r.settle / 3)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			_ = r.note(ctx)
		}
	}
}

func (r *reader) watch(ctx context.Context) {
	for {
		c, err := r.watcher.Next(ctx)
		if err != nil {
			return
		}
		if c.Missed || r.numberOf(c.Key) != 0 {
			rouse(r.wake)
		}
	}
}

// Receive implements message.Receiver.
func (r *reader) Receive(ctx context.Context) ([]message.Delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := r.more(ctx)
		if len(d) > 0 {
			return d, nil
		}
		if err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("embedded: receive from %q: %w", r.name, err)
		}
		t := time.NewTimer(lookAnyway)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-t.C:
		}
		t.Stop()
	}
}

// more returns what there is, as far as there is room for it.
func (r *reader) more(ctx context.Context) ([]message.Delivery, error) {
	r.mu.Lock()
	room, at, read := r.window-len(r.given), r.next, len(r.last) > 0
	r.mu.Unlock()
	if room <= 0 {
		return nil, nil
	}
	if !read {
		if err := r.load(ctx, at.Chunk); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(room, len(r.back))
	d := r.back[:n:n]
	r.back = r.back[n:]
	for len(d) < room && len(r.last) > 0 {
		d = append(d, message.Delivery{Message: r.last[r.next.Index], Tag: r.next})
		d[len(d)-1].Attempt = 1
		if r.next.Index++; r.next.Index == len(r.last) {
			r.next, r.last = place{r.next.Chunk + 1, 0}, nil
		}
	}
	for _, d := range d {
		r.given[d.Tag.(place)] = true
	}

	return d, nil
}

// load reads a chunk, if it is there. One that was removed was not written down as
// wanted for a minute: this process was suspended, or the store away.
func (r *reader) load(ctx context.Context, number int64) error {
	c, ok, err := r.chunk(ctx, number)
	if err != nil {
		return err
	}
	if ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last = c.messages
		return nil
	}
	b, _, err := r.bounds(ctx)
	if err != nil || b.Floor <= number {
		return err
	}
	r.mu.Lock()
	r.next = place{b.Floor, 0}
	r.mu.Unlock()
	rouse(r.wake)
	return fmt.Errorf("messages were missed (chunks %d to %d): this process did not read for more than %v", number, b.Floor-1, 2*r.settle)
}

// Ack implements message.Receiver.
func (r *reader) Ack(_ context.Context, d ...message.Delivery) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled(d)
	return nil
}

func (r *reader) settled(d []message.Delivery) {
	for _, d := range d {
		delete(r.given, d.Tag.(place))
	}

	rouse(r.wake)
}

// Return implements message.Receiver.
func (r *reader) Return(_ context.Context, d ...message.Delivery) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled(d)
	r.back = append(r.back, d...)
	return nil
}

// Close implements message.Receiver.
func (r *reader) Close(ctx context.Context) error {
	r.stop()
	err := r.watcher.Close()
	r.tasks.Wait()
	return errors.Join(r.store.Delete(ctx, r.key, store.Any), err)
}
