package h2_test

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy/h2"
)

// served is a server behind a listener.
type served struct {
	*h2.Server
	addr string
	tls  bool
}

// serve runs a server until the test has ended; every connection has ended then.
func serve(t testing.TB, cfg h2.Config) served {
	t.Helper()
	return serveOn(t, cfg, plain)
}

func serveOn(t testing.TB, cfg h2.Config, wrap func(net.Conn) (net.Conn, error)) served {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := h2.New(cfg)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		accept(ln, s, wrap)
	}()
	t.Cleanup(func() {
		ln.Close()
		s.Goodbye(time.Millisecond)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("connections have not ended")
		}
	})
	return served{Server: s, addr: ln.Addr().String()}
}

func accept(ln net.Listener, s *h2.Server, wrap func(net.Conn) (net.Conn, error)) {
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		conns.Go(func() {
			c, err := wrap(nc)
			if err != nil {
				nc.Close()
				return
			}
			s.Serve(c)
		})
	}
}

func client(t testing.TB) *http.Client {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}
