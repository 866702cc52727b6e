package proxy

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

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
