package rollout

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// staying is the parts of a rollout whose pages stay for a minute, and the number
// of the stage in which they do.
func (w *world) staying(kind deploy.StrategyType) (p Parts, stage int) {
	p = w.parts(deploy.Strategy{Type: kind, Surge: 1, Overlap: true, ProgressDeadline: 30 * time.Second, Steps: []deploy.CanaryStep{{Weight: 10, For: time.Second}}})
	p.Spec.Skew = &deploy.Skew{Stay: time.Minute}
	for n, s := range Plan(&p.Spec, deployOf(4, 4)) {
		if s.Stays {
			stage = n
		}
	}
	return p, stage
}

// reached calls do when a stage has been entered.
func (p *Parts) reached(stage int, do func()) {
	p.Entered = func(n int) {
		if n == stage {
			do()
		}
	}
}

var beside = []deploy.StrategyType{deploy.Rolling, deploy.BlueGreen, deploy.Canary}

// One old instance stays for the time; then it is drained, and the rollout done.
func TestPagesStay(t *testing.T) {
	for _, kind := range beside {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, old(4)...)
			p, stage := w.staying(kind)
			var since time.Time
			p.reached(stage, func() { since = time.Now() })
			p.Told = func(s deploy.Step) {
				if s.Verb == deploy.StepStage && s.Stage == stage+1 && (w.count(1) != 1 || w.count(2) != 4) {
					t.Errorf("%s: %d old and %d new instances at the end", kind, w.count(1), w.count(2))
				}
			}
			got, err := Run(t.Context(), p, deployOf(4, 4))
			if err != nil || got != deploy.Done {
				t.Fatal(kind, got, err)
			}
			if took := time.Since(since); took < time.Minute || took > 70*time.Second {
				t.Errorf("%s: they stay for %s", kind, took)
			}
			w.leftover(map[int]int{2: 4})
		})
	}
}

// What happens meanwhile to an instance, of either release, is mended and undoes
// nothing, even if it is down for longer than a rollout may be without progress.
func TestPagesStayThroughCrashes(t *testing.T) {
	for _, kind := range beside {
		for _, release := range []int{1, 2} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, old(4)...)
				p, stage := w.staying(kind)
				p.reached(stage, func() {
					go func() {
						if sleep(t.Context(), 10*time.Second) != nil {
							return
						}
						for _, i := range w.fleet.List() {
							if i.Release == release {
								w.mu.Lock()
								w.boot = 40 * time.Second
								delete(w.running, i.ID)
								w.mu.Unlock()
								w.fleet.Report(i.ID, "exit status 3")
								return
							}
						}
					}()
				})
				got, err := Run(t.Context(), p, deployOf(4, 4))
				if err != nil || got != deploy.Done {
					t.Fatal(kind, release, got, err)
				}
				w.leftover(map[int]int{2: 4})
			})
		}
	}
}

// Somebody's word ends it at once, and calling the rollout off brings the old
// release back.
func TestPagesStayUntilWord(t *testing.T) {
	for _, kind := range beside {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, old(4)...)
			p, stage := w.staying(kind)
			words := make(chan Word, 1)
			p.Promote = words
			var since time.Time
			p.reached(stage, func() { since = time.Now(); words <- Word{Below: stage + 1, Note: "by me"} })
			got, err := Run(t.Context(), p, deployOf(4, 4))
			if err != nil || got != deploy.Done || time.Since(since) > 20*time.Second {
				t.Fatal(kind, got, err, time.Since(since))
			}
			w.leftover(map[int]int{2: 4})
		})
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, old(4)...)
			p, stage := w.staying(kind)
			abort := make(chan string, 1)
			p.Abort = abort
			p.reached(stage, func() { abort <- "called off" })
			got, err := Run(t.Context(), p, deployOf(4, 4))
			if err != nil || got != deploy.RolledBack {
				t.Fatal(kind, got, err)
			}
			w.leftover(map[int]int{1: 4})
		})
	}
}

// An agent that dies in the middle goes on from what is written, and the time does
// not begin anew.
func TestPagesStayThroughAgents(t *testing.T) {
	for _, kind := range beside {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, old(4)...)
			p, stage := w.staying(kind)
			r := deployOf(4, 4)
			r.Stage, r.StageAt = stage, time.Now().Add(-50*time.Second)
			began := time.Now()
			got, err := Run(t.Context(), p, r)
			if err != nil || got != deploy.Done || time.Since(began) > 40*time.Second {
				t.Fatal(kind, got, err, time.Since(began))
			}
			if last := w.steps[len(w.steps)-1]; last.Note != string(deploy.Done) {
				t.Error(fmt.Sprint(last))
			}
			w.leftover(map[int]int{2: 4})
		})
	}
}
