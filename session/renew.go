package session

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/seguehq/segue/store"
)

// RenewToken gives the session a new token and a new Lifetime, to be saved and
// sent with the response. It is to be called when the user's rights change, at
// login above all: whoever may have known the token until then does not know the
// new one. It costs one more read and one more write than saving does. It fails
// with ErrWritten when the response has begun.
//
// What becomes of the other requests of that moment, which have the old token:
//
//   - What they change is saved to the session as it goes on, and the client keeps
//     the new token. But what has been written since the renewal, or was written
//     with it, they neither replace nor remove; updates of Value are done in any
//     case.
//   - They see the session as it was when it was renewed, and nothing that came
//     after: the old token does not give the rights that the new one has. So do
//     requests that come with the old token later, within Manager.Grace. After
//     that it is unknown.
//   - If one of them destroys the session, it destroys it as it goes on.
//   - If one of them renews the token, too, two sessions come of it, each with
//     what it had and what its own request wrote. The client goes on with the one
//     whose cookie it got last.
func (m *Manager) RenewToken(ctx context.Context) error {
	s := m.of(ctx)
	defer s.mu.Unlock()
	if s.written {
		return ErrWritten
	}
	s.put(deadlineName, number(time.Now().Add(m.lifetime()).UnixMilli()))
	s.renew = true
	return nil
}

// renew moves a session to a new token: it is written there first, and then the
// old one tells where it went. Who dies in between has given the new token to
// nobody.
func (m *Manager) renew(ctx context.Context, s *state) error {
	fresh := &state{entry: entry{record: s.record}, written: s.written}
	if err := m.create(ctx, fresh); err != nil {
		return err
	}
	if s.key != "" && s.before == nil {
		if err := m.move(ctx, s, &fresh.entry); err != nil {
			m.discard(ctx, fresh.key)
			return err
		}
	}
	s.entry, s.token, s.cookie, s.before = fresh.entry, fresh.token, true, nil
	return nil
}

// move makes the entry of the old token lead to the new one. What others have
// written to the old one meanwhile is taken along.
func (m *Manager) move(ctx context.Context, s *state, to *entry) error {
	taken := s.revision
	for try := 0; ; try++ {
		old, err := m.again(ctx, s.key, try)
		if err != nil {
			return err
		}
		if old.record.moved() != "" {
			// By us, of which we were not told; or by another, who has a session of
			// his own from here.
			return nil
		}
		if old.revision != taken {
			if err := m.takeAlong(ctx, s, old.record, to); err != nil {
				return err
			}
			taken = old.revision
		}
		if err := m.leave(ctx, old, to.key); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// takeAlong makes to what the changes of s make of r.
func (m *Manager) takeAlong(ctx context.Context, s *state, r record, to *entry) error {
	next := maps.Clone(r)
	if err := s.changes.apply(next, anything); err != nil {
		return err
	}
	to.record, to.revision = next, store.Any // nobody else knows of it
	return m.write(ctx, to)
}

// leave ends a token whose session goes on under another key.
func (m *Manager) leave(ctx context.Context, old entry, to string) error {
	grace := m.Grace
	if grace < time.Millisecond { // also without grace it must be known that this is no end
		grace = 30 * time.Second
	}
	old.record[movedName] = quote(to)
	return m.place(ctx, &old, old.record.encode(), grace)
}

// discard removes what nobody will ask for. If that fails, it expires.
func (m *Manager) discard(ctx context.Context, key string) {
	if err := m.delete(ctx, key, store.Any); err != nil {
		m.log().WarnContext(ctx, "session: one that nobody has the token of is left to expire", "error", err)
	}
}

// follow does the changes of s, which came with a token that was renewed since,
// to the session as it goes on. What was written there since is not for this
// token to replace: whoever has it need not be the one who has logged in. The
// client is told nothing, it gets the new token from elsewhere.
func (m *Manager) follow(ctx context.Context, s *state, before record) error {
	if m.Grace < 0 {
		return errGone
	}
	for try := 0; ; try++ {
		e, err := m.end(ctx, before.moved(), try)
		if err != nil || s.done(e.record) {
			return err
		}
		kept := map[string]bool{}
		err = s.changes.apply(e.record, func(name string) bool {
			kept[name] = string(e.record[name]) != string(before[name])
			return !kept[name]
		})
		if err != nil {
			return err
		}
		err = m.write(ctx, &e)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err == nil {
			s.before = before
			s.own(e.record, kept)
		}
		return err
	}
}

// own lets what this request has written be written by it again.
func (s *state) own(now record, kept map[string]bool) {
	for name := range s.changes.written {
		if !kept[name] {
			s.before[name] = now[name]
		}
	}
}

// end reads the session to which that of key has been renewed, in however many
// steps.
func (m *Manager) end(ctx context.Context, key string, try int) (entry, error) {
	for {
		e, err := m.again(ctx, key, try)
		if err != nil || e.record.moved() == "" {
			return e, err
		}
		key = e.record.moved()
	}
}

// Destroy ends the session, in the store at once. What other requests write to it
// at the same time goes with it. What this request puts from here on makes a new
// session.
func (m *Manager) Destroy(ctx context.Context) error {
	s := m.of(ctx)
	defer s.mu.Unlock()
	if err := m.destroy(context.WithoutCancel(ctx), s); err != nil && !errors.Is(err, errGone) {
		return err
	}
	s.forget = true
	s.reset(m)
	s.err = nil
	return nil
}

func (m *Manager) destroy(ctx context.Context, s *state) error {
	key, revision := s.key, s.revision
	if s.before != nil {
		m.discard(ctx, key)
		key, revision = s.before.moved(), store.Absent
	}
	for try := 0; key != ""; try++ {
		if revision != store.Absent {
			if err := m.delete(ctx, key, revision); !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
		e, err := m.end(ctx, key, try)
		if err != nil {
			return err
		}
		key, revision = e.key, e.revision
	}
	return nil
}

func (m *Manager) delete(ctx context.Context, key string, revision store.Revision) error {
	return m.patiently(ctx, "delete", func(ctx context.Context) error { return m.store.Delete(ctx, key, revision) })
}
