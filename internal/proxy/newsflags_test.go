package proxy_test

import (
	"testing"

	"github.com/seguehq/segue/internal/proxy"
)

// A page with OpenFeature's provider hears of flags as OFREP says it: by an event
// without a name of its own, at once and at each change.
func TestNewsOfFlags(t *testing.T) {
	p := skewed(t, proxy.Skew{Current: "7"}, func(s *proxy.Service) { s.Flags = definitions("one") })
	l := hear(t, patient(t, fresh()), p.url(""))
	l.want("release", `{"breaking":"","release":"7"}`)
	var tags []string
	for _, next := range []string{"two", ""} {
		name, tag := l.event()
		want(t, "event", name, "flags")
		tags = append(tags, tag)
		l.want("message", `{"type":"refetchEvaluation"}`)
		if next != "" {
			p.cfg.Services[0].Flags = definitions(next)
			p.skew(proxy.Skew{Current: "7"})
		}
	}
	if tags[0] == tags[1] {
		t.Errorf("other flags, and the same tag %s", tags[0])
	}
}
