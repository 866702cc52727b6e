package process

import (
	"net"
	"strings"
	"testing"
)

func TestStranger(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	var e Engine
	p, err := e.Prepare(t.Context(), Command{ID: "x", Argv: []string{"sleep", "1000"}, Dir: "/", Env: []string{"PATH=/bin:/usr/bin"}, LogFile: t.TempDir() + "/log"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Wait()
	defer p.Stop(t.Context(), "KILL", 0)
	if err := p.Stranger(port); err == nil || !strings.Contains(err.Error(), "taken by process") {
		t.Errorf("this test listens, and not the instance, which is younger: %v", err)
	}
	if err := p.Stranger(0); err != nil {
		t.Errorf("a worker has no port: %v", err)
	}
	l.Close()
	if err := p.Stranger(port); err != nil {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestPortsOfAnotherAgent(t *testing.T) {
	a, b := Ports{Low: 20400, High: 20400}, Ports{Low: 20400, High: 20400}
	if _, err := a.Pick(none); err != nil {
		t.Fatal(err)
	}
	if port, err := b.Pick(none); err == nil {
		t.Errorf("%d was picked twice", port)
	}
	a.Release(20400)
	if _, err := b.Pick(none); err != nil {
		t.Error(err)
	}
	b.Release(20400)
	b.Hold(20400)
	if _, err := a.Pick(none); err == nil {
		t.Error("an adopted instance's port was picked")
	}
	b.Release(20400)
}

// TestPortsBeginAnywhere: agents on one machine must not all begin with the
// first port above the kernel's range.
func TestPortsBeginAnywhere(t *testing.T) {
	first := map[int]bool{}
	for range 20 {
		var p Ports
		port, err := p.Pick(none)
		if err != nil {
			t.Fatal(err)
		}
		first[port] = true
		p.Release(port)
	}
	if len(first) < 15 {
		t.Errorf("20 agents begin with only %d different ports", len(first))
	}
}
