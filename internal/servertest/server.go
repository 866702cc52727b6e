package servertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start or to stop.
const patience = 30 * time.Second

// secret is every server's password: tests look for it in logs and errors.
const secret = "s3cret-of-servertest"

// A Server is a process of its own, on a loopback port and with a folder that it
// keeps when it is stopped and started again. Its methods are called by one
// goroutine at a time.
type Server struct {
	kind kind
	dir  string
	port int
	env  []string
	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended
	tell io.Writer     // what the process reads, if it does
	free func()        // gives the port back; as long as it is here, the port is ours
}

// A kind is what tells Redis, PostgreSQL and the others apart.
type kind struct {
	name    string
	command func(s *Server) *exec.Cmd
	url     func(s *Server) *url.URL
	stop    syscall.Signal // ends it in order
	crash   syscall.Signal // ends it at once, as if the machine's power had failed
}

// own starts a server that ends with the test.
func own(t testing.TB, k kind, prepare func(dir string) error, env ...string) *Server {
	t.Helper()
	dir, err := newDir(k.name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := prepare(dir); err != nil {
		t.Fatal(err)
	}
	s := &Server{kind: k, dir: dir, env: env}
	if err := s.settle(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.free)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of %s:\n%s", k.name, s.log())
		}
		s.Kill(t)
	})
	return s
}

// share starts a server that ends with the test binary.
func share(k kind, prepare func(dir string) error) (*Server, error) {
	dir, err := newDir(k.name)
	if err != nil {
		return nil, err
	}
	if err := prepare(dir); err != nil {
		return nil, err
	}
	s := &Server{kind: k, dir: dir}
	return s, s.settle()
}

// settle finds the server a port and starts it there. Who is no test of ours may
// take the port in between: then it is another one.
func (s *Server) settle() error {
	for try := 1; ; try++ {
		port, free, err := reservePort()
		if err != nil {
			return err
		}
		s.port, s.free = port, free
		if err = s.start(); err == nil {
			return nil
		}
		free()
		if try == 5 || !taken(port) {
			return err
		}
	}
}

// Addr is where the server listens: host:port.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// URL is what a driver opens; it has the password in it.
func (s *Server) URL() string { return s.kind.url(s).String() }

// Password is the one in the URL, for tests that look where it turns up.
func (s *Server) Password() string { return secret }

// Pid is the process that runs, for tests that suspend it. It is another after
// each start.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Stop ends the server in order: it writes what it has to write. It does nothing
// if the server does not run.
func (s *Server) Stop(t testing.TB) { t.Helper(); s.end(t, s.kind.stop) }

// Kill ends the server at once, as a crash does.
func (s *Server) Kill(t testing.TB) { t.Helper(); s.end(t, s.kind.crash) }

// Start starts a server that was stopped or killed, on the same port and data.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if s.running() {
		t.Fatalf("servertest: %s runs already", s.kind.name)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

// Restart stops the server and starts it again.
func (s *Server) Restart(t testing.TB) { t.Helper(); s.Stop(t); s.Start(t) }

func (s *Server) end(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if !s.running() {
		return
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("servertest: %v to %s: %v", sig, s.kind.name, err)
	}
	select {
	case <-s.gone:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		t.Fatalf("servertest: %s has not ended within %v of %v:\n%s", s.kind.name, patience, sig, s.log())
	}
}

func (s *Server) running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.gone:
		return false
	default:
		return true
	}
}

// start starts the process and waits until it says, as systemd's services do,
// that it takes connections.
func (s *Server) start() error {
	name := fmt.Sprintf("@segue-test-ready-%d-%d", os.Getpid(), s.port)
	ready, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("servertest: %w", err)
	}
	defer ready.Close()
	s.cmd = s.kind.command(s)
	s.cmd.Dir = s.dir
	s.cmd.Env = slices.Concat(os.Environ(), s.cmd.Env, []string{"NOTIFY_SOCKET=" + name, "LC_ALL=C"}, s.env)
	if err := s.spawn(); err != nil {
		return fmt.Errorf("servertest: start %s: %w", s.kind.name, err)
	}
	go func(gone chan struct{}) { <-gone; ready.Close() }(s.gone) // ends the reading below
	if err := waitReady(ready); err != nil {
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("servertest: %s has not become ready: %w\n%s", s.kind.name, err, s.log())
	}
	return nil
}

// spawn makes the process, and sees that it dies with us: the kernel kills it
// when the thread that made it ends, and that thread does nothing else meanwhile.
func (s *Server) spawn() error {
	out, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr.Pdeathsig = s.kind.crash
	s.cmd.SysProcAttr.Setpgid = true // Ctrl-C is for us
	started, cmd, gone := make(chan error), s.cmd, make(chan struct{})
	s.gone = gone
	go func() {
		runtime.LockOSThread()
		started <- cmd.Start()
		_ = cmd.Wait() // how it ended says nothing: it is we who end it
		close(gone)
	}()
	return <-started
}

func waitReady(c *net.UnixConn) error {
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for buf := make([]byte, 4096); ; {
		n, err := c.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return errors.New("it has ended")
		}
		if err != nil {
			return err
		}
		if bytes.Contains(buf[:n], []byte("READY=1")) {
			return nil
		}
	}
}

// log is the end of what the server has written.
func (s *Server) log() string {
	data, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data[max(0, len(data)-4000):]))
}
