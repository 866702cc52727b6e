package rollout

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// A Stage is one of the states that a rollout goes through on its way forward.
// It is entered with a step in the journal (the first one with the rollout's
// own), and passed when the fleet is as it says, its hooks have run and what it
// waits for has come.
type Stage struct {
	Name   string // for people: "canary 5 %"
	New    int    // instances of the new generation
	Old    int    // instances of the old one that stay beside them
	Split  bool   // requests are divided by Share; false: among instances, whatever their release
	Share  int    // per cent of the requests that the new release gets
	Match  *deploy.Match
	Mirror int // per cent of the requests that the new release gets copies of; above 0 it gets nothing else
	// Preview opens the strategy's way to the new release for those who test it.
	Preview bool

	Hooks  []deploy.Hook // run one after the other when the fleet is as said
	Phase  string        // of the database's change, which its hook carries out (deploy.PhaseExpand …); "": none
	For    time.Duration // after the hooks, at least so long since the stage was entered
	Manual bool          // and until somebody says so
	Judge  bool          // and until the Judge is content
	Stays  bool          // For is for those who still need the old release, and nothing that happens in it is the new one's fault
	// Compare has the Judge compare the new release's answers with the old one's;
	// without it, only the checks are asked.
	Compare bool
}

// waits reports whether there is more to it than the fleet.
func (s *Stage) waits() bool { return len(s.Hooks) > 0 || s.Waits() }

// Waits reports whether it waits for something that somebody's word can stand for.
func (s *Stage) Waits() bool { return s.For > 0 || s.Manual || s.Judge }

// Alone reports whether the new release gets all requests.
func (s *Stage) Alone() bool {
	return s.Mirror == 0 && (s.Split && s.Share == 100 || !s.Split && s.Old == 0)
}

// Brings reports whether it does nothing but start what the next one needs.
func (s *Stage) Brings() bool { return s.Split && !s.waits() && s.Old > 0 }

// String tells what is done in it and waited for.
func (s *Stage) String() string {
	var parts []string
	for _, h := range s.Hooks {
		if !h.Segue {
			parts = append(parts, "hook "+h.Name)
		}
	}
	if s.For > 0 {
		parts = append(parts, s.For.String())
	}
	if s.Compare {
		parts = append(parts, "analysis")
	} else if s.Judge {
		parts = append(parts, "checks")
	}
	if s.Manual {
		parts = append(parts, "segue promote")
	}
	if len(parts) == 0 {
		return s.Name
	}
	return s.Name + ": " + strings.Join(parts, ", ")
}

// Plan lists the stages of a rollout. It follows from the service's settings
// and the rollout alone, so that an agent which goes on with a rollout finds the
// same ones. Only the deploy of another release beside one that serves is
// subject to the strategy: what is done in need (a rollback), or changes no
// program (a scale, a restart), is done by the shortest way.
func Plan(spec *deploy.Service, r deploy.Rollout) []Stage {
	p := plan{spec: spec, strategy: &spec.Strategy, r: r}
	if r.Kind == deploy.KindContract {
		return []Stage{contracting(spec, r)}
	}
	if !r.Tries() {
		p.migrate() // a release that one went back from comes again: its change may have been taken back meanwhile
		p.add(Stage{New: r.Replicas})
		return p.stages
	}
	p.hooks(Preparing, spec.Prepare, Stage{Old: r.Before})
	p.migrate()
	p.hooks("hooks before", spec.Hooks.Before, Stage{Old: r.Before})
	switch {
	case r.From == 0:
		p.first()
	case p.strategy.Type == deploy.BlueGreen:
		p.blueGreen()
	case p.strategy.Type == deploy.Canary:
		p.canary()
	case !p.strategy.Overlap:
		p.recreate()
	default:
		p.rolling()
	}
	return p.stages
}

// Preparing is the name of the stage that runs Service.Prepare. Tasks passes over
// what was done before.
const Preparing = "prepare"

// A plan is one in the making.
type plan struct {
	spec     *deploy.Service
	strategy *deploy.Strategy
	r        deploy.Rollout
	stages   []Stage
}

func (p *plan) add(s Stage) { p.stages = append(p.stages, s) }

// hooks adds a stage for hooks, if there are any.
func (p *plan) hooks(name string, hooks []deploy.Hook, s Stage) {
	if len(hooks) > 0 {
		s.Name, s.Hooks = name, hooks
		p.add(s)
	}
}

// judged has a stage ask what is asked of the new release beside its probes.
func (p *plan) judged(s Stage, compare bool) Stage {
	s.Compare = compare && p.strategy.Analysis != nil
	s.Judge = s.Compare || len(p.strategy.Checks) > 0
	return s
}

// first brings up the only release there is. There is nothing that it could be
// compared with, or that could come back.
func (p *plan) first() {
	p.add(Stage{Name: "start", New: p.r.Replicas})
	p.last(p.judged(Stage{New: p.r.Replicas, Hooks: p.spec.Hooks.After}, false))
}

// proving is the stage in which the new release has all requests and must prove
// itself.
func (p *plan) proving(s Stage) Stage {
	s.Hooks, s.For = p.spec.Hooks.After, p.strategy.Bake
	return p.judged(s, true)
}

// bake adds that stage, if there is anything to it. Where some of the old release
// stay for its pages, everything else is for the new one from here on.
func (p *plan) bake() {
	s := Stage{New: p.r.Replicas, Old: p.stays()}
	if s.Old > 0 {
		s.Split, s.Share = true, 100
	}
	p.last(p.proving(s))
}

// stays is how many of the old instances stay for pages that were loaded from
// their release.
func (p *plan) stays() int {
	if p.r.From == 0 {
		return 0
	}
	return p.spec.Stays(p.r.Before)
}

// stay adds the stage in which nothing is left but to wait for pages of the old
// release: the new one has everything but what they ask for.
func (p *plan) stay() {
	if n := p.stays(); n > 0 {
		p.add(Stage{Name: deploy.PagesStay, New: p.r.Replicas, Old: n, Split: true, Share: 100, For: p.spec.Skew.Stay, Stays: true})
	}
}

// last adds a stage, if there is anything to it, under the name of what it is for.
func (p *plan) last(s Stage) {
	switch {
	case s.For > 0:
		s.Name = "bake"
	case s.Compare:
		s.Name = "analysis"
	case s.Judge:
		s.Name = "checks"
	default:
		s.Name = "hooks after"
	}
	if s.waits() {
		p.add(s)
	}
}

// leaving is the last stage of a strategy that divides requests: the old
// instances go, one after the other, and none of them gets a request again.
func (p *plan) leaving(name string) {
	p.add(Stage{Name: name, New: p.r.Replicas, Split: true, Share: 100})
}

// A Word is somebody's decision to go on without waiting.
type Word struct {
	Below int    // stages below this one are passed
	Note  string // whose it is, for the history
}

// through takes a rollout from the stage where it stands through all others.
func (p *Parts) through(ctx context.Context, r deploy.Rollout) error {
	stages := Plan(&p.Spec, r)
	if r.Stage >= len(stages) {
		return fmt.Errorf("stage %d of %d: this segue plans the rollout in another way than the one that began it", r.Stage, len(stages))
	}
	for n := r.Stage; n < len(stages); n++ {
		s := &stages[n]
		if n > r.Stage {
			step := deploy.Step{Rollout: r.ID, Service: r.Service, Verb: deploy.StepStage, Release: r.To, Stage: n, Note: s.Name}
			r.Stage, r.StageAt = n, p.now()
			if err := p.write(ctx, step); err != nil {
				return err
			}
		}
		if err := p.pass(ctx, &r, s); err != nil {
			return err
		}
	}
	return nil
}

// pass brings the fleet to what a stage wants, holds it there while the stage
// waits, and returns nil when the stage is passed.
func (p *Parts) pass(ctx context.Context, r *deploy.Rollout, s *Stage) error {
	if s.Stays && r.Promoted > r.Stage {
		return nil
	}
	t := forward(*r)
	t.Count, t.Beside = s.New, Side{Release: r.From, Gen: r.FromGen, Count: s.Old}
	if err := p.Router.Sync(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	if p.Entered != nil {
		p.Entered(r.Stage)
	}
	if !s.waits() {
		return p.move(ctx, t, impatient, nil)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	settled, ended := make(chan struct{}), make(chan struct{})
	how, tell := holding, func() { close(settled) }
	if s.Stays { // nobody waits for an instance of the old release that does not come back
		how, tell = keeping, nil
		close(settled)
	}
	go func() {
		defer close(ended)
		cancel(p.move(ctx, t, how, tell))
	}()
	defer func() { cancel(nil); <-ended }()
	select {
	case <-settled:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err := p.await(ctx, r, s)
	if cause := context.Cause(ctx); cause != nil {
		return cause // what was waited for was only cut off by it
	}
	return err
}

// await runs a stage's hooks and waits for what it wants.
func (p *Parts) await(ctx context.Context, r *deploy.Rollout, s *Stage) error {
	for _, h := range s.Hooks {
		if err := p.runHook(ctx, r, s, h); err != nil {
			return err
		}
	}
	if r.Promoted > r.Stage {
		return nil
	}
	judging, stop := context.WithCancel(ctx)
	verdict, asked := make(chan error), *r
	go func() {
		defer close(verdict)
		select {
		case verdict <- p.judge(judging, asked, s):
		case <-judging.Done():
		}
	}()
	defer func() {
		stop()
		for range verdict { // until it is closed
		}
	}()
	return p.awaitWord(ctx, r, s, verdict)
}

// runHook runs a hook of a stage. Of one that carries out a phase, what it told
// last is kept in the history.
func (p *Parts) runHook(ctx context.Context, r *deploy.Rollout, s *Stage, h deploy.Hook) error {
	if s.Phase == "" {
		if err := p.Tasks.Run(ctx, *r, r.Stage, h, p.note); err != nil {
			return fmt.Errorf("hook %s: %w", h.Name, err)
		}
		return nil
	}
	last := ""
	err := p.Tasks.Run(ctx, *r, r.Stage, h, func(note string) {
		last = note
		p.note(note)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	r.Migrated = deploy.PhaseDone(s.Phase)
	return p.write(ctx, deploy.Step{Rollout: r.ID, Service: r.Service, Verb: r.Migrated, Release: r.To, Stage: r.Stage, Note: last})
}

// judge waits for the stage's time and for the Judge.
func (p *Parts) judge(ctx context.Context, r deploy.Rollout, s *Stage) error {
	if r.StageAt.IsZero() {
		r.StageAt = r.Began
	}
	if s.Judge {
		return p.Judge.Watch(ctx, r, *s, p.note)
	}
	return sleep(ctx, r.StageAt.Add(s.For).Sub(p.now()))
}

// awaitWord returns when the stage is passed by its own conditions, or by
// somebody's word, which stands for all of them.
func (p *Parts) awaitWord(ctx context.Context, r *deploy.Rollout, s *Stage, verdict <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-verdict:
			if err != nil || !s.Manual {
				return err
			}
			verdict = nil
			p.note("waiting for `segue promote`")
			if p.Waiting != nil {
				p.Waiting(*r)
			}
		case w := <-p.Promote:
			if w.Below <= r.Stage {
				continue // it was meant for one that has passed meanwhile
			}
			r.Promoted = w.Below
			step := deploy.Step{Rollout: r.ID, Service: r.Service, Verb: deploy.StepPromote, Release: r.To, Stage: w.Below, Note: w.Note}
			return p.write(ctx, step)
		}
	}
}

func (p *Parts) note(text string) {
	if p.Note != nil {
		p.Note(text)
	}
}
