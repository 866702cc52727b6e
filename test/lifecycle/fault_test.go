package lifecycle_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestNewProcessThatFailsLeavesTheOldOneServing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ how, says string }{
		{"fails", "has ended before it was ready (exit status 1)"},
		{"dies", "has ended before it was ready (signal: killed)"},
		{"hangs", "was not ready within 2s (exit status"},
		{"deaf", "was not ready within 2s; it had to be killed"},
	} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			s := startService(t, c.how)
			s.faulty(true)
			s.under(func() {
				s.signal(syscall.SIGUSR2)
				s.said(1, "replace: failed, this process goes on")
			})
			if !strings.Contains(s.log.String(), c.says) {
				t.Errorf("the log does not say %q", c.says)
			}
			if s.who() != s.pid {
				t.Error("somebody else serves")
			}
			s.faulty(false)
			s.replace()
			if s.who() != s.pid {
				t.Error("after a failure it can no more be replaced")
			}
		})
	}
}

// kill ends a process without a word, and waits until it is gone.
func (s *service) kill(pid int) {
	s.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
}

func TestNewProcessKilledWhileItStarts(t *testing.T) {
	t.Parallel()
	s := startService(t, "slow")
	s.faulty(true)
	s.under(func() {
		s.signal(syscall.SIGUSR2)
		s.said(1, "started a new process")
		s.kill(s.next())
		s.said(1, "replace: failed, this process goes on")
	})
	if s.who() != s.pid {
		t.Error("somebody else serves")
	}
}

func TestOldProcessKilledWhileTheNewOneStarts(t *testing.T) {
	t.Parallel()
	s := startService(t, "slow")
	s.faulty(true)
	s.signal(syscall.SIGUSR2)
	s.said(1, "started a new process")
	old := s.pid
	s.pid = s.next()
	s.kill(old)
	s.gone(old)
	answer := make(chan int, 1)
	go func() { answer <- s.who() }() // waits in the queue of the socket
	s.faulty(false)
	if got := <-answer; got != s.pid {
		t.Errorf("answered by %d, want the new process, %d", got, s.pid)
	}
	s.said(1, "has gone already")
}

// leaving has the process replaced while a request holds it up, and returns when
// it leaves, with what the request will get.
func (s *service) leaving() (old int, held <-chan string) {
	s.t.Helper()
	answer := make(chan string, 1)
	go func() {
		got, err := s.ask("slow")
		answer <- fmt.Sprint(got, err)
	}()
	s.await("request", func() bool { return s.get("busy") == "1" })
	s.signal(syscall.SIGUSR2)
	s.said(1, "this one leaves")
	old = s.pid
	s.pid = s.next()
	return old, answer
}

func TestOldProcessKilledWhileItLeaves(t *testing.T) {
	t.Parallel()
	s := startService(t, "well")
	old, held := s.leaving() // for a second
	s.under(func() {
		s.kill(old)
		s.gone(old)
	})
	if got := <-held; !strings.Contains(got, "EOF") {
		t.Errorf("the request of the killed process got %q", got)
	}
}

func TestNewProcessKilledWhileTheOldOneLeaves(t *testing.T) {
	t.Parallel()
	s := startService(t, "well")
	old, held := s.leaving()
	s.kill(s.pid)
	s.said(1, "starting another")
	if who := s.who(); who == 0 || who == old {
		t.Errorf("answered by %d, want a third process", who)
	}
	s.said(2, "started a new process")
	s.pid = s.next()
	if got := <-held; !strings.Contains(got, "well") {
		t.Errorf("the request in flight got %q", got)
	}
	if code := s.gone(old); code != 0 {
		t.Errorf("the old process ended with %d", code)
	}
	if s.who() != s.pid {
		t.Error("nobody serves")
	}
}

func TestTwoSignalsAtOnceReplaceOnce(t *testing.T) {
	t.Parallel()
	s := startService(t, "slow")
	s.faulty(true)
	s.signal(syscall.SIGUSR2)
	s.said(1, "started a new process")
	s.signal(syscall.SIGUSR2)
	s.said(1, "a new process is being started already")
	old := s.pid
	s.pid = s.next()
	s.faulty(false)
	if code := s.gone(old); code != 0 {
		t.Errorf("the old process ended with %d", code)
	}
	if n := strings.Count(s.log.String(), "started a new process"); n != 1 {
		t.Errorf("%d processes were started", n)
	}
}

func TestStopWhileANewProcessStartsEndsBoth(t *testing.T) {
	t.Parallel()
	s := startService(t, "slow")
	s.faulty(true)
	s.signal(syscall.SIGUSR2)
	s.said(1, "started a new process")
	next := s.next()
	s.signal(syscall.SIGTERM)
	if code := s.gone(s.pid); code != 0 {
		t.Errorf("ended with %d", code)
	}
	s.pid = 0
	if err := syscall.Kill(next, 0); err != syscall.ESRCH {
		t.Errorf("the new process is still there: %v", err)
	}
}

func TestInstanceOfSegueRefusesToReplaceItself(t *testing.T) {
	t.Parallel()
	s := startService(t, "well", "SEGUE_INSTANCE=shop-7-1")
	s.signal(syscall.SIGUSR2)
	s.said(1, "replace: refused: this process is an instance of Segue's agent")
	if s.who() != s.pid {
		t.Error("it has been replaced all the same")
	}
}

func TestPIDFileNamesTheProcessThatServes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	s := startService(t, "well", "LIFECYCLE_TEST_PIDFILE="+file)
	for range 2 {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(data)); got != strconv.Itoa(s.pid) {
			t.Errorf("the file says %s, want %d", got, s.pid)
		}
		s.replace()
	}
	s.signal(syscall.SIGTERM)
	if code := s.gone(s.pid); code != 0 {
		t.Errorf("ended with %d", code)
	}
	s.pid = 0
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
}

// A deploy without an agent: a symbolic link is set to the new release.
func TestNewProgramIsFoundByTheNameOfTheOld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, release := range []string{"41", "42"} {
		if err := os.Mkdir(filepath.Join(dir, release), 0o700); err != nil {
			t.Fatal(err)
		}
		copyFile(t, os.Args[0], filepath.Join(dir, release, "shop"))
	}
	current := filepath.Join(dir, "current")
	if err := os.Symlink("41", current); err != nil {
		t.Fatal(err)
	}
	s := startProgram(t, filepath.Join(current, "shop"), "well")
	if err := os.Symlink("42", current+".next"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(current+".next", current); err != nil {
		t.Fatal(err)
	}
	s.replace()
	if got, want := s.get("exe"), filepath.Join(dir, "42", "shop"); got != want {
		t.Errorf("%s runs, want %s", got, want)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}
