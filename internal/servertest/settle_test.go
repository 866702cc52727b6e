package servertest

import (
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
)

// Somebody takes the port between its reservation and the server's start.
func TestAServerWhosePortIsTakenTakesAnother(t *testing.T) {
	t.Parallel()
	k, err := redis()
	if err != nil {
		t.Fatal(err)
	}
	command, first := k.command, 0
	k.command = func(s *Server) *exec.Cmd {
		if first == 0 {
			first = s.port
			l, err := net.Listen("tcp", s.Addr())
			if err != nil {
				t.Error(err)
			} else {
				t.Cleanup(func() { l.Close() })
			}
		}
		return command(s)
	}
	s := own(t, k, func(string) error { return nil })
	if s.port == first {
		t.Errorf("it is on port %d, as somebody else is", s.port)
	}
}

// What is reserved stays so, whatever the collector thinks of it.
func TestAPortIsKeptAsLongAsItsServer(t *testing.T) {
	t.Parallel()
	k, err := redis()
	if err != nil {
		t.Fatal(err)
	}
	s, err := share(k, func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Kill(t) })
	for range 3 {
		runtime.GC()
	}
	if l, err := net.Listen("unix", "@segue-test-port-"+strconv.Itoa(s.port)); err == nil {
		l.Close()
		t.Errorf("port %d can be reserved by another", s.port)
	}
}
