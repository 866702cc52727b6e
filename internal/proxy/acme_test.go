package proxy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
)

// What certmagic says at Debug holds messages to the CA: it is not passed on,
// whatever the level of the log.
func TestACMELog(t *testing.T) {
	var b bytes.Buffer
	log := zap.New(toSlog{slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))}).With(zap.String("ca", "x"))
	log.Debug("a request", zap.String("payload", "secret"))
	log.Info("a step", zap.Int("n", 1))
	log.Named("renew").Error("it failed", zap.Strings("names", []string{"shop.example"}))
	got := b.String()
	for _, want := range []string{`level=DEBUG msg="acme: a step" ca=x n=1`, `level=ERROR msg="acme: it failed" ca=x names=[shop.example]`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Errorf("too much is told:\n%s", got)
	}
}

// Certificates are for the exact hosts of a service's routes.
func TestACMEHosts(t *testing.T) {
	s := Service{ACME: &ACME{}, Routes: []Route{{Host: "Shop.example."}, {Host: "*.example"}, {Path: "/x"}, {Host: "b.example", Path: "/y"}}}
	if got := strings.Join(s.acmeHosts(), " "); got != "shop.example b.example" {
		t.Errorf("hosts: %s", got)
	}
	s.ACME = nil
	if got := s.acmeHosts(); got != nil {
		t.Errorf("hosts without ACME: %v", got)
	}
}

// A host is known to whom handshakes ask before the table that names it is the
// current one: the proxy after an upgrade accepts while it reads its first, and
// turned clients away in between.
func TestACMEHostsAreKnownBeforeTheirTable(t *testing.T) {
	p := newProxy(Options{Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(p.certs.acme.stop)
	for n := range 1000 { // enough to hit the instant
		host := fmt.Sprint("host", n, ".test")
		unknown := make(chan bool, 1)
		old := p.table.Load()
		go func() {
			for p.table.Load() == old {
				continue
			}
			p.certs.acme.mu.Lock()
			defer p.certs.acme.mu.Unlock()
			unknown <- p.certs.acme.hosts[host] == nil
		}()
		err := p.apply(Config{ACMEStorage: "/dev/null/acme", Services: []Service{{
			Name: "web", Protocol: HTTP1, Listen: []string{"web"}, Routes: []Route{{Host: host, Path: "/"}},
			ACME: &ACME{Roots: "/dev/null/none"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if <-unknown {
			t.Fatalf("%s is in the table, and nobody keeps its certificate", host)
		}
	}
}

// What is only expected is waited for.
func TestACMEExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k keeper
		k.expect(Config{Services: []Service{{ACME: &ACME{}, Routes: []Route{{Host: "shop.test"}}}}})
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan struct{}, 2)
		go func() { k.await(ctx, "shop.test"); answered <- struct{}{} }()
		go func() { k.configOf(ctx, "shop.test"); answered <- struct{}{} }()
		synctest.Wait()
		if len(answered) > 0 {
			t.Error("a handshake did not wait for a certificate that is on its way")
		}
		cancel()
		<-answered
		<-answered
		if k.await(t.Context(), "other.test") != nil || k.configOf(t.Context(), "other.test") != nil {
			t.Error("another host has a certificate")
		}
	})
}
