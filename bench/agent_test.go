//go:build bench

package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// TestAgentIdle looks at a real agent with three instances and the default
// probes, while nothing happens.
func TestAgentIdle(t *testing.T) {
	w := harness.NewWith(t, harness.SegueFast(t))
	w.Write("segue.yaml", fmt.Sprintf("service: web\nlisten: 127.0.0.1:%d\nreplicas: 3\nrelease: { files: [bin], command: bin/service }\n"+
		"probes: { startup: { http: /health }, readiness: { http: /health } }\n", w.Port))
	w.Agent()
	w.Must(0, "deploy")
	b := &bench{t: t}
	watched := []struct {
		name string
		pid  int
	}{{"segue agent", w.Status().Agent.PID}, {"segue proxy", w.Status().Proxy.PID}}
	time.Sleep(5 * time.Second) // for the deploy's garbage
	var began []time.Duration
	for _, p := range watched {
		began = append(began, b.own(p.pid))
	}
	look := 60 * time.Second
	if quick {
		look = 5 * time.Second
	}
	time.Sleep(look)
	var tab table
	tab.row("process", "RSS, MiB", "PSS, MiB", "CPU, of one core", "goal")
	for n, p := range watched {
		m, err := memoryOf(p.pid)
		if err != nil {
			t.Fatal(err)
		}
		goal := ""
		if n == 0 {
			goal = "40 MiB, 0.5 %"
		}
		used := b.own(p.pid) - began[n]
		tab.row(p.name, mib(m.rss), mib(m.pss), fmt.Sprintf("%.2f %%", 100*used.Seconds()/look.Seconds()), goal)
	}
	write(t, "agent", fmt.Sprintf("`segue agent` with 3 instances of test/service, startup and readiness by HTTP at their default intervals (1 s), no traffic; looked at for %v, from 5 s after the deploy.", look), tab, nil)
}

// own is the CPU time of one process without its descendants: the agent's are
// the instances.
func (b *bench) own(pid int) time.Duration {
	b.t.Helper()
	d, err := ownCPU(pid, 11, 12)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}
