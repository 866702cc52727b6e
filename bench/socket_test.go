//go:build bench

package bench

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

// TestSocketCost measures what a request costs with via: socket, beside the same
// program started by hand on a socket of the same kind. In each round both are
// asked, one after the other; who comes first turns.
func TestSocketCost(t *testing.T) {
	b := newBench(t)
	cpu, _, _ := cpus()
	sides := []socketSide{byHand(b, cpu), bySegue(b, cpu)}
	var tab table
	tab.row("scenario", "requests/s by hand", "via: socket", "ratio", "(by round)", "per CPU-second by hand", "via: socket", "ratio", "(by round)")
	for _, s := range chosen(false) {
		if s.conns > 100 {
			continue // what many connections cost, they cost the kernel on both sides
		}
		var rate, cost [2][]float64
		for round := range rounds {
			for n := range sides {
				n = (n + round) % len(sides)
				r, c := sides[n].ask(b, s)
				rate[n], cost[n] = append(rate[n], r), append(cost[n], c)
			}
		}
		rates, costs := quotients(rate[1], rate[0]), quotients(cost[1], cost[0])
		show := func(v float64) string { return fmt.Sprintf("%.2f", v) }
		tab.row(s.name, thousands(median(rate[0])), thousands(median(rate[1])), show(median(rates)), spread(rates, show),
			thousands(median(cost[0])), thousands(median(cost[1])), show(median(costs)), spread(costs, show))
	}
	write(t, "socket", fmt.Sprintf("%d rounds of %v each, medians; program on CPU %s, load on the other. The ratio is taken within each round.", rounds, span, cpu), tab, nil)
}

// A socketSide is one of the two that are compared.
type socketSide struct {
	addr string
	pid  int
}

// ask tells requests per second, and per second of the program's CPU time.
func (s socketSide) ask(b *bench, load scenario) (rate, perCPU float64) {
	b.t.Helper()
	if _, err := b.wrk(load, s.addr, load.warm()); err != nil {
		b.t.Fatal(err)
	}
	before, err := cpuTime(s.pid)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := b.wrk(load, s.addr, span)
	if err != nil {
		b.t.Fatal(err)
	}
	after, err := cpuTime(s.pid)
	if err != nil {
		b.t.Fatal(err)
	}
	return r.perSecond(), float64(r.requests) / (after - before).Seconds()
}

func quotients(a, b []float64) (out []float64) {
	for n := range a {
		out = append(out, a[n]/b[n])
	}
	return out
}

// byHand starts the program as a shell would, with its socket as descriptor 3.
func byHand(b *bench, cpu string) socketSide {
	b.t.Helper()
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // as Segue's is
	l, err := plain.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	p := b.start(cpu, []string{roleEnv + "=upstream", listenersEnv + "=1"}, []string{b.self}, l.(*net.TCPListener))
	addr := l.Addr().String()
	l.Close()
	b.answers(false, addr)
	return socketSide{addr, p.pid}
}

// bySegue deploys the same program.
func bySegue(b *bench, cpu string) socketSide {
	b.t.Helper()
	w := harness.NewWith(b.t, harness.SegueFast(b.t))
	w.Copy(b.self, "bin/upstream")
	addr := fmt.Sprint("127.0.0.1:", w.Port)
	w.Write("segue.yaml", fmt.Sprintf("service: web\nlisten: %s\nvia: socket\nrelease: { files: [bin], command: taskset -c %s env %s=upstream %s=1 bin/upstream }\n",
		addr, cpu, roleEnv, listenersEnv))
	w.Agent()
	w.Must(0, "deploy")
	b.answers(false, addr)
	return socketSide{addr, w.Service("web").Instances[0].PID}
}
