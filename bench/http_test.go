//go:build bench

package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// A cell is what one peer did in one scenario, once per round.
type cell struct {
	perCPU []float64 // requests per CPU-second
	rate   []float64 // requests per second
	busy   []float64 // the proxy, of its CPU; 1 is all of it
	load   []float64 // the load's CPU, whoever it worked for
}

// TestThroughput drives each peer as hard as one CPU allows, and counts
// requests per second of CPU time that the proxy used.
func TestThroughput(t *testing.T) {
	b := newBench(t)
	up := startUpstream(b)
	list := peers(t)
	cells := map[string]map[string]*cell{}
	for _, s := range chosen() {
		cells[s.name] = map[string]*cell{}
		for _, p := range list {
			cells[s.name][p.name] = &cell{}
		}
	}
	for round := range rounds {
		for n := range list {
			p := list[(n+round)%len(list)] // nobody is always first
			proc, addr := p.start(b, p, up)
			b.answers("http://" + addr + "/")
			for _, s := range chosen() {
				b.measure(s, proc, addr, cells[s.name][p.name])
			}
			if proc != nil {
				proc.stop()
			}
		}
		t.Logf("round %d of %d done", round+1, rounds)
	}
	reportThroughput(t, list, cells)
}

func (b *bench) measure(s scenario, p *proc, addr string, c *cell) {
	b.t.Helper()
	b.wrk(s, addr, time.Second) // to be warm
	_, loadCPU, _ := cpus()
	load := b.busy(loadCPU)
	var used time.Duration
	if p != nil {
		used = b.cpu(p)
	}
	r := b.wrk(s, addr, span)
	took := time.Duration(r.US) * time.Microsecond
	c.rate = append(c.rate, r.perSecond())
	c.load = append(c.load, share(b.busy(loadCPU)-load, took))
	if p != nil {
		used = b.cpu(p) - used
		c.perCPU = append(c.perCPU, float64(r.Requests)/used.Seconds())
		c.busy = append(c.busy, share(used, took))
	}
}

func share(used, of time.Duration) float64 { return min(used.Seconds()/of.Seconds(), 1) }

func (b *bench) busy(cpu string) time.Duration {
	b.t.Helper()
	d, err := busyOf(cpu)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func reportThroughput(t *testing.T, list []peer, cells map[string]map[string]*cell) {
	t.Helper()
	var tab table
	tab.row("scenario", "proxy", "requests per CPU-second", "(worst … best round)", "Segue ÷ it", "(by round)", "requests/s", "proxy, of its CPU", "load's CPU busy")
	for _, s := range chosen() {
		our := cells[s.name][ours]
		for _, p := range list {
			c := cells[s.name][p.name]
			if p.name == direct {
				tab.row(s.name, p.name, "", "", "", "", thousands(median(c.rate)), "", percent(median(c.load)))
				continue
			}
			var times []float64 // round by round, so that what disturbs a round counts less
			for n := range c.perCPU {
				if p.name != ours && our != nil {
					times = append(times, our.perCPU[n]/c.perCPU[n])
				}
			}
			tab.row(s.name, p.name, thousands(median(c.perCPU)), spread(c.perCPU, thousands), ratio(median(times)), spread(times, ratio), thousands(median(c.rate)), percent(median(c.busy)), percent(median(c.load)))
		}
	}
	write(t, "throughput", fmt.Sprintf("%d rounds of %v each, medians; %s.", rounds, span, pinning()), tab, list)
}

const latencyRate = 1000 // requests per second: moderate for all

// TestLatency asks at a fixed rate, and tells what a proxy adds to the time
// that the instance takes by itself, in the same round.
func TestLatency(t *testing.T) {
	b := newBench(t)
	up := startUpstream(b)
	list := slices.DeleteFunc(peers(t), func(p peer) bool { return p.variant })
	p50, p99 := map[string][]float64{}, map[string][]float64{}
	for round := range rounds {
		base := b.drill(up, latencyRate, span)
		for n := range list {
			p := list[(n+round)%len(list)]
			proc, addr := p.start(b, p, up)
			b.answers("http://" + addr + "/")
			b.drill(addr, latencyRate, time.Second)
			l := b.drill(addr, latencyRate, span)
			if proc == nil {
				p50[p.name] = append(p50[p.name], us(l.P50))
				p99[p.name] = append(p99[p.name], us(l.P99))
				continue
			}
			p50[p.name] = append(p50[p.name], us(l.P50-base.P50))
			p99[p.name] = append(p99[p.name], us(l.P99-base.P99))
			proc.stop()
		}
		t.Logf("round %d of %d done", round+1, rounds)
	}
	var tab table
	tab.row("proxy", "p50 added, µs", "(best … worst round)", "p99 added, µs", "(best … worst round)")
	for _, p := range list {
		name := p.name
		if name == direct {
			name += " (not added: the whole)"
		}
		tab.row(name, whole(median(p50[p.name])), spread(p50[p.name], whole), whole(median(p99[p.name])), spread(p99[p.name], whole))
	}
	write(t, "latency", fmt.Sprintf("%d requests a second on 16 kept-alive connections, 100 B; %d rounds of %v each, medians; %s.",
		latencyRate, rounds, span, pinning()), tab, list)
}

func ratio(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
