// Package shedlocktest holds guards to what package shedlock promises, whatever
// database keeps the records: also one of somebody else's.
package shedlocktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/job/shedlock"
)

// A Driver is what is tested. Its functions are called by several tests at a time.
type Driver struct {
	// Open returns a guard on the same records each time, as another process would
	// have it. LockedBy is the name under which it takes locks.
	Open func(t testing.TB, lockedBy string) job.Guard
	// Read returns the record of a name as it is in the database.
	Read func(t testing.TB, name string) (Record, bool)
	// Write puts a record there as ShedLock in Java does, in place of any other.
	Write func(t testing.TB, name string, r Record)
	// Now is the clock that decides.
	Now func(t testing.TB) time.Time
	// Forgets says that a record is gone when its lock has ended.
	Forgets bool
	// Slack is how exact the times that Read returns are.
	Slack time.Duration
}

// A Record is what a database has of a lock, in UTC.
type Record struct {
	Until time.Time
	At    time.Time
	By    string
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// long is longer than any test lasts.
const long = 10 * time.Minute

// brief is how long locks last whose end is waited for.
const brief = 150 * time.Millisecond

// Test runs all tests as parallel subtests.
func Test(t *testing.T, d Driver) {
	for _, c := range []struct {
		promise string
		test    func(*testing.T, suite)
	}{
		{"one holder, and the others are told who", held},
		{"free again when unlocked", unlocked},
		{"free again when its time is over, and no sooner", expires},
		{"extended from now on, and shortened", extended},
		{"what has ended is not extended", notExtended},
		{"kept for at least as long", atLeast},
		{"at least is no longer than it has been", atLeastOver},
		{"a lock that has ended is lost", lost},
		{"a lock that has ended is lost, although nobody has it since", lapsed},
		{"an unlock that comes too late leaves the next lock alone", late},
		{"an unlock that Java gave early is seen", takenAway},
		{"each grant is another's, also in one process", oneProcess},
		{"what is unlocked stays so", twice},
		{"the record is ShedLock's", record},
		{"ShedLock's record is honoured until its time", honoured},
		{"names of all kinds", names},
		{"of fifty who ask at once, one gets it", fifty},
		{"refusals of what is no lock", refused},
		{"a context that is done", calledOff},
	} {
		t.Run(c.promise, func(t *testing.T) {
			t.Parallel()
			c.test(t, suite{d, strings.ReplaceAll(c.promise[:min(len(c.promise), 60)], " ", "-")})
		})
	}
}

// A suite is a test of its own lock.
type suite struct {
	Driver
	name string
}

// lock takes the lock, which must be free.
func (s suite) lock(t testing.TB, g job.Guard, atMost time.Duration) job.GuardLock {
	t.Helper()
	l, ok, by, err := g.Lock(t.Context(), s.name, atMost)
	if err != nil || !ok {
		t.Fatalf("lock: %v, held by %q, %v; want it", ok, by, err)
	}
	return l
}

// refused asks for the lock, which must be held.
func (s suite) refused(t testing.TB, g job.Guard, by string) {
	t.Helper()
	_, ok, who, err := g.Lock(t.Context(), s.name, long)
	if err != nil || ok || !strings.HasPrefix(who, by) {
		t.Fatalf("lock: %v, held by %q, %v; want it held by %s", ok, who, err, by)
	}
}

// awaited asks for the lock until it is free, and says when that was.
func (s suite) awaited(t testing.TB, g job.Guard) (job.GuardLock, time.Time) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		l, ok, _, err := g.Lock(t.Context(), s.name, long)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return l, s.Now(t)
		}
	}
	t.Fatalf("the lock has not become free within %v", patience)
	return nil, time.Time{}
}

func (s suite) read(t testing.TB) Record {
	t.Helper()
	r, ok := s.Read(t, s.name)
	if !ok {
		t.Fatal("there is no record")
	}
	return r
}

func held(t *testing.T, s suite) {
	a, b := s.Open(t, "host-a"), s.Open(t, "host-b")
	s.lock(t, a, long)
	s.refused(t, b, "host-a:")
	s.refused(t, a, "host-a:")
}

func unlocked(t *testing.T, s suite) {
	a, b := s.Open(t, "host-a"), s.Open(t, "host-b")
	for range 3 {
		unlock(t, s.lock(t, a, long), 0)
		unlock(t, s.lock(t, b, long), 0)
	}
	if _, ok := s.Read(t, s.name); ok == s.Forgets {
		t.Errorf("after the unlock there is a record: %v; ShedLock wants it %v", ok, !s.Forgets)
	}
}

func unlock(t testing.TB, l job.GuardLock, atLeast time.Duration) {
	t.Helper()
	if err := l.Unlock(t.Context(), atLeast); err != nil {
		t.Fatal(err)
	}
}

func expires(t *testing.T, s suite) {
	before := s.Now(t)
	s.lock(t, s.Open(t, "host-a"), brief)
	if _, at := s.awaited(t, s.Open(t, "host-b")); at.Before(before.Add(brief - s.Slack)) {
		t.Errorf("free %v after it was asked for, for %v", at.Sub(before), brief)
	}
}

func extended(t *testing.T, s suite) {
	a, b := s.Open(t, "host-a"), s.Open(t, "host-b")
	l := s.lock(t, a, long)
	before := s.read(t)
	extend(t, l, 2*long, true)
	after := s.read(t)
	if least := before.Until.Add(long - s.Slack); after.Until.Before(least) {
		t.Errorf("it lasts until %v; want %v", after.Until, least)
	}
	if !after.At.Equal(before.At) || after.By != before.By {
		t.Errorf("the record was %+v and is %+v: only its end may be another", before, after)
	}
	s.refused(t, b, "host-a:")
	extend(t, l, brief, true)
	s.awaited(t, b)
}

func extend(t testing.TB, l job.GuardLock, atMost time.Duration, want bool) {
	t.Helper()
	if ok, err := l.Extend(t.Context(), atMost); ok != want || err != nil {
		t.Fatalf("extend: %v, %v; want %v", ok, err, want)
	}
}

func notExtended(t *testing.T, s suite) {
	a, b := s.Open(t, "host-a"), s.Open(t, "host-b")
	l := s.lock(t, a, brief)
	s.awaited(t, b)
	before := s.read(t)
	extend(t, l, 3*long, false)
	if after := s.read(t); after.By != before.By || after.Until.Sub(before.Until).Abs() > s.Slack {
		t.Errorf("the other's record was %+v and is %+v", before, after)
	}
}

func atLeast(t *testing.T, s suite) {
	a, b := s.Open(t, "host-a"), s.Open(t, "host-b")
	unlock(t, s.lock(t, a, 2*long), long)
	s.refused(t, b, "host-a:")
	r := s.read(t)
	if off := r.Until.Sub(r.At.Add(long)).Abs(); off > s.Slack {
		t.Errorf("taken at %v and kept until %v: %v off %v", r.At, r.Until, off, long)
	}
}

func atLeastOver(t *testing.T, s suite) {
	a, b := s.Open(t, "host-a"), s.Open(t, "host-b")
	l := s.lock(t, a, long)
	from := s.Now(t)
	for s.Now(t).Before(from.Add(20 * time.Millisecond)) {
		time.Sleep(time.Millisecond) // the database's clock tells nobody
	}
	unlock(t, l, 10*time.Millisecond)
	s.lock(t, b, long)
}

func lost(t *testing.T, s suite) {
	l := s.lock(t, s.Open(t, "host-a"), brief)
	_, free := s.awaited(t, s.Open(t, "host-b"))
	if err := l.Unlock(t.Context(), 0); !errors.Is(err, shedlock.ErrLost) {
		t.Errorf("unlock at %v: %v; want ErrLost", free, err)
	}
}

func lapsed(t *testing.T, s suite) {
	g := s.Open(t, "host-a")
	l, name := s.lock(t, g, brief), s.name
	s.name = "lapsed"
	other := s.lock(t, g, brief)
	ended := s.Now(t).Add(brief)
	for !s.Now(t).After(ended) {
		time.Sleep(2 * time.Millisecond) // the database's clock tells nobody
	}
	extend(t, l, long, false)
	if err := other.Unlock(t.Context(), long); !errors.Is(err, shedlock.ErrLost) {
		t.Errorf("unlock: %v; want ErrLost", err)
	}
	s.lock(t, g, long)
	s.name = name
	s.lock(t, g, long)
}

func late(t *testing.T, s suite) {
	a, b := s.Open(t, "host-a"), s.Open(t, "host-b")
	old := s.lock(t, a, brief)
	l, _ := s.awaited(t, b)
	if err := old.Unlock(t.Context(), 0); !errors.Is(err, shedlock.ErrLost) {
		t.Errorf("unlock: %v; want ErrLost", err)
	}
	s.refused(t, a, "host-b:")
	unlock(t, l, 0)
}

// takenAway is what MongoDB's and Redis's classes may do when they come too late.
func takenAway(t *testing.T, s suite) {
	a, b := s.Open(t, "host-a"), s.Open(t, "host-b")
	l := s.lock(t, a, long)
	r := s.read(t)
	r.Until = s.Now(t).Add(-time.Millisecond)
	s.Write(t, s.name, r)
	s.lock(t, b, long)
	extend(t, l, long, false)
	if err := l.Unlock(t.Context(), 0); !errors.Is(err, shedlock.ErrLost) {
		t.Errorf("unlock: %v; want ErrLost", err)
	}
	s.refused(t, a, "host-b:")
}

func oneProcess(t *testing.T, s suite) {
	g := s.Open(t, "host-a")
	old := s.lock(t, g, brief)
	s.awaited(t, g)
	extend(t, old, long, false)
	if err := old.Unlock(t.Context(), 0); !errors.Is(err, shedlock.ErrLost) {
		t.Errorf("unlock: %v; want ErrLost", err)
	}
	s.refused(t, g, "host-a:")
}

func twice(t *testing.T, s suite) {
	l := s.lock(t, s.Open(t, "host-a"), long)
	unlock(t, l, long)
	extend(t, l, long, false)
	if err := l.Unlock(t.Context(), 0); !errors.Is(err, shedlock.ErrLost) {
		t.Errorf("a second unlock: %v; want ErrLost", err)
	}
	s.refused(t, s.Open(t, "host-b"), "host-a:")
}

func record(t *testing.T, s suite) {
	before := s.Now(t)
	s.lock(t, s.Open(t, "host-a"), long)
	r, after := s.read(t), s.Now(t)
	if r.At.Before(before.Add(-s.Slack-time.Millisecond)) || r.At.After(after) {
		t.Errorf("taken at %v, which is not between %v and %v", r.At, before, after)
	}
	if off := r.Until.Sub(r.At.Add(long)).Abs(); off > s.Slack {
		t.Errorf("taken at %v until %v: %v off %v", r.At, r.Until, off, long)
	}
	if !strings.HasPrefix(r.By, "host-a:") || len(r.By) != len("host-a:")+36 {
		t.Errorf("held by %q; want host-a: and a UUID", r.By)
	}
}

func honoured(t *testing.T, s suite) {
	g := s.Open(t, "host-b")
	now := s.Now(t)
	s.Write(t, s.name, Record{Until: now.Add(long), At: now, By: "java-host"})
	s.refused(t, g, "java-host")
	s.Write(t, s.name, Record{Until: now.Add(-time.Millisecond), At: now.Add(-long), By: "java-host"})
	unlock(t, s.lock(t, g, long), 0)
	end := s.Now(t).Add(brief)
	s.Write(t, s.name, Record{Until: end, At: now, By: "java-host"})
	if _, at := s.awaited(t, g); at.Before(end.Add(-s.Slack)) {
		t.Errorf("taken at %v, although it was Java's until %v", at, end)
	}
}

func names(t *testing.T, s suite) {
	a, b := s.Open(t, "host-a"), s.Open(t, "host-b")
	for _, name := range []string{
		strings.Repeat("n", 64), strings.Repeat("ü", 32), strings.Repeat("\U0001F552", 16), "日本語の仕事", "a b", "it's", `quo"te`, `back\slash`, "per%cent_", "{brace}", "$1", "a:b", ":name?",
	} {
		s.name = name
		l := s.lock(t, a, long)
		s.refused(t, b, "host-a:")
		if _, ok := s.Read(t, name); !ok {
			t.Errorf("there is no record of %q", name)
		}
		unlock(t, l, 0)
		s.lock(t, b, long)
	}
}

func fifty(t *testing.T, s suite) {
	const rounds, askers = 3, 50
	guards := make([]job.Guard, 5)
	for i := range guards {
		guards[i] = s.Open(t, fmt.Sprint("host-", i))
	}
	for round := range rounds { // the first makes the record, the others find it
		var won atomic.Int32
		var winner atomic.Pointer[job.GuardLock]
		var all sync.WaitGroup
		begin := make(chan struct{})
		for i := range askers {
			all.Go(func() {
				<-begin
				l, ok, _, err := guards[i%len(guards)].Lock(t.Context(), s.name, long)
				if err != nil {
					t.Error(err)
				}
				if ok {
					won.Add(1)
					winner.Store(&l)
				}
			})
		}
		close(begin)
		all.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("round %d: %d of %d got it", round, n, askers)
		}
		unlock(t, *winner.Load(), 0)
	}
}

func refused(t *testing.T, s suite) {
	g := s.Open(t, "host-a")
	for _, c := range []struct {
		name   string
		atMost time.Duration
	}{{"", long}, {"a\x00b", long}, {"\xff", long}, {s.name, 0}, {s.name, -time.Second}, {s.name, time.Microsecond}} {
		if _, ok, _, err := g.Lock(t.Context(), c.name, c.atMost); ok || err == nil {
			t.Errorf("lock %q for %v: %v, %v; want an error", c.name, c.atMost, ok, err)
		}
	}
	l := s.lock(t, g, long)
	if ok, err := l.Extend(t.Context(), 0); ok || err == nil {
		t.Errorf("extend for nothing: %v, %v; want an error", ok, err)
	}
	unlock(t, l, -time.Second)
}

func calledOff(t *testing.T, s suite) {
	g := s.Open(t, "host-a")
	l := s.lock(t, g, long)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok, _, err := g.Lock(done, s.name, long); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("lock: %v, %v; want context.Canceled", ok, err)
	}
	if ok, err := l.Extend(done, long); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("extend: %v, %v; want context.Canceled", ok, err)
	}
	if err := l.Unlock(done, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("unlock: %v; want context.Canceled", err)
	}
	unlock(t, l, 0) // what failed can be tried again
}
