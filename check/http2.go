package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// dial2 opens a connection that speaks HTTP/2: by ALPN over TLS, by prior
// knowledge without (RFC 9113 §3.2, §3.3).
func dial2(ctx context.Context, s *server, h habits) (*conn2, error) {
	c, err := dial(ctx, s, "h2")
	if err != nil {
		return nil, err
	}
	if secure, ok := c.Conn.(*tls.Conn); ok && secure.ConnectionState().NegotiatedProtocol != "h2" {
		c.Close()
		return nil, errors.New("the server does not choose HTTP/2 when it is offered (ALPN)")
	}
	return speak(ctx, c.Conn, s.base.Scheme, c.host, h)
}

// speaksHTTP2 asks for nothing but a greeting.
func speaksHTTP2(ctx context.Context, s *server) bool {
	c, err := dial2(ctx, s, habits{})
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// once2 is a request on a connection of its own.
func once2(ctx context.Context, s *server, path string, until time.Time) (answer, error) {
	c, err := dial2(ctx, s, habits{})
	if err != nil {
		return answer{}, err
	}
	defer c.Close()
	st, err := c.get(path)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return c.answer(ctx, st), nil
}

// status2 is what a server that speaks only HTTP/2 answers to the URL's path.
func status2(ctx context.Context, s *server) (int, error) {
	a, err := once2(ctx, s, s.base.RequestURI(), time.Now().Add(s.target.start()))
	switch {
	case err != nil:
		return 0, fmt.Errorf("check: %w", err)
	case a.ending != whole:
		return 0, fmt.Errorf("check: GET %s: %s", s.base.RequestURI(), a.ending)
	}
	return a.status, nil
}

// used2 opens a connection and has one request answered on it.
func (s *Stage) used2(ctx context.Context, h habits) (*conn2, error) {
	c, err := dial2(ctx, s.server, h)
	if err != nil {
		return nil, err
	}
	if err = c.first(ctx, s.path()); err != nil {
		c.Close()
		return nil, fmt.Errorf("the first request on an HTTP/2 connection: %w", err)
	}
	return c, nil
}

// first asks for a path, and takes whatever answer.
func (c *conn2) first(ctx context.Context, path string) error {
	st, err := c.ask(path)
	if err != nil {
		return err
	}
	if a := c.answer(ctx, st); a.ending != whole {
		return errors.New(string(a.ending))
	}
	return nil
}

// within is a context that ends with the grace: what is not there by then will
// not come, and what is held no longer must be let go of.
func (s *Stage) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-s.graceOver:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// needsHTTP2 is for cases on HTTP/2 connections.
func needsHTTP2(_ Target, s *Survey) string {
	if !s.HTTP2 {
		return "the server does not speak HTTP/2, neither by ALPN over TLS nor by prior knowledge in cleartext"
	}
	return ""
}
