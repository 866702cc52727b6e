package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// specOf is a service with everything that a strategy can have.
func specOf(kind deploy.StrategyType) deploy.Service {
	hook := func(name string) []deploy.Hook { return []deploy.Hook{{Name: name}} }
	return deploy.Service{
		Name: "shop", Prepare: hook("warm"), Hooks: deploy.Hooks{Before: hook("before"), Between: hook("between"), After: hook("after")},
		Strategy: deploy.Strategy{
			Type: kind, Surge: 1, Overlap: kind != deploy.Recreate, ProgressDeadline: time.Minute, Bake: 10 * time.Second,
			Analysis: &deploy.Analysis{Requests: 100}, Checks: []deploy.Check{{Name: "smoke"}},
			Steps: []deploy.CanaryStep{{Mirror: 50, For: time.Second}, {Match: &deploy.Match{Header: "X-Beta"}, For: time.Second},
				{Weight: 10, For: time.Second}, {Weight: 50, For: time.Second, Manual: true}},
			Manual: kind == deploy.BlueGreen,
		},
	}
}

var strategies = []deploy.StrategyType{deploy.Rolling, deploy.BlueGreen, deploy.Canary, deploy.Recreate}

func TestPlan(t *testing.T) {
	for kind, want := range map[deploy.StrategyType]string{
		deploy.Rolling: "prepare: hook warm [0+4] hooks before: hook before [0+4] first instances: hook between, analysis [1+4] " +
			"all instances [4+0] bake: hook after, 10s, analysis [4+0]",
		deploy.BlueGreen: "prepare: hook warm [0+4] hooks before: hook before [0+4] new side: hook between, checks, segue promote [4+4 0%] " +
			"switch: hook after, 10s, analysis [4+4 100%] old side leaves [4+0 100%]",
		deploy.Canary: "prepare: hook warm [0+4] hooks before: hook before [0+4] canary instances: 1 of 4 [1+4 0%] hooks between: hook between [1+4 0%] " +
			"canary mirror 50 %: 1s, analysis [1+4 0%] canary header X-Beta: 1s, checks [1+4 0%] canary 10 %: 1s, analysis [1+4 10%] " +
			"canary instances: 2 of 4 [2+4 10%] canary 50 %: 1s, analysis, segue promote [2+4 50%] " +
			"canary instances: 4 of 4 [4+4 50%] canary 100 %: hook after, 10s, analysis [4+4 100%] old release leaves [4+0 100%]",
		deploy.Recreate: "prepare: hook warm [0+4] hooks before: hook before [0+4] hooks between: hook between [0+0] recreate [4+0] " +
			"bake: hook after, 10s, analysis [4+0]",
	} {
		spec := specOf(kind)
		if got := story(Plan(&spec, deployOf(4, 4))); got != want {
			t.Errorf("%s:\n got %s\nwant %s", kind, got, want)
		}
		first := deployOf(4, 0)
		first.From, first.FromGen = 0, 0
		if got, want := story(Plan(&spec, first)), "prepare: hook warm [0+0] hooks before: hook before [0+0] start [4+0] checks: hook after, checks [4+0]"; got != want {
			t.Errorf("first, %s:\n got %s\nwant %s", kind, got, want)
		}
		for _, other := range []deploy.Kind{deploy.KindRollback, deploy.KindScale, deploy.KindRestart, deploy.KindDown, deploy.KindMode} {
			r := deployOf(4, 4)
			if r.Kind = other; len(Plan(&spec, r)) != 1 {
				t.Errorf("%s, %s: %s", kind, other, story(Plan(&spec, r)))
			}
		}
		again := deployOf(4, 4)
		if again.From = again.To; len(Plan(&spec, again)) != 1 {
			t.Errorf("the same release, by force, %s: %s", kind, story(Plan(&spec, again)))
		}
		plain := deploy.Service{Strategy: deploy.Strategy{Type: deploy.Rolling, Surge: 1, Overlap: true}}
		if got := story(Plan(&plain, deployOf(4, 4))); got != "all instances [4+0]" {
			t.Errorf("plain: %s", got)
		}
	}
}

// Where pages stay with their release, an instance of it does, out of the division,
// until their time is over; it goes without a request ever reaching it again.
func TestPlanStays(t *testing.T) {
	for kind, want := range map[deploy.StrategyType]string{
		deploy.Rolling:   "all instances [4+1] bake: 10s [4+1 100%] pages stay: 1m0s [4+1 100%] old release leaves [4+0 100%]",
		deploy.BlueGreen: "new side [4+4 0%] switch: 10s [4+4 100%] pages stay: 1m0s [4+1 100%] old side leaves [4+0 100%]",
		deploy.Canary: "canary instances: 1 of 4 [1+4 0%] canary 10 %: 1s [1+4 10%] canary instances: 4 of 4 [4+4 10%] canary 100 %: 10s [4+4 100%] " +
			"pages stay: 1m0s [4+1 100%] old release leaves [4+0 100%]",
		deploy.Recreate: "recreate [4+0] bake: 10s [4+0]",
	} {
		spec := deploy.Service{Skew: &deploy.Skew{Stay: time.Minute}, Strategy: deploy.Strategy{Type: kind, Surge: 1, Overlap: kind != deploy.Recreate, Bake: 10 * time.Second,
			Steps: []deploy.CanaryStep{{Weight: 10, For: time.Second}}}}
		if got := story(Plan(&spec, deployOf(4, 4))); got != want {
			t.Errorf("%s:\n got %s\nwant %s", kind, got, want)
		}
		first := deployOf(4, 0)
		first.From, first.FromGen = 0, 0
		for name, r := range map[string]deploy.Rollout{"first": first, "rollback": {Kind: deploy.KindRollback, From: 2, To: 1, Replicas: 4, Before: 4}} {
			if got := story(Plan(&spec, r)); strings.Contains(got, deploy.PagesStay) {
				t.Errorf("%s, %s: %s", kind, name, got)
			}
		}
	}
}

func story(stages []Stage) string {
	var out []string
	for _, s := range stages {
		share := ""
		if s.Split {
			share = fmt.Sprintf(" %d%%", s.Share)
		}
		out = append(out, fmt.Sprintf("%s [%d+%d%s]", s.String(), s.New, s.Old, share))
	}
	return strings.Join(out, " ")
}

// hooksRun is the Tasks of a world: which hook fails, and which ran.
type hooksRun struct {
	fails string
	ran   []string
}

func (h *hooksRun) Run(ctx context.Context, _ deploy.Rollout, _ int, hook deploy.Hook, _ func(string)) error {
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	h.ran = append(h.ran, hook.Name)
	if hook.Name == h.fails {
		return errors.New("exit status 1")
	}
	return nil
}

// judgement condemns a stage by its name.
type judgement struct{ condemned string }

func (j *judgement) Watch(ctx context.Context, r deploy.Rollout, s Stage, told func(string)) error {
	told("looking")
	if err := sleep(ctx, s.For/2); err != nil {
		return err
	}
	if s.Name == j.condemned {
		return errors.New("errors 5 %, old 0.1 %")
	}
	return sleep(ctx, s.For/2)
}

// full is the parts of a strategy test: everything waits for nobody's word but
// what promote gives.
func (w *world) full(kind deploy.StrategyType, h *hooksRun, j *judgement) Parts {
	p := w.parts(deploy.Strategy{})
	promote := make(chan Word)
	p.Spec, p.Tasks, p.Judge, p.Promote = specOf(kind), h, j, promote
	stages := Plan(&p.Spec, deployOf(4, 4))
	p.Entered = func(n int) {
		if stages[n].Manual {
			go func() {
				if sleep(w.t.Context(), 20*time.Second) != nil { // the judge is heard before
					return
				}
				select {
				case promote <- Word{Below: n + 1, Note: "by a person"}:
				case <-w.t.Context().Done():
				}
			}()
		}
	}
	return p
}

// now is the rollout as the journal has it.
func (w *world) now(r deploy.Rollout) deploy.Rollout {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.steps {
		switch s.Verb {
		case deploy.StepStage:
			r.Stage, r.StageAt = s.Stage, s.At
		case deploy.StepPromote:
			r.Promoted = s.Stage
		case deploy.StepBack:
			r.Phase = deploy.Backward
		}
	}
	return r
}

// A good release takes the place of the old one by every strategy; the old one
// is whole until the new one has proved itself, where the strategy says so.
func TestStrategies(t *testing.T) {
	for _, kind := range strategies {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, old(4)...)
				h := &hooksRun{}
				p := w.full(kind, h, &judgement{})
				entered := p.Entered
				p.Entered = func(n int) {
					s := Plan(&p.Spec, deployOf(4, 4))[n]
					if s.Old > 0 && s.Split && w.count(1) != 4 {
						t.Errorf("%s: %d old instances", s.Name, w.count(1))
					}
					if s.Share > 0 && w.count(2)*100 < s.Share*4 {
						t.Errorf("%s: %d new instances", s.Name, w.count(2))
					}
					entered(n)
				}
				began := time.Now()
				got, err := Run(t.Context(), p, deployOf(4, 4))
				if err != nil || got != deploy.Done {
					t.Fatal(got, err)
				}
				w.leftover(map[int]int{2: 4})
				if fmt.Sprint(h.ran) != "[warm before between after]" {
					t.Error("hooks:", h.ran)
				}
				if took := time.Since(began); took < 10*time.Second {
					t.Errorf("it is over after %s, and was to bake for 10s", took)
				}
				if w.mixed != (kind != deploy.Recreate) {
					t.Error("old and new side by side:", w.mixed)
				}
			})
		})
	}
}

func (w *world) count(release int) int {
	n := 0
	for _, i := range w.fleet.List() {
		if i.Release == release && i.State == deploy.Serving {
			n++
		}
	}
	return n
}

// Whatever goes wrong, and wherever, the old release is back, whole.
func TestStrategiesGoBack(t *testing.T) {
	for _, kind := range strategies {
		spec := specOf(kind)
		type fault struct {
			name string
			set  func(*world, *Parts, *hooksRun, *judgement)
			why  string
		}
		faults := []fault{{"never ready", func(w *world, _ *Parts, _ *hooksRun, _ *judgement) { w.bad = 2 }, "never got ready"},
			{"crashes later", func(w *world, _ *Parts, _ *hooksRun, _ *judgement) { w.crashAfter(5 * time.Second) }, "exit status 3"}}
		for _, name := range []string{"warm", "before", "between", "after"} {
			faults = append(faults, fault{"hook " + name, func(_ *world, _ *Parts, h *hooksRun, _ *judgement) { h.fails = name }, "hook " + name + ": exit status 1"})
		}
		for n, s := range Plan(&spec, deployOf(4, 4)) {
			if s.Judge {
				faults = append(faults, fault{"judge at " + s.Name, func(_ *world, _ *Parts, _ *hooksRun, j *judgement) { j.condemned = s.Name }, "errors 5 %"})
			}
			if s.waits() {
				faults = append(faults, fault{"called off in " + s.Name, func(_ *world, p *Parts, _ *hooksRun, _ *judgement) { p.abortAt(n) }, "called off"})
			}
		}
		for _, f := range faults {
			t.Run(string(kind)+"/"+f.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, old(4)...)
					h, j := &hooksRun{}, &judgement{}
					p := w.full(kind, h, j)
					f.set(w, &p, h, j)
					got, err := Run(t.Context(), p, deployOf(4, 4))
					if err != nil || got != deploy.RolledBack {
						t.Fatal(got, err)
					}
					w.leftover(map[int]int{1: 4})
					if why := w.noteOf(deploy.StepBack); !strings.Contains(why, f.why) {
						t.Errorf("the journal says %q", why)
					}
					if spec.Strategy.Beside() && w.low < 4 {
						t.Errorf("only %d served meanwhile", w.low)
					}
				})
			})
		}
	}
}

// crashAfter lets the first new instance that serves end some time later.
func (w *world) crashAfter(d time.Duration) {
	w.crash = func(i deploy.Instance) {
		if i.ID == "shop-2.1" {
			go func() {
				if sleep(w.t.Context(), d) != nil {
					return
				}
				w.mu.Lock()
				delete(w.running, i.ID)
				w.mu.Unlock()
				w.fleet.Report(i.ID, "exit status 3")
			}()
		}
	}
}

// abortAt calls the rollout off when a stage has been entered.
func (p *Parts) abortAt(stage int) {
	abort := make(chan string, 1)
	entered := p.Entered
	p.Abort, p.Entered = abort, func(n int) {
		if n == stage {
			abort <- "called off"
			return
		}
		entered(n)
	}
}

// Where the analysis compares, it is told whether there is anything in the same time.
func TestNewReleaseIsAloneIn(t *testing.T) {
	for kind, want := range map[deploy.StrategyType]string{
		deploy.Rolling:   "first instances:false bake:true ",
		deploy.BlueGreen: "switch:true ",
		deploy.Canary:    "canary mirror 50 %:false canary 10 %:false canary 50 %:false canary 100 %:true ",
		deploy.Recreate:  "bake:true ",
	} {
		spec, got := specOf(kind), ""
		for _, s := range Plan(&spec, deployOf(4, 4)) {
			if s.Compare {
				got += fmt.Sprintf("%s:%t ", s.Name, s.Alone())
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}

// An old instance that dies while the new release is tried is started again,
// since going back must stay one switch.
func TestOldSideIsKeptWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(4)...)
		p := w.full(deploy.Canary, &hooksRun{}, &judgement{})
		entered := p.Entered
		p.Entered = func(n int) {
			if n == 4 {
				w.mu.Lock()
				delete(w.running, "old.1")
				w.mu.Unlock()
				w.fleet.Report("old.1", "exit status 9")
			}
			if n == 9 && w.count(1) != 4 {
				t.Errorf("%d old instances at the canary's end", w.count(1))
			}
			entered(n)
		}
		if got, err := Run(t.Context(), p, deployOf(4, 4)); err != nil || got != deploy.Done {
			t.Fatal(got, err)
		}
		w.leftover(map[int]int{2: 4})
	})
}

// Somebody's word stands for all that a stage waits for, even for a judge that
// would never be content.
func TestPromote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(4)...)
		promote := make(chan Word)
		p := w.full(deploy.Canary, &hooksRun{}, &judgement{})
		p.Judge, p.Promote = forEver{}, promote
		p.Entered = func(n int) {
			if n == 4 { // the mirror
				go func() { promote <- Word{Below: 100, Note: "in a hurry"} }()
			}
		}
		if got, err := Run(t.Context(), p, deployOf(4, 4)); err != nil || got != deploy.Done {
			t.Fatal(got, err)
		}
		w.leftover(map[int]int{2: 4})
		if w.noteOf(deploy.StepPromote) != "in a hurry" {
			t.Error(w.steps)
		}
	})
}

type forEver struct{}

func (forEver) Watch(ctx context.Context, _ deploy.Rollout, _ Stage, _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

// The agent dies after each step in turn, of a good and of a bad release, by
// every strategy; the next one, which knows the journal alone, ends the rollout.
func TestStrategiesInterruptedAtEveryStep(t *testing.T) {
	for _, kind := range strategies {
		for _, condemned := range []string{"", "judge", "never ready"} {
			for at, over := 1, false; !over; at++ {
				t.Run(fmt.Sprintf("%s, %s, step %d", kind, condemned, at), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { over = interrupted(t, kind, condemned, at) })
				})
			}
		}
	}
}

func interrupted(t *testing.T, kind deploy.StrategyType, condemned string, at int) (over bool) {
	w := newWorld(t, old(4)...)
	ctx, cancel := context.WithCancel(t.Context())
	j, want, left := &judgement{}, deploy.Done, map[int]int{2: 4}
	switch condemned {
	case "judge":
		stages := Plan(&deploy.Service{Strategy: specOf(kind).Strategy}, deployOf(4, 4))
		last := slices.IndexFunc(stages, func(s Stage) bool { return s.Compare && s.Mirror == 0 })
		j.condemned = stages[last].Name
	case "never ready":
		w.bad = 2
	}
	if condemned != "" {
		want, left = deploy.RolledBack, map[int]int{1: 4}
	}
	w.killAt, w.kill = at, cancel
	got, err := Run(ctx, w.full(kind, &hooksRun{}, j), deployOf(4, 4))
	switch {
	case err == nil:
		over = true
	case !errors.Is(err, ErrInterrupted):
		t.Fatal(err)
	case w.steps[len(w.steps)-1].Verb == deploy.StepEnd:
		got = want // dead after the last step: nothing to go on with
	default:
		if got, err = Run(t.Context(), w.full(kind, &hooksRun{}, j), w.now(deployOf(4, 4))); err != nil {
			t.Fatal(err)
		}
	}
	if got != want {
		t.Errorf("ended as %q, want %q", got, want)
	}
	w.leftover(left)
	if specOf(kind).Strategy.Overlap && w.low < 4 {
		t.Errorf("%d served at least", w.low)
	}
	for n := 1; n < len(w.steps); n++ {
		if a, b := w.steps[n-1], w.steps[n]; b.Verb == deploy.StepStage && a.Verb == b.Verb && b.Stage <= a.Stage {
			t.Errorf("stage %d after %d", b.Stage, a.Stage)
		}
	}
	return over
}
