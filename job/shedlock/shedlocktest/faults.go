package shedlocktest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock"
)

// Faults are what can be done to a driver's database.
type Faults struct {
	// Open is that of Driver, on connections that Cut cuts.
	Open func(t testing.TB, lockedBy string) job.Guard
	// Stop kills the database; Start starts it again with what it had.
	Stop, Start func(t testing.TB)
	// Cut breaks all connections in the middle of what they do. Mute has the database
	// hear and do, but its answers do not come, until Cut.
	Cut, Mute func(t testing.TB)
	// URL is what the function given to Main opens, in a process of its own.
	URL string
	// Secret is what must not stand in an error; empty: nothing.
	Secret string
}

// TestFaults runs its tests one after the other.
func TestFaults(t *testing.T, f Faults) {
	t.Run("connections that are cut cost nobody the lock", f.cut)
	t.Run("a lock whose answer was lost is not in the way", f.unanswered)
	t.Run("a database that is down gives no lock, and the holder unlocks when it is back", f.down)
	t.Run("the lock of a killed process is free when its time is over", func(t *testing.T) { TestKilledHolder(t, f) })
}

func (f Faults) cut(t *testing.T) {
	g := f.Open(t, "host-a")
	s := suite{name: "cut"}
	l := s.lock(t, g, long)
	f.Cut(t)
	again(t, "extend", func() error {
		ok, err := l.Extend(t.Context(), long)
		if err == nil && !ok {
			t.Fatal("the lock is lost")
		}
		return err
	})
	f.Cut(t)
	again(t, "unlock", func() error { return l.Unlock(t.Context(), 0) })
	s.lockAgain(t, g)
}

// unanswered has a lock given to one who does not hear of it, and asks again.
func (f Faults) unanswered(t *testing.T) {
	g := f.Open(t, "host-a")
	s := suite{name: "unanswered"}
	unlock(t, s.lock(t, g, long), 0) // a connection is there
	f.Mute(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, ok, _, err := g.Lock(ctx, s.name, long); ok || err == nil {
		t.Fatalf("lock: %v, %v; want an error", ok, err)
	}
	f.Cut(t)
	l := s.lockAgain(t, g)
	s.refused(t, f.Open(t, "host-b"), "host-a:")
	unlock(t, l, 0)
}

func (f Faults) down(t *testing.T) {
	g := f.Open(t, "host-a")
	s := suite{name: "down"}
	l := s.lock(t, g, long)
	f.Stop(t)
	_, ok, _, err := g.Lock(t.Context(), "another", long)
	if ok || err == nil {
		t.Errorf("lock: %v, %v; want an error", ok, err)
	}
	if f.Secret != "" && strings.Contains(fmt.Sprint(err), f.Secret) {
		t.Errorf("the password stands in the error: %v", err)
	}
	if ok, err := l.Extend(t.Context(), long); ok || err == nil {
		t.Errorf("extend: %v, %v; want an error: nobody knows whether it is lost", ok, err)
	}
	if err := l.Unlock(t.Context(), 0); err == nil {
		t.Error("unlock: no error")
	}
	f.Start(t)
	again(t, "unlock", func() error { return l.Unlock(t.Context(), 0) })
	s.lockAgain(t, g)
}

// lockAgain takes the lock, which must be free, until its connections work.
func (s suite) lockAgain(t testing.TB, g job.Guard) (l job.GuardLock) {
	t.Helper()
	again(t, "lock", func() error {
		taken, ok, by, err := g.Lock(t.Context(), s.name, long)
		if err == nil && !ok {
			t.Fatalf("it is held by %q", by)
		}
		l = taken
		return err
	})
	return l
}

// again does something until its connections work.
func again(t testing.TB, what string, do func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = do(); err == nil {
			return
		}
	}
	t.Fatalf("%s: not within %v: %v", what, patience, err)
}

// TestKilledHolder kills a process that holds a lock. Of f it needs Open and URL.
func TestKilledHolder(t *testing.T, f Faults) {
	g := f.Open(t, "host-a")
	s := suite{Driver: Driver{Now: func(testing.TB) time.Time { return time.Now() }}, name: "killed"}
	h := f.holder(t, s.name, 2*time.Second)
	s.refused(t, g, shedlock.Host()+":")
	if err := h.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.Wait() // it was killed
	s.awaited(t, g)
}

// holderEnv has a test binary hold a lock: URL, name and duration.
const holderEnv = "SEGUE_SHEDLOCK_HOLDER"

// holder starts a process that holds a lock, and waits until it does.
func (f Faults) holder(t testing.TB, name string, atMost time.Duration) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderEnv+"="+strings.Join([]string{f.URL, name, atMost.String()}, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe() // closed when we end, at which it ends
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder said %q, %v", line, err)
	}
	return cmd
}

// Main runs the tests of a binary, or, if it was started as one, a holder: open is
// how such a process opens its guard.
func Main(m *testing.M, open func(url string) (job.Guard, error)) {
	say := os.Getenv(holderEnv)
	if say == "" {
		os.Exit(m.Run())
	}
	if err := hold(strings.Split(say, "\n"), open); err != nil {
		log.Fatal(err)
	}
}

func hold(say []string, open func(url string) (job.Guard, error)) error {
	atMost, err := time.ParseDuration(say[2])
	if err != nil {
		return err
	}
	g, err := open(say[0])
	if err != nil {
		return err
	}
	if _, ok, by, err := g.Lock(context.Background(), say[1], atMost); err != nil || !ok {
		return fmt.Errorf("lock: %v, held by %q, %w", ok, by, err)
	}
	fmt.Println("held")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
