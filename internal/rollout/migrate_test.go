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

// brings is a rollout of a release with two new migrations.
func brings(r deploy.Rollout) deploy.Rollout {
	r.Brings = []string{"0007_email", "0008_split"}
	return r
}

// migrates is a service that changes its database, and has hooks and preparations.
func migrates() deploy.Service {
	spec := specOf(deploy.Rolling)
	spec.Strategy.Analysis, spec.Strategy.Checks = nil, nil
	spec.Migrate = &deploy.Migrate{Dir: "migrations", URL: "DATABASE_URL", Names: []string{"0007_email", "0008_split"}, Timeout: time.Minute}
	return spec
}

func TestPlanWithMigrations(t *testing.T) {
	const before = "expand 0007_email and 0008_split [0+4] backfill 0007_email and 0008_split [0+4] "
	spec := migrates()
	if got := story(Plan(&spec, brings(deployOf(4, 4)))); !strings.HasPrefix(got, "prepare: hook warm [0+4] "+before+"hooks before: hook before [0+4] ") {
		t.Error("deploy:", got)
	}
	if got := story(Plan(&spec, deployOf(4, 4))); strings.Contains(got, "expand") {
		t.Error("a deploy that brings nothing:", got)
	}
	again := brings(deployOf(4, 4))
	again.Kind = deploy.KindRollback
	if got := story(Plan(&spec, again)); got != before+" [4+0]" {
		t.Error("back to the release that has them:", got)
	}
	first := brings(deployOf(4, 0))
	first.From, first.FromGen, first.Fresh = 0, 0, true
	h := Plan(&spec, first)[1].Hooks[0]
	if want := "[migrate expand --dir migrations --url-from DATABASE_URL --progress plain --fresh]"; fmt.Sprint(h.Command) != want || !h.Segue || h.Timeout != time.Minute {
		t.Errorf("%+v, want %s", h, want)
	}
	if got := story(Plan(&spec, contractOf(4))); got != "contract 0007_email and 0008_split [4+0]" {
		t.Error("contract:", got)
	}
}

func contractOf(n int) deploy.Rollout {
	r := brings(deployOf(n, n))
	r.Kind, r.From, r.To, r.FromGen, r.ToGen = deploy.KindContract, 1, 1, 1, 1
	return r
}

// phases is the Tasks of a world with a database: how far it is.
type phases struct {
	*world
	fails  string
	fault  error        // of the phase that fails; nil: it lasts for ever
	done   []string     // phases, as often as they ran to their end
	during func(string) // called in the middle of each
}

func (p *phases) Run(ctx context.Context, r deploy.Rollout, stage int, h deploy.Hook, told func(string)) error {
	name := strings.TrimPrefix(h.Name, "migrate-")
	told(name + " runs")
	if p.during != nil {
		p.during(name)
	}
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	if name == p.fails {
		if p.fault == nil {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return p.fault
	}
	p.done = append(p.done, name)
	told(name + " is done")
	return nil
}

// A release is started when the database is ready for it, and what was done is
// written down.
func TestDatabaseIsChangedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, old(4)...)
		tasks := &phases{world: w}
		tasks.during = func(string) {
			if w.started > 0 {
				t.Error("an instance was started before")
			}
		}
		p := w.parts(deploy.Strategy{})
		p.Spec, p.Tasks = migrates(), tasks
		p.Spec.Prepare, p.Spec.Hooks, p.Spec.Strategy.Bake = nil, deploy.Hooks{}, 0
		if got, err := Run(t.Context(), p, brings(deployOf(4, 4))); err != nil || got != deploy.Done {
			t.Fatal(got, err)
		}
		w.leftover(map[int]int{2: 4})
		if w.noteOf(deploy.StepExpanded) != "expand is done" || w.noteOf(deploy.StepBackfilled) != "backfill is done" {
			t.Error(w.steps)
		}
	})
}

// A phase that fails, or is called off, undoes the rollout, before anything of it
// was started.
func TestPhaseFails(t *testing.T) {
	for _, phase := range []string{deploy.PhaseExpand, deploy.PhaseBackfill} {
		for _, fault := range []error{errors.New("a row breaks it"), nil} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, old(4)...)
				tasks := &phases{world: w, fails: phase, fault: fault}
				p := w.parts(deploy.Strategy{})
				p.Spec, p.Tasks = migrates(), tasks
				want := "a row breaks it"
				if fault == nil {
					abort := make(chan string, 1)
					p.Abort, want = abort, "called off"
					tasks.during = func(name string) {
						if name == phase {
							abort <- "called off"
						}
					}
				}
				if got, err := Run(t.Context(), p, brings(deployOf(4, 4))); err != nil || got != deploy.RolledBack {
					t.Fatal(got, err)
				}
				w.leftover(map[int]int{1: 4})
				if why := w.noteOf(deploy.StepBack); !strings.HasSuffix(why, want) || w.started > 0 {
					t.Errorf("%s: %d instances were started; the journal says %q", phase, w.started, why)
				}
			})
		}
	}
}

// Contract leaves the fleet as it is; an instance that ends meanwhile is started
// again, and does not stop it halfway.
func TestContract(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Parts, *phases)
		end  deploy.Phase
		why  string
	}{
		{"well", func(*Parts, *phases) {}, deploy.Done, ""},
		{"it fails", func(_ *Parts, d *phases) { d.fails, d.fault = deploy.PhaseContract, errors.New("no lock was had") }, deploy.RolledBack, "no lock was had"},
		{"it is called off", func(p *Parts, d *phases) {
			abort := make(chan string, 1)
			p.Abort, d.fails, d.during = abort, deploy.PhaseContract, func(string) { abort <- "the agent ends" }
		}, deploy.RolledBack, "the agent ends"},
		{"an instance dies", func(_ *Parts, d *phases) {
			d.during = func(string) {
				d.mu.Lock()
				delete(d.running, "old.1")
				d.mu.Unlock()
				d.fleet.Report("old.1", "exit status 9")
			}
		}, deploy.Done, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, old(4)...)
				d := &phases{world: w}
				p := w.parts(deploy.Strategy{Surge: 1, Overlap: true})
				p.Spec.Migrate, p.Tasks = migrates().Migrate, d
				c.set(&p, d)
				if got, err := Run(t.Context(), p, contractOf(4)); err != nil || got != c.end {
					t.Fatal(got, err)
				}
				if why := w.noteOf(deploy.StepBack); !strings.Contains(why, c.why) || (why == "") != (c.why == "") {
					t.Errorf("the journal says %q", why)
				}
				if w.low < 3 || c.name == "well" && w.low < 4 {
					t.Errorf("only %d served meanwhile", w.low)
				}
			})
		})
	}
}

// The agent dies after each step in turn; the next one ends the rollout, and no
// instance of the new release comes before both phases were done.
func TestPhasesInterruptedAtEveryStep(t *testing.T) {
	for at, over := 1, false; !over; at++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, old(4)...)
			ctx, cancel := context.WithCancel(t.Context())
			w.killAt, w.kill = at, cancel
			tasks := &phases{world: w}
			parts := func() Parts {
				p := w.parts(deploy.Strategy{Surge: 1, Overlap: true})
				p.Spec.Migrate, p.Tasks = migrates().Migrate, tasks
				return p
			}
			r := brings(deployOf(4, 4))
			_, err := Run(ctx, parts(), r)
			if over = err == nil; !over && w.steps[len(w.steps)-1].Verb != deploy.StepEnd {
				if got, err := Run(t.Context(), parts(), w.now(r)); err != nil || got != deploy.Done {
					t.Fatal(at, got, err)
				}
			}
			cancel()
			w.leftover(map[int]int{2: 4})
			if w.noteOf(deploy.StepExpanded) == "" || w.noteOf(deploy.StepBackfilled) == "" {
				t.Error(at, w.steps)
			}
		})
	}
}
