package drill

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// dialer opens connections and numbers them.
type dialer struct {
	plan   Plan
	net    func(ctx context.Context, network, addr string) (net.Conn, error)
	opened atomic.Int64
}

func newDialer(p Plan) *dialer {
	d := &dialer{plan: p, net: p.Dial}
	if d.net == nil {
		// TCP keep-alive probes would only cost system calls: each request
		// has a deadline of its own.
		d.net = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	return d
}

// dial opens a connection to o before deadline; proto is the one to agree on
// by ALPN where there is TLS.
func (d *dialer) dial(o origin, proto string, deadline time.Time) (net.Conn, int64, error) {
	// Not the drill's context: a request that was due is seen to its end.
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	id := d.opened.Add(1)
	c, err := d.net(ctx, "tcp", o.addr)
	if err != nil {
		return nil, id, withTimeout(ctx, err)
	}
	if !o.tls {
		return c, id, nil
	}
	t, err := d.handshake(ctx, c, o, proto)
	return t, id, withTimeout(ctx, err)
}

func (d *dialer) handshake(ctx context.Context, c net.Conn, o origin, proto string) (net.Conn, error) {
	cfg := &tls.Config{}
	if d.plan.TLS != nil {
		cfg = d.plan.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = o.host
	}
	cfg.NextProtos = []string{proto}
	t := tls.Client(c, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	if got := t.ConnectionState().NegotiatedProtocol; proto == "h2" && got != proto {
		c.Close()
		return nil, errors.New("TLS handshake: the server does not speak HTTP/2 (no \"h2\" by ALPN)")
	}
	return t, nil
}

// withTimeout makes sure that an error caused by ctx's deadline is known as a
// timeout: some dialers and handshakes say only "canceled" or "closed".
func withTimeout(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !isTimeout(err) {
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return err
}
