// Package store is the one small contract on which sessions, caches, locks, jobs
// and flags rest: entries that are read, written if nobody else has written
// meanwhile, forgotten after a time, listed and watched.
//
// It promises, on every driver:
//
//   - Linearizable entries. A Put or Delete that returned nil is seen by every
//     Get and List that begins after it, in whatever process. Of several that
//     expect the same revision, exactly one succeeds.
//   - Revisions only grow. Each write of the store gets a revision greater than
//     that of every write to the same key before it, also of entries that were
//     deleted or have expired since: a revision can serve as a fencing token.
//   - Nothing is returned that has expired, by the store's own clock; the clocks
//     of the processes that use it do not matter.
//   - An error other than [ErrNotFound] and [ErrConflict] may have been too late:
//     the write may have happened (a connection that broke before the answer).
//     Ask again, by Get.
//
// Drivers are in the subfolders; each passes the suite of package storetest.
// Package open opens any of them by a URL.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// A Store keeps entries. It may be used concurrently.
type Store interface {
	// Get returns the entry, or ErrNotFound.
	Get(ctx context.Context, key string) (Entry, error)

	// Put writes an entry if its revision is the one expected, and returns the new
	// one. Otherwise it returns ErrConflict.
	Put(ctx context.Context, w Write) (Revision, error)

	// Delete removes an entry if its revision is the one expected; Any never
	// conflicts. That the entry is not there is no error with Any, and ErrConflict
	// otherwise.
	Delete(ctx context.Context, key string, expect Revision) error

	// List yields the entries whose keys begin with prefix, in the order of their
	// keys (bytewise). It is no snapshot: an entry that is written while the list
	// is read may or may not be in it. The first error ends it.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]

	// Watch tells of changes to entries whose keys begin with prefix, from its
	// return on. The context bounds the call; the watcher lives until its Close,
	// or the store's.
	Watch(ctx context.Context, prefix string) (Watcher, error)

	// Close lets go of connections and files. Entries stay.
	Close() error
}

// A Revision tells the states of an entry apart.
type Revision int64

const (
	// Absent is the revision of an entry that is not there. As an expectation it
	// means: create it.
	Absent Revision = 0
	// Any expects nothing.
	Any Revision = -1
)

// An Entry is what the store keeps under a key.
type Entry struct {
	Key      string
	Value    []byte // belongs to the caller
	Revision Revision
	Expires  time.Time // by the store's clock; zero: never
}

// A Write is what Put is asked for. Its zero revision creates an entry and
// overwrites none.
type Write struct {
	Key    string
	Value  []byte        // not kept beyond the call
	Expect Revision      // Absent, Any, or that of the entry which was read
	TTL    time.Duration // how long it is kept; 0: for ever. At least a millisecond
}

// Bounds of what every driver takes. Keys are UTF-8 without NUL.
const (
	MaxKey   = 512      // bytes
	MaxValue = 16 << 20 // bytes
)

// Check reports what no driver takes.
func (w Write) Check() error {
	if err := CheckKey(w.Key); err != nil {
		return err
	}
	switch {
	case len(w.Value) > MaxValue:
		return fmt.Errorf("store: put %q: the value has %d bytes, more than the %d that an entry may have", w.Key, len(w.Value), MaxValue)
	case w.TTL < 0, w.TTL > 0 && w.TTL < time.Millisecond:
		return fmt.Errorf("store: put %q: a time to live of %v; it is 0 (for ever) or a millisecond at least", w.Key, w.TTL)
	case w.Expect < Any:
		return fmt.Errorf("store: put %q: revision %d is none", w.Key, w.Expect)
	}
	return nil
}

var (
	// ErrNotFound: there is no such entry, or no longer.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict: the entry's revision is not the one expected.
	ErrConflict = errors.New("store: another has written meanwhile")
	// ErrClosed: the store or the watcher was closed.
	ErrClosed = errors.New("store: closed")
)

// A Watcher tells of changes. Next is called by one goroutine at a time; Close
// may be called by any, and ends Next.
type Watcher interface {
	// Next waits for the next change. It returns ErrClosed after Close, and the
	// context's error when that is done, after which it may be called again. No
	// other error: what interrupts a watcher makes it try again and say Missed.
	Next(ctx context.Context) (Change, error)
	Close() error
}

// A Change says that an entry is not what it was. It carries no value: who wants
// it gets it. Several changes of a key may be told as one, and a change may be
// told more than once; none that comes last is left out. Entries that expire
// are told sooner or later, or never.
type Change struct {
	Key string
	// Missed: changes may not have been told (the connection broke, the watcher
	// was too slow). Everything under the prefix has to be looked at again. Key is
	// empty.
	Missed bool
}

// Prefixed is a store of which all keys begin with prefix, unseen by those who
// use it: a room of one's own in a store that several share. Closing it does
// not close s.
func Prefixed(s Store, prefix string) Store { return &prefixed{s, prefix} }

type prefixed struct {
	Store
	prefix string
}

func (p *prefixed) Get(ctx context.Context, key string) (Entry, error) {
	e, err := p.Store.Get(ctx, p.prefix+key)
	e.Key = key
	return e, err
}

func (p *prefixed) Put(ctx context.Context, w Write) (Revision, error) {
	w.Key = p.prefix + w.Key
	return p.Store.Put(ctx, w)
}

func (p *prefixed) Delete(ctx context.Context, key string, expect Revision) error {
	return p.Store.Delete(ctx, p.prefix+key, expect)
}

func (p *prefixed) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range p.Store.List(ctx, p.prefix+prefix) {
			if err == nil {
				e.Key = e.Key[len(p.prefix):]
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (p *prefixed) Watch(ctx context.Context, prefix string) (Watcher, error) {
	w, err := p.Store.Watch(ctx, p.prefix+prefix)
	if err != nil {
		return nil, err
	}
	return &prefixedWatcher{w, p.prefix}, nil
}

func (p *prefixed) Close() error { return nil }

type prefixedWatcher struct {
	Watcher
	prefix string
}

func (w *prefixedWatcher) Next(ctx context.Context) (Change, error) {
	c, err := w.Watcher.Next(ctx)
	if err == nil && !c.Missed {
		c.Key = c.Key[len(w.prefix):]
	}
	return c, err
}
