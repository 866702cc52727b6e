package session

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// A Cookie says how the token travels. The zero value is not what New sets.
type Cookie struct {
	// Name is "session" by default. If Secure, Path and Domain allow it, which by
	// default they do, the client sees it as __Host-session, which no other host
	// and no plain HTTP can set (RFC 6265bis §4.1.3.2).
	//
	// A change of the name, or of what decides on the prefix, ends all sessions;
	// and while a fleet is half changed, each release looks for a cookie of its
	// own. It also separates the sessions of several managers on one store.
	Name string
	// Plain leaves the name as it is.
	Plain bool
	// Domain is empty by default: the cookie goes to the host that set it.
	Domain string
	// Path is "/" by default.
	Path string
	// HttpOnly keeps it from scripts; true by default.
	HttpOnly bool
	// Secure keeps it from plain HTTP; true by default. Browsers take localhost
	// for secure, except Safari. A proxy in front may end TLS. With neither, the
	// client never sends the cookie: set it to false.
	Secure bool
	// SameSite is Lax by default: the cookie does not come with what other sites
	// send, except when the user follows a link.
	SameSite http.SameSite
	// Partitioned keeps a cookie per site that embeds this one (CHIPS).
	Partitioned bool
	// Persist keeps it when the browser is closed, for as long as the session may
	// live; true by default. RememberMe says otherwise for one session.
	Persist bool
}

// name is what the client sees.
func (c *Cookie) name() string {
	if c.Plain || !c.Secure || c.Path != "/" || c.Domain != "" || strings.HasPrefix(c.Name, "__") {
		return c.Name
	}
	return "__Host-" + c.Name
}

// WriteSessionCookie sets the cookie of a response. Without an expiry the client
// is to drop it. LoadAndSave calls it; others need it only if they call Load and
// Commit themselves.
//
// The cookie is good until the session ends at the latest, not until it may be
// idle: it need not be sent again and again, and so cannot come later than a
// newer one and replace it.
func (m *Manager) WriteSessionCookie(ctx context.Context, w http.ResponseWriter, token string, expires time.Time) {
	s := m.of(ctx)
	persist := m.persists(s)
	s.mu.Unlock()
	m.setCookie(w, token, expires, persist)
}

// persists reports whether the cookie of s, which is locked, outlives the browser.
func (m *Manager) persists(s *state) bool {
	remember := m.Cookie.Persist
	if raw, ok := s.record[rememberName]; ok {
		remember = m.Cookie.Persist || string(raw) == "true"
	}
	return remember
}

func (m *Manager) setCookie(w http.ResponseWriter, token string, expires time.Time, persist bool) {
	c := &http.Cookie{
		Name: m.Cookie.name(), Value: token, Path: m.Cookie.Path, Domain: m.Cookie.Domain,
		HttpOnly: m.Cookie.HttpOnly, Secure: m.Cookie.Secure, SameSite: m.Cookie.SameSite, Partitioned: m.Cookie.Partitioned,
	}
	switch {
	case expires.IsZero():
		c.Value, c.Expires, c.MaxAge = "", time.Unix(1, 0), -1
	case persist:
		c.Expires = expires.Add(time.Second) // whole seconds are sent
		c.MaxAge = int(time.Until(expires).Seconds()) + 1
	}
	w.Header().Add("Set-Cookie", c.String())
	w.Header().Add("Cache-Control", `no-cache="Set-Cookie"`)
}

// RememberMe says whether this session's cookie is kept when the browser is
// closed, where Cookie.Persist is false.
func (m *Manager) RememberMe(ctx context.Context, remember bool) {
	s := m.of(ctx)
	defer s.mu.Unlock()
	raw, _ := json.Marshal(remember) // a bool always has an encoding
	s.put(rememberName, raw)
	s.cookie = true
}

// Deadline is when the session ends, however busy it is.
func (m *Manager) Deadline(ctx context.Context) time.Time {
	s := m.of(ctx)
	defer s.mu.Unlock()
	return s.record.deadline()
}

// SetDeadline changes when the session ends. One that has passed ends it when it
// is saved.
func (m *Manager) SetDeadline(ctx context.Context, deadline time.Time) {
	s := m.of(ctx)
	defer s.mu.Unlock()
	s.put(deadlineName, number(deadline.UnixMilli()))
	s.cookie = true
}

// Token is what the client has, or is about to get: empty until a new session is
// saved. Who knows it has the session; it belongs into no log.
func (m *Manager) Token(ctx context.Context) string {
	s := m.of(ctx)
	defer s.mu.Unlock()
	return s.token
}
