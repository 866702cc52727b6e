package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seguehq/segue/store"
)

// Commit saves what was changed, and returns the token and until when it is good.
// It writes once and reads nothing, unless others have written meanwhile. If
// nothing was changed it writes nothing, or that the session is in use. The token
// is empty if the session is new and nothing was put into it, or was destroyed,
// by this request or another.
//
// LoadAndSave calls it before the response begins and, if something was changed
// since, at its end. A handler that goes on for long, as that of a WebSocket does,
// calls it when it has changed something. That the client has gone away does not
// keep it from saving.
func (m *Manager) Commit(ctx context.Context) (token string, expires time.Time, err error) {
	s := m.of(ctx)
	defer s.mu.Unlock()
	if err := m.commit(context.WithoutCancel(ctx), s); err != nil {
		return "", time.Time{}, err
	}
	return s.token, s.record.deadline(), nil
}

// commit saves s, which is locked. A session that turns out to be gone was
// destroyed: what was to be written goes with it.
func (m *Manager) commit(ctx context.Context, s *state) error {
	if s.err != nil {
		return s.err
	}
	err := m.carryOut(ctx, s)
	if errors.Is(err, errGone) {
		s.reset(m)
		return nil
	}
	if err == nil {
		s.changes = changes{}
		s.renew = false
		if s.status == Modified {
			s.status = Unmodified
		}
	}
	return err
}

// carryOut chooses among the ways to save.
func (m *Manager) carryOut(ctx context.Context, s *state) error {
	switch {
	case s.renew:
		return m.renew(ctx, s)
	case s.changes.none():
		return m.touch(ctx, s)
	case s.key == "":
		return m.create(ctx, s)
	}
	if s.changes.updates() {
		s.mark = markPrefix + newToken()[:8]
		s.put(s.mark, number(time.Now().UnixMilli()))
	}
	if s.before != nil {
		return m.follow(ctx, s, s.before)
	}
	return m.save(ctx, s)
}

// reset leaves a new session in the place of one that is gone.
func (s *state) reset(m *Manager) {
	s.entry = m.newState().entry
	s.changes, s.token, s.renew, s.before, s.cookie = changes{}, "", false, nil, false
	s.status = Destroyed
}

// create writes a session that nobody knows of yet, so that nobody can have
// written it.
func (m *Manager) create(ctx context.Context, s *state) error {
	if s.written {
		return ErrWritten
	}
	token := newToken()
	e := entry{m.keyOf(token), store.Any, s.record}
	if err := m.write(ctx, &e); err != nil {
		return err
	}
	s.entry, s.token, s.cookie = e, token, true
	return nil
}

// save does the changes of s to the session as it is in the store.
func (m *Manager) save(ctx context.Context, s *state) error {
	e := s.entry
	for try := 0; ; try++ {
		err := m.write(ctx, &e)
		if err == nil {
			s.entry = e
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if e, err = m.again(ctx, s.key, try); err != nil {
			return err
		}
		switch {
		case s.done(e.record):
			s.entry = e
			return nil
		case e.record.moved() != "":
			return m.follow(ctx, s, e.record)
		}
		if err := s.changes.apply(e.record, anything); err != nil {
			return err
		}
	}
}

// done reports that r has the changes already: the store had not been able to say
// so. It matters for updates alone, which must not be done twice.
func (s *state) done(r record) bool {
	_, ok := r[s.mark]
	return ok && s.changes.updates()
}

// again reads a session that another has written. Those who meet repeatedly step
// out of each other's way.
func (m *Manager) again(ctx context.Context, key string, try int) (entry, error) {
	if try > 2 {
		pause(ctx, rand.N(time.Duration(min(try, 20))*time.Millisecond))
	}
	return m.get(ctx, key)
}

// touch writes down that the session is in use, now and then. That it fails is
// no reason to fail the request: another will come.
func (m *Manager) touch(ctx context.Context, s *state) error {
	if m.IdleTimeout <= 0 || s.key == "" || s.before != nil || time.Since(s.record.touched()) < m.step() {
		return nil
	}
	e := s.entry
	switch err := m.write(ctx, &e); {
	case err == nil:
		s.entry = e
	case errors.Is(err, store.ErrConflict): // whoever wrote has touched it, too
	default:
		m.log().WarnContext(ctx, "session: its use could not be written down", "error", err)
	}
	return nil
}

// step is how coarsely use is written down.
func (m *Manager) step() time.Duration { return min(m.IdleTimeout/10, time.Minute) }

// ttl is how long the store is to keep a session that is used now.
func (m *Manager) ttl(r record) time.Duration {
	left := time.Until(r.deadline())
	if m.IdleTimeout > 0 {
		left = min(left, m.IdleTimeout+m.step())
	}
	return left
}

// write puts e where it is, if nobody else has.
func (m *Manager) write(ctx context.Context, e *entry) error {
	now := time.Now()
	e.record[touchedName] = number(now.UnixMilli())
	e.record.forget(now)
	value := e.record.encode()
	if limit := m.maxSize(); len(value) > limit {
		name, size := e.record.largest()
		return fmt.Errorf("%w: %d bytes, of which %q has %d; Manager.MaxSize allows %d. Keep large things elsewhere, and in the session where they are", ErrTooLarge, len(value), name, size, limit)
	}
	ttl := m.ttl(e.record)
	if ttl < time.Millisecond {
		return m.over(ctx, e)
	}
	return m.place(ctx, e, value, ttl)
}

// over removes a session whose time has come.
func (m *Manager) over(ctx context.Context, e *entry) error {
	if e.revision > store.Absent {
		if err := m.delete(ctx, e.key, e.revision); err != nil {
			return err
		}
	}
	return errGone
}

func (m *Manager) place(ctx context.Context, e *entry, value []byte, ttl time.Duration) error {
	return m.patiently(ctx, "write", func(ctx context.Context) error {
		r, err := m.store.Put(ctx, store.Write{Key: e.key, Value: value, Expect: e.revision, TTL: ttl})
		if err == nil {
			e.revision = r
		}
		return err
	})
}

func (m *Manager) maxSize() int {
	if m.MaxSize <= 0 {
		return 256 << 10
	}
	return min(m.MaxSize, store.MaxValue)
}
