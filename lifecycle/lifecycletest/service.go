package lifecycletest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A service runs in processes of its own, one after the other. To it we are the
// service manager (sd_notify(3)), and so learn which of them serves.
type service struct {
	port    int
	pid     int // of the process that serves
	notices *net.UnixConn
	first   chan error // the end of the process that we have started

	mu      sync.Mutex
	written bytes.Buffer
	copied  chan struct{}
}

// patience is how long anything may take.
const patience = time.Minute

// start returns when the service is ready. With the test it ends at the latest.
func start(t *testing.T, command []string) *service {
	t.Helper()
	s := &service{first: make(chan error, 1), copied: make(chan struct{})}
	dir, err := os.MkdirTemp("", "lifecycle") // that of the test may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	if s.notices, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.notices.Close() })
	if s.port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), variable+"="+t.Name(), fmt.Sprint("PORT=", s.port), "NOTIFY_SOCKET="+path)
	if err := s.run(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	if _, err := s.told(func(_ int, ready bool) bool { return ready }); err != nil {
		t.Fatalf("the service has not said that it is ready, as lifecycle.Run does: %v\n%s", err, s.output())
	}
	return s
}

// run starts the first process. What it writes is kept by way of a pipe: the
// processes that follow it have it, too.
func (s *service) run(cmd *exec.Cmd) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return errors.Join(err, r.Close())
	}
	s.pid = cmd.Process.Pid
	go func() { s.first <- cmd.Wait() }()
	go func() {
		defer close(s.copied)
		defer r.Close()
		_, _ = io.Copy(s, r) // until all processes have ended
	}()
	return nil
}

func (s *service) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written.Write(p)
}

func (s *service) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written.String()
}

// gone returns when a process has ended; with an error if it did not end well,
// which is known only of the first.
func (s *service) gone(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return s.fate()
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	for until := time.Now().Add(patience); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(until).Milliseconds()))
		switch {
		case n > 0:
			return s.fate()
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("process %d: %w", pid, err)
		case time.Now().After(until):
			return fmt.Errorf("process %d has not ended within %v", pid, patience)
		}
	}
}

// fate is how the first process has ended, the first time that it is asked for.
func (s *service) fate() error {
	select {
	case err := <-s.first:
		return err
	default:
		return nil
	}
}

// stop ends the service as a service manager does.
func (s *service) stop() error {
	if err := syscall.Kill(s.pid, syscall.SIGTERM); err != nil {
		return err
	}
	return s.gone(s.pid)
}

// end sees to it that nothing is left.
func (s *service) end() {
	_ = syscall.Kill(s.pid, syscall.SIGKILL) // mostly it has ended
	select {
	case <-s.copied:
	case <-time.After(time.Second): // one that nobody knows of has the pipe
	}
}
