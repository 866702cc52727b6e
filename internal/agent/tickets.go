package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// ticketFile holds the keys of TLS session tickets, which all proxies of this
// state folder share: a client resumes after an upgrade, and after the death
// of a proxy.
func (a *Agent) ticketFile() string { return filepath.Join(a.o.State, "tickets.json") }

// keepTickets makes the keys before the first proxy asks for them, and
// rotates them until ctx ends. Without a disk to write to, the keys of before
// stay in use; where there were none, clients make a full handshake with each proxy.
func (a *Agent) keepTickets(ctx context.Context) {
	next := a.rotateTickets()
	a.tasks.Go(func() {
		for wait(ctx, next) == nil {
			next = a.rotateTickets()
		}
	})
}

// ticketRetry is the pause after keys could not be written.
const ticketRetry = time.Minute

// rotateTickets does what is due and tells when to look again.
func (a *Agent) rotateTickets() time.Duration {
	t, err := proxy.ReadTickets(a.ticketFile())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		a.log.Warn("keys of TLS session tickets cannot be read; they are made anew", "error", err)
	}
	if t.Rotate(time.Now()) {
		if err := writeJSON(a.ticketFile(), t); err != nil {
			a.log.Error("keys of TLS session tickets cannot be written", "error", err)
			return ticketRetry
		}
	}
	return max(time.Until(t.Next()), ticketRetry)
}
