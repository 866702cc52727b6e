package agent

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// address returns one that nobody listens on.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func answers(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func TestSocketsEnsure(t *testing.T) {
	s := newSockets(quiet())
	a, b := address(t), address(t)
	made, err := s.ensure([]string{a, b, a})
	if err != nil || len(made) != 2 || made[a] == nil || made[b] == nil {
		t.Fatalf("%v %v", made, err)
	}
	if !answers(a) || !answers(b) {
		t.Error("nobody listens")
	}
	if made, err := s.ensure([]string{a, b}); err != nil || len(made) != 0 {
		t.Errorf("opened again: %v %v", made, err)
	}
	if got := s.pick([]string{a, "other"}); len(got) != 1 || got[a] == nil {
		t.Errorf("%v", got)
	}
	if gone := s.release(map[string]bool{a: true}); len(gone) != 1 || gone[0] != b {
		t.Errorf("%v", gone)
	}
	if !answers(a) || answers(b) {
		t.Error("the wrong one is closed")
	}
	s.forget()
	if answers(a) || len(s.all()) != 0 {
		t.Error("it is still open")
	}
}

// When one address cannot be had, none is opened.
func TestSocketsAllOrNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newSockets(quiet())
	free, taken := address(t), l.Addr().String()
	_, err = s.ensure([]string{free, taken})
	if err == nil || !strings.Contains(err.Error(), "listen on "+taken+": the port is taken by another program") {
		t.Errorf("%v", err)
	}
	if answers(free) || len(s.all()) != 0 {
		t.Error("the free one is opened all the same")
	}
	if _, err := s.ensure([]string{free, "no such host.invalid:80"}); err == nil || answers(free) {
		t.Errorf("%v", err)
	}
	if _, err := s.ensure([]string{free}); err != nil {
		t.Errorf("not to be had later: %v", err)
	}
	s.forget()
}

func TestSocketsAdopt(t *testing.T) {
	s := newSockets(quiet())
	defer s.forget()
	a := address(t)
	made, err := s.ensure([]string{a})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	other, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	s.adopt(map[string]*os.File{a: r, "other": other})
	if all := s.all(); all[a] != made[a] || all["other"] == nil {
		t.Errorf("%v", all)
	}
	if err := r.Close(); err == nil {
		t.Error("the second socket of an address stays open")
	}
	if err := other.Close(); err == nil {
		t.Error("the one that was given stays open beside the parked copy")
	}
}

// What is only kept is not in the poller, and works all the same.
func TestSocketsParked(t *testing.T) {
	s := newSockets(quiet())
	defer s.forget()
	a := address(t)
	made, err := s.ensure([]string{a})
	if err != nil {
		t.Fatal(err)
	}
	f := made[a]
	if err := f.SetReadDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
		t.Errorf("it is in the poller: %v", err)
	}
	var flags int
	err = withFD(f, func(fd uintptr) (err error) {
		flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0)
		return err
	})
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("it blocks: %#x %v", flags, err)
	}
	if !answers(a) {
		t.Error("nobody listens")
	}
}

// Sockets that were inherited are used where they listen, and nowhere else.
func TestSocketsSpares(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s := newSockets(quiet())
	defer s.forget()
	s.spares = []*os.File{file}
	other := address(t)
	made, err := s.ensure([]string{other, l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if made[l.Addr().String()] != file || made[other] == file || s.spares[0] != nil {
		t.Errorf("%v, spares %v", made, s.spares)
	}
}

func TestBound(t *testing.T) {
	file := func(network, addr string) (*os.File, string) {
		l, err := net.Listen(network, addr)
		if err != nil {
			t.Skip(err) // no IPv6 here
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f, strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	local, lp := file("tcp4", "127.0.0.1:0")
	every, ep := file("tcp", ":0")
	pipe, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer w.Close()
	for _, c := range []struct {
		f    *os.File
		key  string
		want bool
	}{
		{local, "127.0.0.1:" + lp, true}, {local, "localhost:" + lp, true}, {local, ":" + lp, false}, {local, "127.0.0.2:" + lp, false},
		{local, "127.0.0.1:1", false}, {local, "nonsense", false},
		{every, ":" + ep, true}, {every, "0.0.0.0:" + ep, true}, {every, "[::]:" + ep, true}, {every, "127.0.0.1:" + ep, false},
		{pipe, ":80", false},
	} {
		if got := bound(c.f, c.key); got != c.want {
			t.Errorf("%s: %v", c.key, got)
		}
	}
}

func TestInheritFromNobody(t *testing.T) {
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "1")
	s := newSockets(quiet())
	s.inherit()
	if len(s.spares) != 0 {
		t.Error("sockets of another process are taken")
	}
	if _, ok := os.LookupEnv("LISTEN_FDS"); ok {
		t.Error("instances would inherit LISTEN_FDS")
	}
}
