// Package memory is a store in the memory of one process: for tests, and for
// programs of which there is one copy. Nothing of it survives the process.
package memory

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/internal/hub"
	"github.com/seguehq/segue/store/internal/queue"
)

// Store is a store.Store: a handle on data in this process's memory. It must not
// be copied.
type Store struct {
	data *data
	hub  hub.Hub
}

// data is what all handles share.
type data struct {
	mu      sync.Mutex
	entries map[string]store.Entry
	locks   map[string]*queue.Lock // those that are held
	made    time.Time              // what the leases of locks are counted from
	last    store.Revision         // the greatest there was
	writes  int                    // since expired entries were last looked for
	open    map[*Store]bool
}

// New returns a handle on an empty store.
func New() *Store {
	return (&data{entries: map[string]store.Entry{}, locks: map[string]*queue.Lock{}, made: time.Now(), open: map[*Store]bool{}}).handle()
}

// Handle returns another handle on the same data, as another process would have
// one; it is closed by itself.
func (s *Store) Handle() *Store { return s.data.handle() }

func (d *data) handle() *Store {
	s := &Store{data: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[s] = true
	return s
}

// enter locks the data for a handle that is open, until the caller unlocks it.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.data.mu.Lock()
	if !s.data.open[s] {
		s.data.mu.Unlock()
		return store.ErrClosed
	}
	return nil
}

// changed tells the watchers of every handle. d.mu is held.
func (d *data) changed(key string) {
	for s := range d.open {
		s.hub.Changed(key)
	}
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key string) (store.Entry, error) {
	if err := store.CheckKey(key); err != nil {
		return store.Entry{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Entry{}, err
	}
	defer s.data.mu.Unlock()
	e, ok := s.data.live(key)
	if !ok {
		return store.Entry{}, store.ErrNotFound
	}
	e.Value = bytes.Clone(e.Value)
	return e, nil
}

// live is the entry, if it has not expired. d.mu is held.
func (d *data) live(key string) (store.Entry, bool) {
	e, ok := d.entries[key]
	if ok && !e.Expires.IsZero() && !time.Now().Before(e.Expires) {
		delete(d.entries, key)
		return store.Entry{}, false
	}
	return e, ok
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, w store.Write) (store.Revision, error) {
	if err := w.Check(); err != nil {
		return 0, err
	}
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.data.mu.Unlock()
	if old, _ := s.data.live(w.Key); w.Expect != store.Any && old.Revision != w.Expect {
		return 0, store.ErrConflict
	}
	return s.data.put(w).Revision, nil
}

// put writes, whatever is there. d.mu is held.
func (d *data) put(w store.Write) store.Entry {
	e := store.Entry{Key: w.Key, Value: bytes.Clone(w.Value), Revision: d.next()}
	if w.TTL > 0 {
		e.Expires = time.Now().Add(w.TTL)
	}
	d.entries[w.Key] = e
	d.sweep()
	d.changed(w.Key)
	return e
}

// sweep drops expired entries that nobody asks for, once in as many writes as
// there are entries, so that it costs each write the same. d.mu is held.
func (d *data) sweep() {
	if d.writes++; d.writes < len(d.entries) {
		return
	}
	d.writes = 0
	for key := range d.entries {
		d.live(key)
	}
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key string, expect store.Revision) error {
	if err := store.CheckKey(key); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.data.mu.Unlock()
	old, ok := s.data.live(key)
	if expect != store.Any && (!ok || old.Revision != expect) {
		return store.ErrConflict
	}
	if ok {
		delete(s.data.entries, key)
		s.data.changed(key)
	}
	return nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		keys, err := s.keys(ctx, prefix)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for _, key := range keys {
			e, err := s.Get(ctx, key)
			if err == store.ErrNotFound {
				continue
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (s *Store) keys(ctx context.Context, prefix string) ([]string, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.data.mu.Unlock()
	var keys []string
	for key := range s.data.entries {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// Watch implements store.Store.
func (s *Store) Watch(_ context.Context, prefix string) (store.Watcher, error) {
	w, err := s.hub.Watch(prefix, nil)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.data.mu.Lock()
	delete(s.data.open, s)
	s.data.mu.Unlock()
	s.hub.Close()
	return nil
}
