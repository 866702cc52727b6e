// Package hub passes changes on to watchers: what drivers have in common. A
// watcher that is too slow loses no change, as changes of one key become one,
// and a bound on keys becomes a word that some were missed.
package hub

import (
	"context"
	"strings"
	"sync"

	"github.com/seguehq/segue/store"
)

// maxPending is how many keys may wait for a watcher before it has to look at
// everything again.
const maxPending = 4096

// A Hub has watchers. The zero value is ready; it may be used concurrently.
type Hub struct {
	mu       sync.Mutex
	watchers map[*Watcher]bool
	closed   bool
}

// Watch adds a watcher of the keys that begin with prefix. onClose is called
// once, when it is closed; it may be nil.
func (h *Hub) Watch(prefix string, onClose func()) (*Watcher, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, store.ErrClosed
	}
	w := &Watcher{hub: h, prefix: prefix, onClose: onClose, wake: make(chan struct{}, 1), done: make(chan struct{}), keys: map[string]bool{}}
	if h.watchers == nil {
		h.watchers = map[*Watcher]bool{}
	}
	h.watchers[w] = true
	return w, nil
}

// Changed tells the watchers that look at the key.
func (h *Hub) Changed(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if strings.HasPrefix(key, w.prefix) {
			w.add(key)
		}
	}
}

// Missed tells every watcher that changes may not have been told.
func (h *Hub) Missed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		w.miss()
	}
}

// Close ends all watchers, and lets nobody watch any more.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	open := h.watchers
	h.watchers = nil
	h.mu.Unlock()
	for w := range open {
		w.end()
	}
}

// A Watcher is a store.Watcher.
type Watcher struct {
	hub     *Hub
	prefix  string
	onClose func()
	wake    chan struct{} // holds one when something is pending
	done    chan struct{}
	once    sync.Once

	mu     sync.Mutex
	keys   map[string]bool // pending
	order  []string        // of keys, as they came
	missed bool
}

func (w *Watcher) add(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.keys[key]:
		return
	case len(w.keys) >= maxPending:
		w.missLocked()
		return
	}
	w.keys[key] = true
	w.order = append(w.order, key)
	w.signal()
}

func (w *Watcher) miss() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.missLocked()
}

// missLocked forgets the keys: everything is to be looked at again.
func (w *Watcher) missLocked() {
	w.missed = true
	clear(w.keys)
	w.order = nil
	w.signal()
}

func (w *Watcher) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Next implements store.Watcher.
func (w *Watcher) Next(ctx context.Context) (store.Change, error) {
	for {
		if c, ok := w.take(); ok {
			return c, nil
		}
		select {
		case <-w.wake:
		case <-w.done:
			return store.Change{}, store.ErrClosed
		case <-ctx.Done():
			return store.Change{}, ctx.Err()
		}
	}
}

func (w *Watcher) take() (store.Change, bool) {
	select {
	case <-w.done:
		return store.Change{}, false
	default:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.missed {
		w.missed = false
		return store.Change{Missed: true}, true
	}
	if len(w.order) == 0 {
		return store.Change{}, false
	}
	key := w.order[0]
	w.order = w.order[1:]
	delete(w.keys, key)
	return store.Change{Key: key}, true
}

// Close implements store.Watcher.
func (w *Watcher) Close() error {
	w.hub.mu.Lock()
	delete(w.hub.watchers, w)
	w.hub.mu.Unlock()
	w.end()
	return nil
}

func (w *Watcher) end() {
	w.once.Do(func() {
		close(w.done)
		if w.onClose != nil {
			w.onClose()
		}
	})
}
