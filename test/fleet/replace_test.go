package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// TestReplacedBySignal replaces three instances again and again, by SIGUSR2 alone:
// there is no agent and no proxy.
func TestReplacedBySignal(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, store string) {
		var fleet []*member
		var urls []string
		for n := range 3 {
			m := startMember(t, fmt.Sprint("web", n), store)
			fleet, urls = append(fleet, m), append(urls, m.url)
		}
		c := newCrowd(t, urls...)
		finish := make([]func() *drill.Result, len(fleet))
		for i, m := range fleet {
			finish[i] = m.drill(t)
		}
		for range replaced(store) {
			var leaving []*process
			for _, m := range fleet {
				leaving = append(leaving, m.replace(t))
			}
			for _, p := range leaving {
				p.gone(t)
			}
			c.check()
		}
		for i, f := range finish {
			if r := f(); r.Lost != 0 {
				t.Errorf("%s\n%s", harness.Explain(r, 5), fleet[i].log)
			}
		}
		c.over()
		if t.Failed() {
			for _, m := range fleet {
				t.Logf("%s\n%s", m.url, m.log)
			}
		}
	})
}

// A member of the fleet is a program that is replaced by itself.
type member struct {
	url, pidFile string
	now          *process // who serves
	log          *logFile
}

func startMember(t *testing.T, name, store string) *member {
	t.Helper()
	dir, port := t.TempDir(), harness.FreePort(t)
	out, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	m := &member{url: fmt.Sprint("http://127.0.0.1:", port), pidFile: filepath.Join(dir, name+".pid"), log: &logFile{out.Name()}}
	cmd := exec.Command(service(t))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "PORT=" + strconv.Itoa(port), "PIDFILE=" + m.pidFile, "SEGUE_STORE=" + store}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait() // whoever waits for its end does so by its pidfd
	t.Cleanup(func() { m.stop(t) })
	m.now = m.next(t, nil)
	return m
}

// next waits until another process than the old one serves.
func (m *member) next(t *testing.T, old *process) *process {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) { // a file tells no one that it was written
		data, _ := os.ReadFile(m.pidFile)
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err == nil && (old == nil || pid != old.pid) {
			return open(t, pid)
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody has taken over within a minute\n%s", m.log)
		}
	}
}

// replace has the member replaced, and returns who is on his way out.
func (m *member) replace(t *testing.T) *process {
	t.Helper()
	old := m.now
	old.signal(t, syscall.SIGUSR2)
	m.now = m.next(t, old)
	return old
}

func (m *member) stop(t *testing.T) {
	if m.now == nil {
		return
	}
	m.now.signal(t, syscall.SIGTERM)
	m.now.gone(t)
}

// drill sends requests to the member that cannot be sent twice, until the
// function that it returns is called.
func (m *member) drill(t *testing.T) func() *drill.Result {
	t.Helper()
	d, err := drill.New(drill.Plan{URL: m.url + "/price?item=drill&cents=5", Method: "POST", Rate: 30,
		Connections: 3}) // each is used again in less than the idle gap of the service
	if err != nil {
		t.Fatal(err)
	}
	type ended struct {
		r   *drill.Result
		err error
	}
	done := make(chan ended, 1)
	go func() {
		r, err := d.Run(context.Background())
		done <- ended{r, err}
	}()
	t.Cleanup(d.Stop)
	return func() *drill.Result {
		t.Helper()
		d.Stop()
		e := <-done
		if e.err != nil {
			t.Fatal(e.err)
		}
		if e.r.OK == 0 {
			t.Error("the drill was never answered")
		}
		return e.r
	}
}

// A process is one that need not be a child.
type process struct{ pid, fd int }

func open(t *testing.T, pid int) *process {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("process %d: %v", pid, err)
	}
	return &process{pid, fd}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := unix.PidfdSendSignal(p.fd, s, nil, 0); err != nil {
		t.Errorf("%v to process %d: %v", s, p.pid, err)
	}
}

// gone waits for its end, and is the last thing that is done with it.
func (p *process) gone(t *testing.T) {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(time.Minute); ; {
		n, err := unix.Poll(fds, int(time.Until(deadline).Milliseconds()))
		switch {
		case n > 0:
			unix.Close(p.fd)
			return
		case err == unix.EINTR:
		case err != nil:
			t.Fatal(err)
		default:
			t.Fatalf("process %d has not ended within a minute", p.pid)
		}
	}
}

// A logFile is read when it is shown.
type logFile struct{ path string }

func (l *logFile) String() string {
	data, err := os.ReadFile(l.path)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(data))
}
