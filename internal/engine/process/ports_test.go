package process

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func none(int) bool { return false }

// releaseAll gives back what a test has picked.
func (p *Ports) releaseAll() {
	for port := range p.held {
		p.Release(port)
	}
}

func TestPortsAreOutsideTheKernelsRange(t *testing.T) {
	low, high, err := ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	var p Ports
	defer p.releaseAll()
	var mu sync.Mutex
	seen := make(map[int]bool)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				port, err := p.Pick(none)
				mu.Lock()
				if err != nil || seen[port] || port >= low && port <= high {
					t.Errorf("%d (seen: %v): %v", port, seen[port], err)
				}
				seen[port] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

func TestPortsInUseAreNotPicked(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:", "0.0.0.0:", "[::]:", "[::1]:"} {
		p := Ports{Low: 20000, High: 20200}
		defer p.releaseAll()
		port, err := p.Pick(none)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", addr+strconv.Itoa(port))
		if err != nil {
			t.Logf("%s: %v", addr, err) // no IPv6 here
			continue
		}
		p.Low, p.High, p.next = port, port, 0
		p.Release(port)
		if got, err := p.Pick(none); err == nil {
			t.Errorf("%d was picked while %s is bound", got, l.Addr())
		}
		l.Close()
		if got, err := p.Pick(none); err != nil || got != port {
			t.Error(got, err)
		}
	}
}

func TestPortsRestForARound(t *testing.T) {
	p := Ports{Low: 20300, High: 20310}
	taken := func(port int) bool { return port == 20305 }
	last := make(map[int]int)
	for i := range 50 {
		port, err := p.Pick(taken)
		if err != nil || port == 20305 {
			t.Fatal(port, err)
		}
		if was, ok := last[port]; ok && i-was < 8 {
			t.Errorf("%d came again after %d picks", port, i-was)
		}
		last[port] = i
		p.Release(port)
	}
}

func TestNoPortLeft(t *testing.T) {
	p := Ports{Low: 20000, High: 20010}
	if _, err := p.Pick(func(int) bool { return true }); err == nil || !strings.Contains(err.Error(), "ip_local_port_range") {
		t.Error(err)
	}
	if _, err := p.pick(1, 65535, none); err == nil {
		t.Error("a port of the kernel's was picked")
	}
}
