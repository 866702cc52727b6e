package systemd

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// takenAlong: a service that is stopped whenever another one is.
func takenAlong(w *World, report lint.Report) {
	for _, u := range w.MayServe() {
		for _, key := range []string{"Requires", "BindsTo", "PartOf"} {
			for _, s := range u.words("Unit", key) {
				if !w.drags(u, s.value) {
					continue
				}
				f := lint.Finding{
					At:     s.at,
					Hazard: fmt.Sprintf("%s=%s stops it whenever %s is stopped or restarted, and cuts all its requests", key, s.value, s.value),
					Mend:   fmt.Sprintf("write Wants=%s and After=%s: they order the start, and nothing else", s.value, s.value),
				}
				if !u.Edge() {
					f.Severity = lint.Warning
				}
				report(f)
			}
		}
	}
}

// stores and proxies by the names of their units.
var known = []string{"postgresql", "mysql", "mariadb", "redis", "redis-server", "valkey", "mongod", "rabbitmq-server", "memcached", "elasticsearch", "nginx", "haproxy", "apache2", "httpd", "caddy", "traefik", "envoy"}

// drags reports whether another unit is one that is restarted on its own, so
// that it matters to be tied to it.
func (w *World) drags(u *Unit, name string) bool {
	stem, ok := strings.CutSuffix(name, ".service")
	if !ok || strings.HasPrefix(stem, "systemd-") || strings.HasPrefix(stem, "dbus") {
		return false
	}
	for _, other := range w.Services {
		if other.Name == name {
			return other.Lasts()
		}
	}
	stem, _, _ = strings.Cut(stem, "@")
	for _, k := range known {
		if stem == k || strings.HasPrefix(stem, k+"-") {
			return true
		}
	}
	return u.Edge()
}
