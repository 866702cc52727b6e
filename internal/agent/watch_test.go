package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
)

// memory is an agent that has a journal and nothing that runs.
func memory(t *testing.T) *Agent {
	t.Helper()
	j, err := journal.Open(filepath.Join(t.TempDir(), "segue.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return &Agent{log: quiet(), journal: j, events: newHub(), living: context.Background(), staying: context.Background(), services: map[string]*service{}}
}

func (a *Agent) beginTest(t *testing.T) deploy.Rollout {
	t.Helper()
	r := deploy.Rollout{Service: "web", Kind: deploy.KindDeploy, To: 1, Phase: deploy.Forward, Began: time.Now()}
	if _, err := a.journal.Begin(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (a *Agent) startTest(t *testing.T, r deploy.Rollout) string {
	t.Helper()
	i := deploy.Instance{Service: "web", Release: 1, Gen: r.ToGen, Started: time.Now()}
	if _, err := a.journal.Start(t.Context(), r.ID, &i); err != nil {
		t.Fatal(err)
	}
	a.events.wake(r.ID)
	return i.ID
}

func (a *Agent) writeTest(t *testing.T, r deploy.Rollout, verb deploy.Verb, instance, note string) {
	t.Helper()
	if err := a.journal.Append(t.Context(), &deploy.Step{At: time.Now(), Rollout: r.ID, Service: "web", Verb: verb, Instance: instance, Note: note}); err != nil {
		t.Fatal(err)
	}
	a.events.wake(r.ID)
}

// rollingTest makes a rollout one that is under way, as long as settle is not
// called: its end is not told before.
func (a *Agent) rollingTest(r deploy.Rollout) (settle func()) {
	s := a.addService(journal.Current{Service: r.Service})
	s.mu.Lock()
	s.rollout = &r
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.rollout = nil
		s.mu.Unlock()
		a.events.wake(r.ID)
	}
}

// watchTest watches in the background. Each event is handed over, so that the
// test knows where the watcher is.
func (a *Agent) watchTest(ctx context.Context, id, since int64) (<-chan control.Event, <-chan error) {
	events, over := make(chan control.Event), make(chan error, 1)
	go func() {
		over <- a.Watch(ctx, id, since, func(e control.Event) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return events, over
}

func name(e control.Event) string {
	switch {
	case e.End != "":
		return "end: " + string(e.End) + " " + e.Reason
	case e.Step != nil:
		return fmt.Sprintf("%d %s %s", e.Seq, e.Step.Verb, e.Instance)
	default:
		return e.Progress + e.Problem
	}
}

func TestWatchOrder(t *testing.T) {
	a := memory(t)
	r := a.beginTest(t)
	settle := a.rollingTest(r)
	id := a.startTest(t, r)
	events, over := a.watchTest(t.Context(), r.ID, 0)
	expect := func(want string) {
		t.Helper()
		if got := name(<-events); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	expect("1 begin ")
	expect("2 start " + id)
	a.events.pass(control.Event{Rollout: r.ID, Progress: "startup 1/50"})
	a.events.pass(control.Event{Rollout: r.ID + 1, Progress: "another's"})
	expect("startup 1/50")
	a.writeTest(t, r, deploy.StepReady, id, "")
	expect("3 ready " + id)
	a.writeTest(t, r, deploy.StepShift, id, "")
	a.writeTest(t, r, deploy.StepBack, "", "a reason")
	expect("4 shift " + id)
	expect("5 back ")
	a.writeTest(t, r, deploy.StepEnd, "", "")
	expect("6 end ")
	settle()
	expect("end: rolled back a reason")
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// Whoever comes back is told what was written since, once, and the end.
func TestWatchSince(t *testing.T) {
	a := memory(t)
	r := a.beginTest(t)
	id := a.startTest(t, r)
	a.writeTest(t, r, deploy.StepReady, id, "")
	a.writeTest(t, r, deploy.StepEnd, "", "")
	for since := range int64(6) {
		var got []string
		if err := a.Watch(t.Context(), r.ID, since, func(e control.Event) error { got = append(got, name(e)); return nil }); err != nil {
			t.Fatal(err)
		}
		all := []string{"1 begin ", "2 start " + id, "3 ready " + id, "4 end ", "end: done "}
		if want := all[min(since, 4):]; strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("since %d: %q, want %q", since, got, want)
		}
	}
}

// The end is told when it has been acted on, not as soon as it is written.
func TestWatchEndIsSettled(t *testing.T) {
	a := memory(t)
	r := a.beginTest(t)
	settle := a.rollingTest(r)
	a.writeTest(t, r, deploy.StepEnd, "", "")
	events, over := a.watchTest(t.Context(), r.ID, 0)
	<-events
	if got := name(<-events); got != "2 end " {
		t.Error(got)
	}
	a.events.pass(control.Event{Rollout: r.ID, Progress: "still waiting"})
	if got := name(<-events); got != "still waiting" {
		t.Error(got)
	}
	settle()
	if got := name(<-events); got != "end: done " {
		t.Error(got)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}

func TestWatchEnds(t *testing.T) {
	a := memory(t)
	var said *control.Error
	if err := a.Watch(t.Context(), 99, 0, func(control.Event) error { return nil }); !errors.As(err, &said) || said.Code != control.CodeNone {
		t.Errorf("of a rollout that is not there: %v", err)
	}
	r := a.beginTest(t)

	ctx, cancel := context.WithCancel(t.Context())
	events, over := a.watchTest(ctx, r.ID, 0)
	<-events
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}

	stop := errors.New("enough")
	if err := a.Watch(t.Context(), r.ID, 0, func(control.Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}

	staying, end := context.WithCancel(t.Context())
	a.staying = staying
	events, over = a.watchTest(t.Context(), r.ID, 0)
	<-events
	end()
	if err := <-over; !errors.As(err, &said) || said.Code != control.CodeFailed {
		t.Errorf("when the agent goes: %v", err)
	}
	if n := len(a.events.watchers); n != 0 {
		t.Errorf("%d watchers are left", n)
	}
}

// A watcher that does not listen holds up nobody, and misses no step.
func TestSlowWatcher(t *testing.T) {
	a := memory(t)
	r := a.beginTest(t)
	settle := a.rollingTest(r)
	id := a.startTest(t, r)
	events, over := a.watchTest(t.Context(), r.ID, 0)
	<-events
	for range 1000 {
		a.events.pass(control.Event{Rollout: r.ID, Progress: "passing"})
	}
	a.writeTest(t, r, deploy.StepReady, id, "")
	a.writeTest(t, r, deploy.StepShift, id, "")
	a.writeTest(t, r, deploy.StepEnd, "", "")
	var steps []int64
	for e := range events {
		if e.Seq != 0 {
			steps = append(steps, e.Seq)
		}
		if e.Seq == 5 {
			settle()
		}
		if e.End != "" {
			break
		}
	}
	if fmt.Sprint(steps) != "[2 3 4 5]" {
		t.Errorf("steps %v", steps)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// A rollout that ends while its steps are being told is told to the end.
func TestWatchMissesNothing(t *testing.T) {
	a := memory(t)
	r := a.beginTest(t)
	var got []string
	err := a.Watch(t.Context(), r.ID, 0, func(e control.Event) error {
		got = append(got, name(e))
		if e.Seq == 1 {
			a.startTest(t, r)
			a.writeTest(t, r, deploy.StepEnd, "", "")
		}
		return nil
	})
	if err != nil || strings.Join(got, ", ") != "1 begin , 2 start web-1.1, 3 end , end: done " {
		t.Errorf("%q %v", got, err)
	}
}
