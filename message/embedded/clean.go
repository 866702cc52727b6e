package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/seguehq/segue/store"
)

// atOnce is how many chunks are removed at the same time.
const atOnce = 16

// clean removes what is done with of the topics in use, until the broker is closed.
// An error is met again in the next round: it is no loss that something stays.
func (b *Broker) clean() {
	tick := time.NewTicker(b.settle / 3)
	defer tick.Stop()
	for {
		select {
		case <-b.running.Done():
			return
		case <-tick.C:
		}
		for _, t := range b.inUse() {
			_ = t.round(b.running)
		}
	}
}

// round removes what two rounds ago was done with. Rounds of all processes are
// Broker.settle apart, by the store's clock: the first to come takes it.
func (t *topic) round(ctx context.Context) error {
	_, err := t.store.Put(ctx, store.Write{Key: trimPrefix + t.name, TTL: t.settle})
	if err != nil {
		return err // ErrConflict: it is too early
	}
	b, revision, err := t.bounds(ctx)
	if err != nil {
		return err
	}
	// The end first: who comes later than the list begins further on.
	limit, err := t.next(ctx, b.Limit)
	if err != nil {
		return err
	}
	if limit, err = t.wanted(ctx, limit); err != nil {
		return err
	}
	if err := t.remove(ctx, b.Gone, b.Floor); err != nil {
		return err
	}
	next := bounds{Gone: b.Floor, Floor: b.Limit, Limit: max(limit, b.Limit)}
	if next == b {
		return nil
	}
	value, err := json.Marshal(next)
	if err != nil {
		return err
	}
	_, err = t.store.Put(ctx, store.Write{Key: topicPrefix + t.name, Value: value, Expect: revision})
	return err
}

// wanted is the first chunk that somebody has yet to read or to be done with, or
// end if there is none.
func (t *topic) wanted(ctx context.Context, end int64) (int64, error) {
	for e, err := range t.store.List(ctx, groupPrefix+t.name+"/") {
		if err != nil {
			return 0, err
		}
		s, err := decodeState(e.Value)
		if err != nil {
			return 0, err
		}
		end = min(end, s.floor())
	}
	for e, err := range t.store.List(ctx, readerPrefix+t.name+"/") {
		if err != nil {
			return 0, err
		}
		at, err := strconv.ParseInt(string(e.Value), 10, 64)
		if err != nil {
			return 0, err
		}
		end = min(end, at)
	}
	return end, nil
}

// remove removes the chunks from one up to another.
func (t *topic) remove(ctx context.Context, from, to int64) error {
	var mu sync.Mutex
	var failed error
	for ; from < to; from += atOnce {
		var removing sync.WaitGroup
		for n := from; n < min(to, from+atOnce); n++ {
			removing.Go(func() {
				err := t.store.Delete(ctx, t.chunkKey(n), store.Any)
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			})
		}
		removing.Wait()
		if failed != nil {
			return failed
		}
	}
	return nil
}
