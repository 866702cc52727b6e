package rollout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

var surgeOne = deploy.Strategy{Type: deploy.Rolling, Surge: 1, Overlap: true, ProgressDeadline: time.Minute}

func deployOf(n, before int) deploy.Rollout {
	return deploy.Rollout{ID: 2, Service: "shop", Kind: deploy.KindDeploy, From: 1, To: 2, FromGen: 1, ToGen: 2, Replicas: n, Before: before, Phase: deploy.Forward}
}

// check runs a rollout to its end and looks at what is left.
func (w *world) check(s deploy.Strategy, r deploy.Rollout, want deploy.Phase, left map[int]int) {
	w.t.Helper()
	got, err := Run(w.t.Context(), w.parts(s), r)
	if err != nil || got != want {
		w.t.Fatalf("ended as %q, %v; want %q", got, err, want)
	}
	w.leftover(left)
}

func (w *world) leftover(left map[int]int) {
	w.t.Helper()
	have := map[int]int{}
	for _, i := range w.fleet.List() {
		have[i.Release]++
		if i.State != deploy.Serving || !w.running[i.ID] || !w.routed[i.ID] {
			w.t.Errorf("%s is left %s, running %v, routed %v", i.ID, i.State, w.running[i.ID], w.routed[i.ID])
		}
	}
	if fmt.Sprint(have) != fmt.Sprint(left) {
		w.t.Errorf("left: %v by release, want %v", have, left)
	}
	if len(w.running) != len(w.fleet.List()) {
		w.t.Errorf("running: %v, known: %v", w.running, w.fleet.List())
	}
}

func TestRolling(t *testing.T) {
	for _, c := range []struct {
		name               string
		before, after      int
		surge, unavailable int
		peak, low          int
		takes              time.Duration
	}{
		{"surge one", 3, 3, 1, 0, 4, 3, 6 * time.Second},
		{"no surge", 3, 3, 0, 1, 3, 2, 6 * time.Second},
		{"both", 4, 4, 1, 1, 5, 3, 4 * time.Second},
		{"all at once", 3, 3, 3, 0, 6, 3, 2 * time.Second},
		{"and more of them", 2, 4, 1, 0, 5, 2, 4 * time.Second},
		{"and fewer of them", 4, 2, 1, 0, 4, 2, 5 * time.Second},
		{"two hundred", 200, 200, 10, 0, 210, 200, 40 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, old(c.before)...)
				began := time.Now()
				w.check(deploy.Strategy{Surge: c.surge, Unavailable: c.unavailable, Overlap: true}, deployOf(c.after, c.before), deploy.Done, map[int]int{2: c.after})
				if w.peak > c.peak || w.low < c.low {
					t.Errorf("%d ran at most, want %d; %d served at least, want %d", w.peak, c.peak, w.low, c.low)
				}
				if took := time.Since(began); took > c.takes {
					t.Errorf("took %v; starting and draining make only %v unavoidable", took, c.takes)
				}
			})
		})
	}
}

// TestEndWaitsForTheLastShift: a rollout is not done while an instance that
// counts is still on its way into the routes.
func TestEndWaitsForTheLastShift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(2)...)
		w.shiftFor = time.Second
		w.check(surgeOne, deployOf(2, 2), deploy.Done, map[int]int{2: 2})
		first := newWorld(t)
		first.shiftFor = time.Second
		first.check(surgeOne, deployOf(2, 0), deploy.Done, map[int]int{2: 2})
	})
}

func TestFirstDeployAndDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := deployOf(3, 0)
		r.From, r.FromGen = 0, 0
		w.check(surgeOne, r, deploy.Done, map[int]int{2: 3})
		down := deploy.Rollout{ID: 3, Service: "shop", Kind: deploy.KindDown, From: 2, FromGen: 2, ToGen: 3, Before: 3, Phase: deploy.Forward}
		w.check(surgeOne, down, deploy.Done, map[int]int{})
	})
}

func TestScaleReplacesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(3)...)
		scale := deploy.Rollout{ID: 2, Service: "shop", Kind: deploy.KindScale, From: 1, To: 1, FromGen: 1, ToGen: 1, Replicas: 5, Before: 3, Phase: deploy.Forward}
		w.check(surgeOne, scale, deploy.Done, map[int]int{1: 5})
		scale.Replicas, scale.Before = 1, 5
		w.check(surgeOne, scale, deploy.Done, map[int]int{1: 1})
		if _, ok := w.fleet.Get("old.0"); !ok {
			t.Error("the oldest was taken out, not the youngest")
		}
	})
}

func TestNeverTwoSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(2)...)
		w.check(deploy.Strategy{Surge: 1, Overlap: false}, deployOf(2, 2), deploy.Done, map[int]int{2: 2})
		if w.mixed {
			t.Error("old and new ran at the same time")
		}
	})
}

func TestBadReleaseIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(3)...)
		w.bad = 2
		w.check(surgeOne, deployOf(3, 3), deploy.RolledBack, map[int]int{1: 3})
		if w.low < 3 {
			t.Errorf("only %d served meanwhile", w.low)
		}
		if why := w.noteOf(deploy.StepBack); !strings.Contains(why, "shop-2.1: never got ready") {
			t.Errorf("the journal says %q", why)
		}
	})
}

func (w *world) noteOf(v deploy.Verb) string {
	for _, s := range w.steps {
		if s.Verb == v {
			return s.Note
		}
	}
	return ""
}

func TestCrashAfterShiftIsUndone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(3)...)
		w.crash = func(i deploy.Instance) {
			if i.Release == 2 && w.started == 2 {
				delete(w.running, i.ID)
				go w.fleet.Report(i.ID, "exit status 3")
			}
		}
		w.check(surgeOne, deployOf(3, 3), deploy.RolledBack, map[int]int{1: 3})
	})
}

func TestOldOneDyingIsNoReasonToGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(3)...)
		w.crash = func(deploy.Instance) {
			delete(w.running, "old.2")
			delete(w.routed, "old.2")
			w.fleet.Report("old.2", "exit status 3")
		}
		w.check(surgeOne, deployOf(3, 3), deploy.Done, map[int]int{2: 3})
	})
}

func TestAbortAndDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(3)...)
		abort := make(chan string, 1)
		abort <- "called off by ann"
		p := w.parts(surgeOne)
		p.Abort = abort
		if got, err := Run(t.Context(), p, deployOf(3, 3)); got != deploy.RolledBack || err != nil {
			t.Fatal(got, err)
		}
		w.leftover(map[int]int{1: 3})

		w.boot = time.Hour // hangs in its start-up
		w.check(surgeOne, deployOf(3, 3), deploy.RolledBack, map[int]int{1: 3})
		if why := w.steps[len(w.steps)-1].Note; why != string(deploy.RolledBack) {
			t.Errorf("ended with %q", why)
		}
	})
}

func TestOldReleaseCannotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(3)...)
		w.crash = func(i deploy.Instance) {
			if w.started == 3 { // two are replaced when the third dies, and by then nothing starts
				w.bad = 1
				delete(w.running, i.ID)
				go w.fleet.Report(i.ID, "exit status 3")
			}
		}
		got, err := Run(t.Context(), w.parts(surgeOne), deployOf(3, 3))
		if got != deploy.RolledBack || err != nil {
			t.Fatal(got, err)
		}
		for _, i := range w.fleet.List() {
			if i.Release == 2 {
				t.Errorf("%s of the condemned release is left", i.ID)
			}
		}
	})
}

// TestInterruptedAtEveryStep is the crash test without processes: the agent
// dies after each step in turn, of a good and of a bad release, and the next
// agent, which knows the journal alone, ends the rollout.
func TestInterruptedAtEveryStep(t *testing.T) {
	for _, bad := range []int{0, 2} {
		want, left := deploy.Done, map[int]int{2: 3}
		if bad == 2 {
			want, left = deploy.RolledBack, map[int]int{1: 3}
		}
		for at, over := 1, false; !over; at++ {
			t.Run(fmt.Sprintf("bad release %d, step %d", bad, at), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, old(3)...)
					ctx, cancel := context.WithCancel(t.Context())
					w.bad, w.killAt, w.kill = bad, at, cancel
					got, err := Run(ctx, w.parts(surgeOne), deployOf(3, 3))
					if err == nil {
						over = true
					} else if !errors.Is(err, ErrInterrupted) {
						t.Fatal(err)
					} else {
						r := deployOf(3, 3)
						if w.noteOf(deploy.StepBack) != "" {
							r.Phase = deploy.Backward
						}
						if w.steps[len(w.steps)-1].Verb == deploy.StepEnd {
							got = want // dead after the last step: nothing to go on with
						} else if got, err = Run(t.Context(), w.parts(surgeOne), r); err != nil {
							t.Fatal(err)
						}
					}
					if got != want {
						t.Errorf("ended as %q, want %q", got, want)
					}
					w.leftover(left)
					if w.low < 3 || w.peak > 4 {
						t.Errorf("%d served at least, %d ran at most", w.low, w.peak)
					}
				})
			})
		}
	}
}

func TestJournalThatCannotBeWrittenStopsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(2)...)
		w.unable = errors.New("disk full")
		problems := 0
		p := w.parts(surgeOne)
		p.Problem = func(error) {
			if problems++; problems == 5 {
				w.mu.Lock()
				w.unable = nil
				w.mu.Unlock()
			}
			if len(w.running) != 2 {
				t.Error("something was started without being written down")
			}
		}
		if got, err := Run(t.Context(), p, deployOf(2, 2)); got != deploy.Done || err != nil {
			t.Fatal(got, err)
		}
		w.leftover(map[int]int{2: 2})
	})
}

func TestKeepStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(2)...)
		ctx, cancel := context.WithCancel(t.Context())
		kept := make(chan struct{})
		go func() {
			defer close(kept)
			Keep(ctx, w.parts(surgeOne), Target{Service: "shop", Release: 1, Gen: 1, Count: 2})
		}()
		w.mu.Lock()
		delete(w.running, "old.1")
		w.mu.Unlock()
		w.fleet.Report("old.1", "exit status 3")
		time.Sleep(w.boot + time.Millisecond)
		synctest.Wait()
		w.leftover(map[int]int{1: 2})

		// One that never gets ready is tried again after growing pauses.
		w.mu.Lock()
		w.bad = 1
		before := w.started
		w.mu.Unlock()
		w.fleet.Report("old.0", "exit status 3")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		cancel()
		<-kept
		if tries := w.started - before; tries < 8 || tries > 20 {
			t.Errorf("tried %d times in ten minutes", tries)
		}
	})
}
