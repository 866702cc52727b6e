package job_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/job"
)

// A gate is a Guard that a test holds, or has fail.
type gate struct {
	mu      sync.Mutex
	by      string
	until   time.Time
	broken  error
	extends int
	unlocks []time.Duration
}

func (g *gate) Lock(_ context.Context, _ string, atMost time.Duration) (job.GuardLock, bool, string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken != nil {
		return nil, false, "", g.broken
	}
	if time.Now().Before(g.until) {
		return nil, false, g.by, nil
	}
	g.by, g.until = "go", time.Now().Add(atMost)
	return g, true, "", nil
}

func (g *gate) Extend(_ context.Context, atMost time.Duration) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken != nil {
		return false, g.broken
	}
	g.extends++
	if g.by != "go" {
		return false, nil
	}
	g.until = time.Now().Add(atMost)
	return true, nil
}

func (g *gate) Unlock(_ context.Context, atLeast time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unlocks = append(g.unlocks, atLeast)
	g.until = time.Time{}
	return g.broken
}

// hold has somebody else take the gate.
func (g *gate) hold(by string, d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.by, g.until = by, time.Now().Add(d)
}

func (g *gate) breaks(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.broken = err
}

func TestARunThatTheGuardDoesNotLetInIsSkipped(t *testing.T) {
	inBubble(t, func(f *fleet) {
		g := &gate{}
		g.hold("java-1", 25*second)
		for _, name := range []string{"a", "b"} {
			f.member(name).add("sync", job.Every(10*second), takes(second), job.WithGuard(g), job.AtLeastFor(2*second)).start()
		}
		passes(45 * second)
		f.wantSlots("sync", 30*second, 40*second)
		f.wantHistory("sync", "0s skipped 3", "30s done", "40s done")
		runs, err := f.control.History(context.Background(), "sync", 0)
		if err != nil || runs[2].Why != "guarded by java-1" {
			t.Errorf("%+v, %v", runs, err)
		}
		if len(g.unlocks) != 2 || g.unlocks[0] != 2*second {
			t.Errorf("unlocked with %v", g.unlocks)
		}
	})
}

func TestTheGuardIsExtendedWhileARunGoesOn(t *testing.T) {
	inBubble(t, func(f *fleet) {
		g := &gate{}
		f.member("a").add("long", job.Every(time.Hour), heeds(10*minute), job.WithGuard(g)).start()
		passes(11 * minute)
		f.wantHistory("long", "0s done")
		if g.extends < 10*60/100*2 {
			t.Errorf("extended %d times", g.extends)
		}
	})
}

func TestARunIsLostWithItsGuard(t *testing.T) {
	for name, lose := range map[string]func(*gate){
		"taken by another": func(g *gate) { g.hold("java-1", time.Hour) },
		"out of reach":     func(g *gate) { g.breaks(errBroken) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fleet) {
				g := &gate{}
				f.member("a").add("long", job.Every(time.Hour), heeds(30*minute), job.WithGuard(g)).start()
				passes(minute)
				lose(g)
				passes(5 * minute)
				if r := f.runs("long")[0]; !errors.Is(r.err, job.ErrLost) || r.ended > 3*minute {
					t.Errorf("%+v", r)
				}
				f.wantHistory("long", "0s died")
			})
		})
	}
}

func TestAGuardThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	inBubble(t, func(f *fleet) {
		g := &gate{}
		g.breaks(errBroken)
		f.member("a").add("sync", job.Every(minute), takes(second), job.WithGuard(g)).start()
		passes(30 * second)
		g.breaks(nil)
		passes(10 * second)
		f.wantSlots("sync", 0)
		g.breaks(errBroken)
		passes(90 * second) // the next time comes before it answers
		f.wantSlots("sync", 0)
		f.wantHistory("sync", "0s done", "1m0s skipped")
	})
}
