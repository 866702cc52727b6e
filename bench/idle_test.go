//go:build bench

package bench

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

const idleConnections = 10_000

// TestIdleConnections opens connections, makes one request on each, and looks
// at the proxy's memory while they idle.
func TestIdleConnections(t *testing.T) {
	b := newBench(t)
	up := startUpstream(b)
	list := peers(t)
	var tab table
	tab.row("proxy", "PSS with none, MiB", fmt.Sprintf("PSS with %s, MiB", thousands(idleConnections)), "RSS, MiB", "per connection, KiB", "CPU while they idle")
	for _, p := range list {
		if p.name == direct || p.variant {
			continue
		}
		proc, addr := p.start(b, p, up)
		b.answers("http://" + addr + "/")
		before := b.memory(proc)
		hold := b.hold(addr, idleConnections)
		time.Sleep(settle())
		cpu := b.cpu(proc)
		time.Sleep(settle())
		cpu = b.cpu(proc) - cpu
		after := b.memory(proc)
		b.stillOpen(hold)
		for _, c := range hold {
			c.Close()
		}
		proc.stop()
		tab.row(p.name, mib(before.pss), mib(after.pss), mib(after.rss), fmt.Sprintf("%.1f", float64(after.pss-before.pss)/1024/idleConnections),
			fmt.Sprintf("%.2f %%", 100*cpu.Seconds()/settle().Seconds()))
	}
	write(t, "idle", fmt.Sprintf("%s kept-alive connections, one request made on each, then %v of silence.", thousands(idleConnections), 2*settle()), tab, list)
}

func settle() time.Duration {
	if quick {
		return 2 * time.Second
	}
	return 10 * time.Second
}

// hold opens n connections from several loopback addresses, so that no range
// of ports is used up.
func (b *bench) hold(addr string, n int) []net.Conn {
	b.t.Helper()
	conns := make([]net.Conn, n)
	const openers = 16
	errs := make([]error, openers)
	var opening sync.WaitGroup
	for o := range openers {
		opening.Go(func() {
			d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+o%4))}}
			for i := o; i < n && errs[o] == nil; i += openers {
				if conns[i], errs[o] = d.Dial("tcp", addr); errs[o] == nil {
					errs[o] = ask(conns[i])
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

func ask(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", res.Status)
	}
	return nil
}

// stillOpen asks again on a few: memory of connections that are closed
// already would be no merit.
func (b *bench) stillOpen(conns []net.Conn) {
	b.t.Helper()
	for i := 0; i < len(conns); i += len(conns) / 100 {
		if err := ask(conns[i]); err != nil {
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
