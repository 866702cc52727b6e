//go:build bench

package bench

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// A cell is what one peer did in one scenario, by round.
type cell struct {
	perCPU map[int]float64 // requests per CPU-second
	rate   []float64       // requests per second
	busy   []float64       // the proxy, of its CPU; 1 is all of it
	load   []float64       // the load's CPU, whoever it worked for
	failed int             // rounds that count for nothing
}

// cells are by scenario and peer.
type cells map[string]map[string]*cell

func (c cells) of(s scenario, p string) *cell {
	if c[s.name] == nil {
		c[s.name] = map[string]*cell{}
	}
	if c[s.name][p] == nil {
		c[s.name][p] = &cell{perCPU: map[int]float64{}}
	}
	return c[s.name][p]
}

// TestThroughput drives each peer as hard as one CPU allows, and counts
// requests per second of CPU time that the proxy used.
func TestThroughput(t *testing.T) {
	b := newBench(t)
	up := startUpstream(b)
	list := peers(t)
	all := cells{}
	for round := range rounds {
		for n := range list {
			p := list[(n+round)%len(list)] // nobody is always first
			for _, tls := range []bool{false, true} {
				b.measurePeer(p, site{up, tls}, round, all)
			}
		}
		t.Logf("round %d of %d done", round+1, rounds)
	}
	reportRatios(t, list, all)
	reportThroughput(t, list, all)
}

// asks tells whether a peer takes part in a scenario.
func (p peer) asks(s scenario) bool { return (!p.variant || s.all) && (p.name != direct || !s.tls()) }

func (b *bench) measurePeer(p peer, at site, round int, all cells) {
	b.t.Helper()
	var list []scenario
	for _, s := range chosen(at.tls) {
		if p.asks(s) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return
	}
	proc, addr := p.start(b, p, at)
	b.answers(at.tls, addr)
	for _, s := range list {
		c := all.of(s, p.name)
		if err := b.measure(s, proc, addr, round, c); err != nil {
			c.failed++
			b.t.Logf("%s: %s: this round counts for nothing: %v", s.name, p.name, err)
			if p.name == ours && !errors.Is(err, errUnready) {
				b.t.Fail() // a proxy that errs when it is busy is not to be compared
			}
		}
	}
	if proc != nil {
		proc.stop()
	}
}

// errUnready is of a machine that was too busy to be measured on.
var errUnready = errors.New("not all connections were made before the window began")

// measure reads the clocks of CPU time at both ends of a window.
func (b *bench) measure(s scenario, p *proc, addr string, round int, c *cell) error {
	b.t.Helper()
	var used, load time.Duration
	connected := s.conns
	_, loadCPU, _ := cpus()
	begin := func() {
		if p != nil {
			connected = openOf(p.pid)
			used = -b.cpu(p)
		}
		load = -b.busy(loadCPU)
	}
	o, err := b.load(s, addr, begin, func() {
		if p != nil {
			used += b.cpu(p)
		}
		load += b.busy(loadCPU)
	})
	if connected < s.conns && s.conns > 100 { // wrk makes its few connections in the window
		err = fmt.Errorf("%w: %d of %d", errUnready, connected, s.conns)
	}
	if err != nil {
		return err
	}
	c.rate = append(c.rate, o.perSecond())
	c.load = append(c.load, share(load, o.took))
	if p != nil {
		c.perCPU[round] = float64(o.requests) / used.Seconds()
		c.busy = append(c.busy, share(used, o.took))
	}
	return nil
}

func share(used, of time.Duration) float64 { return min(used.Seconds()/of.Seconds(), 1) }

// busy is the clock of a CPU's work, whoever it was for.
func (b *bench) busy(cpu string) time.Duration {
	b.t.Helper()
	d, err := busyOf(cpu)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}
