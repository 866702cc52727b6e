package proxy

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// Tickets are the keys of TLS session tickets (RFC 8446 §4.6.1), the newest
// first: it encrypts, and all of them decrypt. Every proxy that reads the same
// file takes the tickets of the others, so that clients resume when one proxy
// replaces another. They are secrets: whoever has them reads what was recorded
// of sessions by TLS 1.2.
type Tickets struct {
	Keys []TicketKey `json:"keys"`
}

// TicketKey is one key, and when it was made.
type TicketKey struct {
	Made time.Time `json:"made"`
	Key  []byte    `json:"key"` // 32 bytes
}

const (
	ticketAge   = 24 * time.Hour // then a new key encrypts
	ticketsKept = 3
)

// Rotate puts a new key in front where that is due, and reports whether it
// did. The next one is due at Next.
func (t *Tickets) Rotate(now time.Time) bool {
	if now.Before(t.Next()) && t.check() == nil {
		return false
	}
	k := TicketKey{now.UTC(), make([]byte, 32)}
	rand.Read(k.Key) // never fails
	if t.check() != nil {
		t.Keys = nil
	}
	t.Keys = append([]TicketKey{k}, t.Keys[:min(len(t.Keys), ticketsKept-1)]...)
	return true
}

// Next is when the newest key has encrypted for long enough; the zero time
// when there is none.
func (t *Tickets) Next() time.Time {
	if len(t.Keys) == 0 {
		return time.Time{}
	}
	return t.Keys[0].Made.Add(ticketAge)
}

func (t *Tickets) check() error {
	if len(t.Keys) == 0 {
		return errors.New("there is no key in it")
	}
	for _, k := range t.Keys {
		if len(k.Key) != 32 {
			return errors.New("a key is not of 32 bytes")
		}
	}
	return nil
}

// ReadTickets reads a file of keys.
func ReadTickets(path string) (t Tickets, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return Tickets{}, fmt.Errorf("%s: %w", path, redacted(err))
	}
	if err := t.check(); err != nil {
		return Tickets{}, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// redacted takes the text of the file out of what a decoder complains about.
func redacted(err error) error {
	var s *json.SyntaxError
	if errors.As(err, &s) {
		return fmt.Errorf("not JSON at byte %d", s.Offset)
	}
	return errors.New("not a list of keys")
}

// tickets follows the file that the table names. Its methods want certs.mu.
type tickets struct {
	path  string
	stamp fileStamp
	keys  [][32]byte // none: each TLS configuration has keys of its own
}

// follow reads the file where it is another one or has changed, and reports
// whether there are other keys now. What cannot be read changes nothing: a
// client that cannot resume makes a full handshake.
func (t *tickets) follow(path string, log *slog.Logger) bool {
	stamp := stampOf(path)
	if path == "" || path == t.path && stamp == t.stamp {
		return false
	}
	t.path, t.stamp = path, stamp
	read, err := ReadTickets(path)
	if err != nil {
		log.Error("keys of session tickets cannot be read; clients do not resume across proxies", "error", err)
		return false
	}
	t.keys = make([][32]byte, len(read.Keys))
	for i, k := range read.Keys {
		t.keys[i] = [32]byte(k.Key)
	}
	return true
}

// followTickets brings the keys of a file into every TLS configuration.
func (c *certs) followTickets(path string, log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.tickets.follow(path, log) {
		return
	}
	for _, cfg := range c.configs {
		cfg.SetSessionTicketKeys(c.tickets.keys)
	}
}
