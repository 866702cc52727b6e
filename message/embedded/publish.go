package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/message"
	"github.com/seguehq/segue/store"
)

const (
	// maxChunk is how many messages are in a chunk at most, and maxChunkBytes how large
	// their bodies are together, unless one is larger.
	maxChunk      = 256
	maxChunkBytes = 1 << 20
	// perTry is how long the store may take for one answer.
	perTry = 5 * time.Second
)

// Publish implements message.Broker. While the store is away it waits.
func (b *Broker) Publish(ctx context.Context, messages ...message.Message) error {
	byTopic, names := map[string][]message.Message{}, []string{}
	for _, m := range messages {
		if err := m.Check(); err != nil {
			return fmt.Errorf("%w: %w", message.ErrRefused, err)
		}
		if byTopic[m.Topic] == nil {
			names = append(names, m.Topic)
		}
		byTopic[m.Topic] = append(byTopic[m.Topic], m)
	}
	var asked []*publication
	for _, name := range names {
		t, err := b.topic(name)
		if err != nil {
			return err
		}
		asked = append(asked, t.appender.ask(ctx, byTopic[name])...)
	}
	var failed error
	for _, p := range asked {
		failed = errors.Join(failed, p.wait())
	}
	return failed
}

// A publication is messages of one topic that go into one chunk.
type publication struct {
	ctx      context.Context
	messages []message.Message
	done     chan error // holds one
}

func (p *publication) wait() error {
	select {
	case err := <-p.done:
		return err
	case <-p.ctx.Done():
		select {
		case err := <-p.done: // it says why
			return err
		case <-time.After(patience):
			return fmt.Errorf("embedded: publish to %q: %w", p.messages[0].Topic, p.ctx.Err())
		}
	}
}

// patience is how long a caller who has called off waits to be told why it took so
// long.
const patience = 100 * time.Millisecond

func size(messages []message.Message) (n int) {
	for _, m := range messages {
		n += len(m.Body)
	}
	return n
}

// An appender writes the chunks of a topic, one after another. What is asked of it
// while it writes one is in the next.
//
// The chunk's number is the one after the last that it knows of. If others were
// quicker it tries the next number. It must not use one that was used and removed:
// nobody would look there any more. A chunk is removed when it has been done with
// for longer than Broker.settle by the store's clock; so a number that was seen to
// be unused is safe to use for that long, and so are those after it. After half of
// that the appender looks again where the log ends, and one whose write took too
// long, as that of a process that was suspended, sees whether it has to write anew.
type appender struct {
	*topic
	at   int64     // the number to try
	seen time.Time // when a number that is not greater was seen to be unused

	mu      sync.Mutex
	asked   []*publication
	writing bool // a goroutine is at it
}

func (a *appender) ask(ctx context.Context, messages []message.Message) (asked []*publication) {
	for len(messages) > 0 {
		n := 1
		for n < len(messages) && n < maxChunk && size(messages[:n+1]) <= maxChunkBytes {
			n++
		}
		asked = append(asked, &publication{ctx, messages[:n], make(chan error, 1)})
		messages = messages[n:]
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, asked...)
	if !a.writing {
		a.writing = true
		a.tasks.Go(a.write)
	}
	return asked
}

// take returns what goes into the next chunk; nil: nothing is left to do.
func (a *appender) take() []*publication {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, messages, bytes := 0, 0, 0
	for ; n < len(a.asked); n++ {
		messages += len(a.asked[n].messages)
		bytes += size(a.asked[n].messages)
		if n > 0 && (messages > maxChunk || bytes > maxChunkBytes) {
			break
		}
	}
	next := a.asked[:n:n]
	a.asked = a.asked[n:]
	a.writing = n > 0
	return next
}

// write writes chunks until nothing is asked.
func (a *appender) write() {
	for next := a.take(); len(next) > 0; next = a.take() {
		c := chunk{id: rand.Text()}
		for _, p := range next {
			c.messages = append(c.messages, p.messages...)
		}
		err := a.append(next, c)
		if err != nil {
			err = fmt.Errorf("embedded: publish to %q: %w", a.name, err)
		}
		for _, p := range next {
			p.done <- err
		}
	}
}

// append tries until the chunk is written, or nobody waits for it any more.
func (a *appender) append(who []*publication, c chunk) error {
	value, err := c.encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(a.running)
	defer cancel()
	var waiting atomic.Int64
	waiting.Store(int64(len(who)))
	for _, p := range who {
		stop := context.AfterFunc(p.ctx, func() {
			if waiting.Add(-1) == 0 {
				cancel()
			}
		})
		defer stop()
	}
	w := writing{appender: a, id: c.id, value: value, maybe: map[int64]bool{}}
	for pause := time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		done, err := w.try(ctx)
		switch {
		case done:
			return nil
		case err == nil:
			pause = time.Millisecond
			continue
		case errors.Is(err, store.ErrClosed):
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; the last error of the store: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

// A writing is a chunk on its way.
type writing struct {
	*appender
	id    string
	value []byte
	maybe map[int64]bool // numbers under which it may have been written
}

// try tries one number. No error: the next one is to be tried.
func (w *writing) try(ctx context.Context) (done bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, perTry)
	defer cancel()
	if elapsed(w.seen) > w.settle/2 {
		seen := time.Now()
		at, err := w.end(ctx)
		if err != nil {
			return false, err
		}
		if done, err := w.written(ctx); done || err != nil { // behind where we look from now on
			return done, err
		}
		w.at, w.seen = at, seen
	}
	at, asked := w.at, time.Now()
	_, err = w.store.Put(ctx, store.Write{Key: w.chunkKey(at), Value: w.value})
	switch {
	case errors.Is(err, store.ErrConflict):
		if w.maybe[at] {
			if done, err := w.written(ctx); done || err != nil {
				return done, err
			}
		}
		w.at++
		return false, nil
	case err != nil:
		w.maybe[at] = true
		return false, err
	}
	w.maybe[at] = true
	if elapsed(w.seen) > w.settle {
		if b, _, err := w.bounds(ctx); err != nil || b.Floor > at {
			w.seen = time.Time{} // there it may not be found
			if err == nil {
				clear(w.maybe)
			}
			return false, err
		}
	}
	w.at, w.seen = at+1, asked
	return true, nil
}

// written looks whether a write that has failed was written after all.
func (w *writing) written(ctx context.Context) (bool, error) {
	for at := range w.maybe {
		c, ok, err := w.chunk(ctx, at)
		if err != nil {
			return false, err
		}
		if !ok || c.id != w.id {
			continue
		}
		b, _, err := w.bounds(ctx)
		if err == nil && b.Floor <= at { // else nobody may have looked there any more
			w.at, w.seen = max(w.at, at+1), time.Time{}
		}
		return err == nil && b.Floor <= at, err
	}
	return false, nil
}

// elapsed is how long ago that was, also if the machine has slept meanwhile.
func elapsed(since time.Time) time.Duration {
	return max(time.Since(since), time.Since(since.Round(0)))
}
