package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"
)

// Status says what has become of a session during a request.
type Status int

const (
	// Unmodified: nothing was changed since it was read or last saved.
	Unmodified Status = iota
	// Modified: there is something to save.
	Modified
	// Destroyed: by this request, or, as was found out when it was to be saved,
	// by another.
	Destroyed
)

// state is a session in one request.
type state struct {
	mu      sync.Mutex
	entry           // as it was read, with the changes done to it
	changes changes // since then
	status  Status
	err     error  // of a Put that could not be
	mark    string // of the last commit with an update in it

	token   string // empty: a new session, or one that was found by its key
	renew   bool   // a new token is due
	before  record // the token was renewed by another request: what that one found
	cookie  bool   // the client is to get the token
	forget  bool   // the client is to drop the cookie
	written bool   // the response has begun: no cookie can be set
}

func (m *Manager) newState() *state {
	return &state{entry: entry{record: newRecord(time.Now().Add(m.lifetime()))}}
}

type contextKey struct{ *Manager }

// of is the session of the request; its mutex is locked.
func (m *Manager) of(ctx context.Context) *state {
	s, ok := ctx.Value(contextKey{m}).(*state)
	if !ok {
		panic("session: no session in the context: the handler is not behind LoadAndSave, or the context is not the request's")
	}
	s.mu.Lock()
	return s
}

// peek copies out one value as it was written.
func (m *Manager) peek(ctx context.Context, name string) (json.RawMessage, bool) {
	s := m.of(ctx)
	defer s.mu.Unlock()
	raw, ok := s.record[name]
	return raw, ok && baseOf(name) == name
}

// put changes one name, in the session as this request sees it and in what it
// will save. What is there already is not written again. s is locked.
func (s *state) put(name string, raw json.RawMessage) {
	if present, ok := s.record[name]; ok && s.changes.untouched(name) && bytes.Equal(present, raw) {
		return
	}
	s.changes.write(name, change{raw: raw})
	s.record[name] = raw
	s.status = Modified
}

// update is put for a value that is made of the present one. s is locked.
func (s *state) update(name string, fn func(json.RawMessage) (json.RawMessage, error)) error {
	raw, err := fn(s.record[name])
	if err != nil {
		return err
	}
	if s.changes.known(name) {
		s.put(name, raw)
		return nil
	}
	all := fn
	if before := s.changes.written[name].update; before != nil {
		all = func(present json.RawMessage) (json.RawMessage, error) {
			between, err := before(present)
			if err != nil {
				return nil, err
			}
			return fn(between)
		}
	}
	s.changes.write(name, change{update: all})
	s.record[name] = raw
	s.status = Modified
	return nil
}

// remove removes a value, if there is one. s is locked.
func (s *state) remove(name string) {
	if checkName(name) != nil || !s.record.has(name) {
		return
	}
	s.changes.remove(name)
	maps.DeleteFunc(s.record, func(n string, _ json.RawMessage) bool { return baseOf(n) == name })
	s.removed()
}

// clear removes all values. s is locked.
func (s *state) clear() {
	if len(s.record.values()) == 0 {
		return
	}
	s.changes.clear()
	maps.DeleteFunc(s.record, func(n string, _ json.RawMessage) bool { return baseOf(n) != "" })
	s.removed()
}

// removed: in a new session what was removed is as if it had never been put.
func (s *state) removed() {
	s.status = Modified
	if s.key != "" {
		return
	}
	s.changes.cleared, s.changes.removed = false, nil
	if s.changes.none() {
		s.status = Unmodified
	}
}

// checkName says why a name cannot be one.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("session: a value needs a name")
	case strings.Contains(name, "$"):
		return fmt.Errorf("session: the name %q has a $, which marks what a session keeps of itself; choose another", name)
	}
	return nil
}

// newToken has 256 bits, which nobody guesses.
func newToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// prefix is before the keys of this manager's sessions. Another manager, whose
// cookie has another name, does not take its tokens.
func (m *Manager) prefix() string { return "session/" + m.Cookie.Name + "/" }

// keyOf is where the session of a token lies. The store has no token in it, so
// that whoever reads it can log in as nobody.
func (m *Manager) keyOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return m.prefix() + base64.RawURLEncoding.EncodeToString(sum[:])
}

// isToken is false for what newToken cannot have made, which need not be looked
// for.
func isToken(token string) bool {
	b, err := base64.RawURLEncoding.DecodeString(token)
	return err == nil && len(b) == 32
}
