package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/store"
)

// entries is a store.Locker made of the entries of any store.
//
//	lock/line/KEY    who holds the lock and who waits, in their order; written by
//	                 compare-and-swap alone
//	lock/lease/NAME  is there for as long as the one of that name in a line is
//	                 alive: it expires by the store's clock
//	lock/wake/ID     is written to wake a waiter
//
// Safety rests on this: a name's lease is created once, before the name stands in
// a line, and what has expired is never created again. So whoever reads a line
// and then finds no lease for a name in it may take that name out, if the line is
// still the one that he has read; and whoever stands first in a line and then
// succeeds in extending his lease was first all the time.
type entries struct {
	store store.Store
	self  string

	mu     sync.Mutex
	stands map[string]*stand // by ID; those that have a lease
}

// A stand is one ID's lease. Its owner alone writes it, one write after another.
type stand struct {
	names int    // how many it has had
	name  string // "": none that is alive
	at    store.Revision
}

const (
	linePrefix  = "lock/line/"
	leasePrefix = "lock/lease/"
	clockPrefix = "lock/clock/"

	wakeKept  = time.Minute // an entry that has woken somebody
	clockKept = time.Minute // one that asks for the time
)

func newEntries(s store.Store, self string) *entries {
	return &entries{store: s, self: self, stands: map[string]*stand{}}
}

// A line is the entry of a lock. Its first is the holder.
type line struct {
	Token   store.Revision `json:"token,omitempty"` // of the holder; 0: the revision of this entry
	Parties []place        `json:"line"`
	at      store.Revision // Absent: nobody is in it
}

// A place is one of a line.
type place struct {
	Name  string        `json:"name"` // ID.N, see stand
	Owner string        `json:"owner"`
	Since time.Time     `json:"since"`
	Wake  string        `json:"wake,omitempty"`
	Lease time.Duration `json:"lease"`
}

func (p place) id() string { return p.Name[:max(strings.LastIndexByte(p.Name, '.'), 0)] }

func (e *entries) read(ctx context.Context, key string) (*line, error) {
	entry, err := e.store.Get(ctx, linePrefix+key)
	if errors.Is(err, store.ErrNotFound) {
		return &line{}, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeLine(key, entry)
}

func decodeLine(key string, entry store.Entry) (*line, error) {
	l := &line{}
	if err := json.Unmarshal(entry.Value, l); err != nil {
		return nil, fmt.Errorf("entry %q is not a lock's: %w", linePrefix+key, err)
	}
	if l.at = entry.Revision; l.Token == 0 {
		l.Token = l.at
	}
	return l, nil
}

// write replaces the line that was read. If its first is another one than before
// it is granted the lock, and woken unless it is the caller.
func (e *entries) write(ctx context.Context, key string, l *line, before, caller string) error {
	if len(l.Parties) == 0 {
		if l.at == store.Absent {
			return nil
		}
		return e.store.Delete(ctx, linePrefix+key, l.at)
	}
	first := &l.Parties[0]
	granted := first.Name != before
	if granted {
		l.Token, first.Since = 0, time.Now()
	}
	value, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if l.at, err = e.store.Put(ctx, store.Write{Key: linePrefix + key, Value: value, Expect: l.at}); err != nil {
		return err
	}
	if granted {
		l.Token = l.at
	}
	if granted && first.Name != caller && first.Wake != "" {
		_, err = e.store.Put(ctx, store.Write{Key: first.Wake, Expect: store.Any, TTL: wakeKept})
	}
	return err
}

// first is the name of the line's first.
func (l *line) first() string {
	if len(l.Parties) == 0 {
		return ""
	}
	return l.Parties[0].Name
}

// AcquireLock implements store.Locker.
func (e *entries) AcquireLock(ctx context.Context, r store.LockRequest) (store.LockGrant, error) {
	if err := r.Check(); err != nil {
		return store.LockGrant{}, err
	}
	for {
		g, err := e.acquire(ctx, r)
		if !errors.Is(err, store.ErrConflict) {
			return g, err
		}
	}
}

// acquire tries once. ErrConflict says that somebody else was quicker.
func (e *entries) acquire(ctx context.Context, r store.LockRequest) (store.LockGrant, error) {
	l, err := e.read(ctx, r.Key)
	if err != nil {
		return store.LockGrant{}, err
	}
	s := e.stand(r.ID)
	had := s.name
	before, parties := l.first(), len(l.Parties)
	// What it had and has lost; then all before the first who is alive.
	l.Parties = slices.DeleteFunc(l.Parties, func(p place) bool { return p.id() == r.ID && p.Name != s.name })
	if err := e.dropDead(ctx, l, s.name); err != nil {
		return store.LockGrant{}, err
	}
	mine := l.index(s.name)
	joins := mine < 0 && (!r.Try || len(l.Parties) == 0)
	if joins {
		if err := e.join(ctx, l, s, r); err != nil {
			return store.LockGrant{}, err
		}
		mine = len(l.Parties) - 1
	}
	if joins || len(l.Parties) != parties {
		if err := e.write(ctx, r.Key, l, before, s.name); err != nil {
			return store.LockGrant{}, err
		}
	}
	if mine == 0 && s.name != had {
		return store.LockGrant{Token: l.Token, Holder: l.Parties[0].party(r.Lease)}, nil // its lease is new
	}
	return e.answer(ctx, r, l, s, mine)
}

// join adds a name to the line, after its lease: the one it has, if that is in no
// line because another was quicker, or a new one.
func (e *entries) join(ctx context.Context, l *line, s *stand, r store.LockRequest) error {
	if s.name == "" {
		s.names++
		name := r.ID + "." + strconv.Itoa(s.names)
		at, err := e.store.Put(ctx, store.Write{Key: leasePrefix + name, TTL: r.Lease})
		if err != nil {
			return err
		}
		s.name, s.at = name, at
		e.keep(r.ID, s)
	}
	l.Parties = append(l.Parties, place{Name: s.name, Owner: r.Owner, Since: time.Now(), Wake: r.Wake, Lease: r.Lease})
	return nil
}

// answer extends what is at that place of the line.
func (e *entries) answer(ctx context.Context, r store.LockRequest, l *line, s *stand, mine int) (store.LockGrant, error) {
	g := store.LockGrant{Ahead: len(l.Parties)}
	keep := r.Place
	if mine >= 0 {
		g.Ahead = mine
	}
	if mine == 0 {
		g.Token, keep = l.Token, r.Lease
	}
	if mine >= 0 {
		if err := e.extend(ctx, s, keep); err != nil {
			return store.LockGrant{}, err // ErrConflict: it has lost its place
		}
	}
	switch {
	case mine == 0:
		g.Holder = l.Parties[0].party(r.Lease)
	case len(l.Parties) > 0:
		now, err := e.now(ctx)
		if err != nil {
			return store.LockGrant{}, err
		}
		left, err := e.left(ctx, l.Parties[0].Name, now)
		if err != nil {
			return store.LockGrant{}, err
		}
		g.Holder = l.Parties[0].party(left)
	}
	return g, nil
}

func (l *line) index(name string) int {
	return slices.IndexFunc(l.Parties, func(p place) bool { return p.Name == name })
}

// dropDead takes out those before the first who is alive. except is.
func (e *entries) dropDead(ctx context.Context, l *line, except string) error {
	for len(l.Parties) > 0 && l.Parties[0].Name != except {
		_, err := e.store.Get(ctx, leasePrefix+l.Parties[0].Name)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		l.Parties = l.Parties[1:]
	}
	return nil
}

// left is how long the lease of a name goes on, at this time of the store.
func (e *entries) left(ctx context.Context, name string, now time.Time) (time.Duration, error) {
	lease, err := e.store.Get(ctx, leasePrefix+name)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return max(lease.Expires.Sub(now), 0), err
}

// now is the store's time: when something expires that it gets now.
func (e *entries) now(ctx context.Context) (time.Time, error) {
	key := clockPrefix + e.self
	if _, err := e.store.Put(ctx, store.Write{Key: key, Expect: store.Any, TTL: clockKept}); err != nil {
		return time.Time{}, err
	}
	entry, err := e.store.Get(ctx, key)
	return entry.Expires.Add(-clockKept), err
}

func (p place) party(left time.Duration) store.LockParty {
	return store.LockParty{ID: p.id(), Owner: p.Owner, Since: p.Since, Left: left}
}

// stand is what the ID has, or one without a name.
func (e *entries) stand(id string) *stand {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.stands[id]; s != nil {
		return s
	}
	return &stand{}
}

func (e *entries) keep(id string, s *stand) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stands[id] = s
}

// extend makes a lease last anew. A conflict may be with an earlier write of its
// own, of which the answer was lost; only an entry that is not there is one.
func (e *entries) extend(ctx context.Context, s *stand, ttl time.Duration) error {
	if s.name == "" {
		return store.ErrConflict
	}
	key := leasePrefix + s.name
	for {
		at, err := e.store.Put(ctx, store.Write{Key: key, Expect: s.at, TTL: ttl})
		if !errors.Is(err, store.ErrConflict) {
			if err == nil {
				s.at = at
			}
			return err
		}
		entry, err := e.store.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			s.name = ""
			return store.ErrConflict
		}
		if err != nil {
			return err
		}
		s.at = entry.Revision
	}
}

// drop gives up a lease, and tells whether it was there.
func (e *entries) drop(ctx context.Context, s *stand) (bool, error) {
	if s.name == "" {
		return false, nil
	}
	key := leasePrefix + s.name
	for {
		err := e.store.Delete(ctx, key, s.at)
		if !errors.Is(err, store.ErrConflict) {
			return err == nil, err
		}
		entry, err := e.store.Get(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		s.at = entry.Revision
	}
}

// ExtendLock implements store.Locker. A lease that is there belongs to one who
// has not been taken out of the line.
func (e *entries) ExtendLock(ctx context.Context, _, id string, lease time.Duration) error {
	return e.extend(ctx, e.stand(id), lease)
}

// ReleaseLock implements store.Locker. Who had a lease to the last had its place
// to the last.
func (e *entries) ReleaseLock(ctx context.Context, key, id string) error {
	for {
		err := e.takeOut(ctx, key, id)
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	alive, err := e.drop(ctx, e.stand(id))
	if err != nil {
		return err
	}
	e.mu.Lock()
	delete(e.stands, id)
	e.mu.Unlock()
	if !alive {
		return store.ErrConflict
	}
	return nil
}

// takeOut takes the ID out of the line, and the dead before the next who is alive.
func (e *entries) takeOut(ctx context.Context, key, id string) error {
	l, err := e.read(ctx, key)
	if err != nil {
		return err
	}
	before, parties := l.first(), len(l.Parties)
	l.Parties = slices.DeleteFunc(l.Parties, func(p place) bool { return p.id() == id })
	if err := e.dropDead(ctx, l, ""); err != nil {
		return err
	}
	if len(l.Parties) == parties {
		return nil
	}
	return e.write(ctx, key, l, before, "")
}

// Locks implements store.Locker. Lines of which nobody is alive are left out.
func (e *entries) Locks(ctx context.Context, prefix string) iter.Seq2[store.LockState, error] {
	return func(yield func(store.LockState, error) bool) {
		now, err := e.now(ctx)
		if err != nil {
			yield(store.LockState{}, err)
			return
		}
		for entry, err := range e.store.List(ctx, linePrefix+prefix) {
			var s store.LockState
			if err == nil {
				s, err = e.state(ctx, entry, now)
			}
			if err == nil && s.Holder.ID == "" {
				continue
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

func (e *entries) state(ctx context.Context, entry store.Entry, now time.Time) (store.LockState, error) {
	key := strings.TrimPrefix(entry.Key, linePrefix)
	s := store.LockState{Key: key}
	l, err := decodeLine(key, entry)
	if err != nil {
		return s, err
	}
	s.Token = l.Token
	for n, p := range l.Parties {
		left, err := e.left(ctx, p.Name, now)
		if err != nil {
			return s, err
		}
		party := p.party(left)
		switch {
		case left == 0:
		case n == 0:
			s.Holder = party
		default:
			s.Waiters = append(s.Waiters, party)
		}
	}
	return s, nil
}
