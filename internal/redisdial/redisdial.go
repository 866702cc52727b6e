// Package redisdial connects to a Redis server, for those who open one by rueidis.
package redisdial

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
)

// A Dialing connects. Until what it connects for is open, the context of Open ends
// what it does, the greeting on the connection included: rueidis.NewClient takes none.
type Dialing struct {
	opening context.Context // of the call of Open
	unix    bool
	done    atomic.Bool // Open has returned, or is about to
}

// New returns one for a call of Open with this context, whose addresses are paths of
// Unix sockets, or hosts with ports.
func New(opening context.Context, unix bool) *Dialing {
	return &Dialing{opening: opening, unix: unix}
}

// Opened says that Open is about to return: its context has no say any more.
func (d *Dialing) Opened() { d.done.Store(true) }

// Dial is a rueidis.ClientOption.DialCtxFn.
func (d *Dialing) Dial(ctx context.Context, addr string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	if d.done.Load() {
		return d.connect(ctx, addr, dialer, config)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.opening, cancel)()
	c, err := d.connect(ctx, addr, dialer, config)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(d.opening, func() {
		if !d.done.Load() {
			_ = c.Close()
		}
	})
	return c, nil
}

func (d *Dialing) connect(ctx context.Context, addr string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	switch {
	case d.unix:
		return dialer.DialContext(ctx, "unix", addr)
	case config != nil:
		return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", addr)
	}
	return dialer.DialContext(ctx, "tcp", addr)
}

// Mend says what to do about a connection that could not be made, in words to put
// behind the error; empty where that is not known.
func Mend(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "; is the server running, and is this its port?"
	case errors.As(err, &dns):
		return "; is the host's name right?"
	}
	return ""
}
