// Package queue is the rules of store.Locker as a value: for drivers that keep a
// lock where Go can read and write it in one piece. Others have the same rules in
// the language of their server; storetest holds all to them.
package queue

import (
	"slices"
	"time"

	"github.com/seguehq/segue/store"
)

// A Lock is who holds it and who waits. The zero value is free.
type Lock struct {
	Token   store.Revision `json:"token"`
	Parties []Party        `json:"line"` // in their order; the first is the holder
}

// A Party stands in a lock's line.
type Party struct {
	ID    string        `json:"id"`
	Owner string        `json:"owner,omitempty"`
	Wake  string        `json:"wake,omitempty"`
	Lease time.Duration `json:"lease"` // that it is granted when its turn comes
	Since int64         `json:"since"` // it holds or waits, in milliseconds of the wall clock
	Lasts time.Duration `json:"lasts"` // its lease or its place, at the most
	Until time.Duration `json:"until"` // that ends, by Now.Lease
}

// Now is the store's time.
type Now struct {
	Lease time.Duration // of the clock that leases go by
	Wall  time.Time
}

// lasts makes what the party has end this long from now.
func (p *Party) lasts(d time.Duration, now Now) { p.Lasts, p.Until = d, now.Lease+d }

func (p *Party) party(now Now) store.LockParty {
	return store.LockParty{ID: p.ID, Owner: p.Owner, Since: time.UnixMilli(p.Since), Left: max(p.Until-now.Lease, 0)}
}

// Acquire is store.Locker's AcquireLock. next makes the token of a grant. It
// returns the key to be told as changed, if any.
func (l *Lock) Acquire(r store.LockRequest, now Now, next func() store.Revision) (g store.LockGrant, wake string) {
	wake = l.settle(now, next)
	at := l.index(r.ID)
	if at < 0 && r.Try && len(l.Parties) > 0 {
		return store.LockGrant{Holder: l.Parties[0].party(now), Ahead: len(l.Parties)}, wake
	}
	if at < 0 {
		at = len(l.Parties)
		l.Parties = append(l.Parties, Party{ID: r.ID, Owner: r.Owner, Wake: r.Wake, Since: now.Wall.UnixMilli()})
		if at == 0 {
			l.Token = next()
		}
	}
	p := &l.Parties[at]
	p.Lease = r.Lease
	p.lasts(r.Place, now)
	if at == 0 {
		p.lasts(r.Lease, now)
		g.Token = l.Token
	}
	if wake == r.Wake {
		wake = ""
	}
	g.Holder, g.Ahead = l.Parties[0].party(now), at
	return g, wake
}

// Extend is store.Locker's ExtendLock; ok is false for ErrConflict.
func (l *Lock) Extend(id string, lease time.Duration, now Now, next func() store.Revision) (ok bool, wake string) {
	wake = l.settle(now, next)
	if l.index(id) != 0 || wake != "" {
		return false, wake
	}
	l.Parties[0].lasts(lease, now)
	return true, ""
}

// Release is store.Locker's ReleaseLock; ok is false for ErrConflict.
func (l *Lock) Release(id string, now Now, next func() store.Revision) (ok bool, wake string) {
	if wake = l.settle(now, next); wake != "" && l.Parties[0].ID == id {
		wake = ""
	}
	at := l.index(id)
	if at < 0 {
		return false, wake
	}
	l.Parties = slices.Delete(l.Parties, at, at+1)
	if at == 0 && len(l.Parties) > 0 {
		wake = l.grant(now, next)
	}
	return true, wake
}

// State is how the lock stands; false if nobody holds it.
func (l *Lock) State(key string, now Now) (store.LockState, bool) {
	s := store.LockState{Key: key, Token: l.Token}
	for n, p := range l.Parties {
		switch party := p.party(now); {
		case n == 0:
			s.Holder = party
		case party.Left > 0:
			s.Waiters = append(s.Waiters, party)
		}
	}
	return s, s.Holder.Left > 0
}

// Ends is when the last of the line is dead, by Now.Lease.
func (l *Lock) Ends() (end time.Duration) {
	for _, p := range l.Parties {
		end = max(end, p.Until)
	}
	return end
}

// settle takes out those whose time has ended, and makes the next one holder if
// the holder is among them. A time that ends later than it may is of a clock that
// has gone back since, as that of a machine which was started anew.
func (l *Lock) settle(now Now, next func() store.Revision) (wake string) {
	if len(l.Parties) == 0 {
		return ""
	}
	before := l.Parties[0].ID
	l.Parties = slices.DeleteFunc(l.Parties, func(p Party) bool { return p.Until <= now.Lease })
	for n := range l.Parties {
		if p := &l.Parties[n]; p.Until > now.Lease+p.Lasts {
			p.lasts(p.Lasts, now)
		}
	}
	if len(l.Parties) == 0 || l.Parties[0].ID == before {
		return ""
	}
	return l.grant(now, next)
}

// grant makes the first of the line the holder.
func (l *Lock) grant(now Now, next func() store.Revision) (wake string) {
	p := &l.Parties[0]
	l.Token, p.Since = next(), now.Wall.UnixMilli()
	p.lasts(p.Lease, now)
	return p.Wake
}

func (l *Lock) index(id string) int {
	return slices.IndexFunc(l.Parties, func(p Party) bool { return p.ID == id })
}
