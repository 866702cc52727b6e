//go:build bench

package bench

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// An idleKind is a kind of connection that idles.
type idleKind struct {
	name string
	n    int
	tls  bool
	open func(d net.Dialer, addr string) (held, error)
	goal string // Segue's, per connection
}

var idleKinds = []idleKind{
	{"HTTP/1.1", 10_000, false, openPlain, "< 8"},
	{"TLS, HTTP/1.1", 1000, true, openTLS, ""},
	{"TLS, HTTP/2", 1000, true, openH2, ""},
}

// TestIdleConnections opens connections, makes one request on each, and looks
// at the proxy's memory while they idle.
func TestIdleConnections(t *testing.T) {
	b := newBench(t)
	up := startUpstream(b)
	list := peers(t)
	var tab table
	tab.row("connections", "proxy", "PSS with none, MiB", "PSS with them, MiB", "RSS, MiB", "per connection, KiB", "goal", "CPU while they idle")
	for _, k := range idleKinds {
		for _, p := range list {
			if p.name == direct || p.variant {
				continue
			}
			proc, addr := p.start(b, p, site{up, k.tls})
			b.answers(k.tls, addr)
			row := b.idle(k, proc, addr)
			if p.name == ours {
				row[4] = k.goal
			}
			tab.row(append([]string{thousands(float64(k.n)) + " " + k.name, p.name}, row...)...)
			proc.stop()
		}
	}
	write(t, "idle", fmt.Sprintf("Kept-alive connections, one request made on each, then %v of silence.", 2*settle()), tab, list)
}

func (b *bench) idle(k idleKind, proc *proc, addr string) []string {
	b.t.Helper()
	before := b.memory(proc)
	conns := b.hold(k, addr)
	time.Sleep(settle())
	cpu := b.cpu(proc)
	time.Sleep(settle())
	cpu = b.cpu(proc) - cpu
	after := b.memory(proc)
	b.stillOpen(conns)
	for _, c := range conns {
		c.Close()
	}
	return []string{mib(before.pss), mib(after.pss), mib(after.rss), fmt.Sprintf("%.1f", float64(after.pss-before.pss)/1024/float64(k.n)), "",
		fmt.Sprintf("%.2f %%", 100*cpu.Seconds()/settle().Seconds())}
}

func settle() time.Duration {
	if quick {
		return time.Second
	}
	return 8 * time.Second
}

// hold opens connections from several loopback addresses, so that no range of
// ports is used up.
func (b *bench) hold(k idleKind, addr string) []held {
	b.t.Helper()
	conns := make([]held, k.n)
	const openers = 16
	errs := make([]error, openers)
	var opening sync.WaitGroup
	for o := range openers {
		opening.Go(func() {
			d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+o%4))}}
			for i := o; i < k.n && errs[o] == nil; i += openers {
				var c held
				if c, errs[o] = k.open(d, addr); errs[o] == nil {
					conns[i], errs[o] = c, c.ask()
				}
			}
		})
	}
	opening.Wait()
	b.t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				c.Close() // closed already when all went well
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		b.t.Fatal(err)
	}
	return conns
}

// stillOpen asks again on a few: memory of connections that are closed
// already would be no merit.
func (b *bench) stillOpen(conns []held) {
	b.t.Helper()
	for i := 0; i < len(conns); i += len(conns) / 100 {
		if err := conns[i].ask(); err != nil {
			b.t.Fatalf("connection %d is open no more: %v", i, err)
		}
	}
}

func (b *bench) memory(p *proc) memory {
	b.t.Helper()
	m, err := memoryOf(tree(p.pid)...)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func (b *bench) cpu(p *proc) time.Duration {
	b.t.Helper()
	d, err := cpuTime(p.pid)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}
