package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
	"github.com/seguehq/segue/internal/rollout"
)

// A service is the agent's side of one: its fleet, the rollout under way, and
// the goroutine that runs rollouts and keeps the fleet between them. It is the
// Engine, Prober and Router of its rollouts.
type service struct {
	a       *Agent
	name    string
	log     *slog.Logger
	fleet   *rollout.Fleet
	jobs    chan deploy.Rollout // at most one; the journal admits one open rollout
	abort   chan string
	promote chan rollout.Word

	once sync.Once // of launch, for one that came after the agent's start

	mu        sync.Mutex
	current   journal.Current
	rollout   *deploy.Rollout // under way
	settled   chan struct{}   // closed when no rollout is under way any more
	releases  map[int]*deploy.Release
	procs     map[string]*proc
	health    map[string]context.CancelFunc
	unready   map[string]bool
	handed    bool              // the proxy has let go of the addresses, see direct.go
	notes     map[string]string // by instance: its progress, for status
	problem   string
	preparing *control.Preparing     // who runs its preparations; nil: nobody
	tasks     map[string]deploy.Logs // by log file: those that run
	pauses    []pause                // oldest first; the last may be the one it is in
	calendar  deploy.Calendar
	source    *source // whose commits are deployed; nil: nobody's

	stewardBell chan struct{}
	closings    []maintenance // oldest first; the last may be the one it is in
	tended      bool          // the steward has nothing more to do for it
	stewardDoes string        // for people
	stewardLeft int           // requests in flight that maintenance waits for, or waited for in vain
	stewardNews chan struct{} // closed when the steward has done something

	shed  shedState
	flags flagging

	contractBell chan struct{}
	ledger       ledger // of its migrations

	entered      int           // the rollout's stage whose routes are in force; -1 before the first
	stageChanged chan struct{} // closed when that changes
	stageNote    string        // what the stage waits for
}

func newService(a *Agent, c journal.Current) *service {
	return &service{a: a, name: c.Service, current: c, log: a.log.With("service", c.Service), fleet: rollout.NewFleet(nil),
		flags: flagging{bell: make(chan struct{}, 1)}, contractBell: make(chan struct{}, 1), stewardBell: make(chan struct{}, 1), stewardNews: make(chan struct{}),
		jobs: make(chan deploy.Rollout, 1), abort: make(chan string, 1), promote: make(chan rollout.Word, 1), stageChanged: make(chan struct{}), settled: make(chan struct{}),
		releases: map[int]*deploy.Release{}, procs: map[string]*proc{}, health: map[string]context.CancelFunc{},
		unready: map[string]bool{}, notes: map[string]string{}, tasks: map[string]deploy.Logs{}}
}

// adopt takes on the instances that the journal holds.
func (s *service) adopt(ctx context.Context) error {
	kept, err := s.a.journal.Releases(ctx, s.name)
	if err != nil {
		return err
	}
	for n := range kept {
		s.releases[kept[n].Number] = &kept[n]
	}
	instances, err := s.a.journal.Instances(ctx, s.name)
	if err != nil {
		return err
	}
	s.fleet = rollout.NewFleet(instances)
	if err := s.readLedger(ctx); err != nil {
		return err
	}
	for _, i := range instances {
		if err := s.adoptInstance(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// launch starts the service's goroutine; a rollout that was cut off goes on.
func (s *service) launch(ctx context.Context) {
	if s.rollout != nil {
		s.jobs <- *s.rollout
	}
	for _, i := range s.fleet.List() {
		if i.State == deploy.Serving {
			s.watchHealth(i.ID)
		}
	}
	s.a.tasks.Go(func() { s.run(ctx) })
	s.a.tasks.Go(func() { s.steward(ctx) })
	s.a.tasks.Go(func() { s.contractor(ctx) })
	s.a.tasks.Go(func() { s.flagger(ctx) })
	s.source.launch()
}

// run keeps the fleet as it is until there is a rollout, and then runs that.
func (s *service) run(ctx context.Context) {
	for ctx.Err() == nil {
		job, ok := s.keep(ctx)
		if !ok {
			return
		}
		s.roll(ctx, job)
	}
}

func (s *service) keep(ctx context.Context) (deploy.Rollout, bool) {
	s.mu.Lock()
	c := s.current
	s.mu.Unlock()
	keeping, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	if len(s.jobs) > 0 {
		close(done) // a rollout is waiting already: change nothing before it
	} else {
		go func() {
			defer close(done)
			t := rollout.Target{Service: s.name, Release: c.Release, Gen: c.Gen, Count: c.Replicas}
			rollout.Keep(keeping, s.parts(s.runs(c.Release)), t)
		}()
	}
	defer func() { stop(); <-done }()
	select {
	case <-ctx.Done():
		return deploy.Rollout{}, false
	case job := <-s.jobs:
		return job, true
	}
}

// roll runs a rollout to its end, or until the agent ends.
func (s *service) roll(ctx context.Context, r deploy.Rollout) {
	s.log.Info("rollout", "id", r.ID, "kind", r.Kind, "from", r.From, "to", r.To, "phase", r.Phase)
	n := r.To
	if n == 0 {
		n = r.From
	}
	if r.Tries() && r.Phase == deploy.Forward {
		if _, err := s.bringFlags(ctx, r.To); err != nil && ctx.Err() == nil {
			_, _ = s.callOff(r, control.Request{Who: "segue", Why: err.Error()}) // it cannot refuse
		}
	}
	s.ringFlagger()
	phase, err := rollout.Run(ctx, s.parts(s.runs(n)), r)
	if err != nil {
		s.log.Info("rollout interrupted", "id", r.ID, "error", err)
		return
	}
	s.log.Info("rollout ended", "id", r.ID, "as", phase)
	s.settle(ctx, r.ID)
}

// settle takes in what the end of a rollout has made of the service.
func (s *service) settle(ctx context.Context, id int64) {
	known, err := s.a.journal.Services(ctx)
	if err != nil {
		s.log.Error("read what the service is now", "error", err)
	}
	past, err := s.a.journal.History(ctx, s.name, 0)
	if err != nil {
		s.log.Error("read what the database is now", "error", err)
	}
	s.mu.Lock()
	for _, c := range known {
		if c.Service == s.name {
			s.current = c
		}
	}
	if err == nil {
		s.ledger = ledgerOf(past, s.migrates(s.current.Release))
	}
	s.rollout, s.stageNote = nil, ""
	select {
	case <-s.abort: // it came too late
	default:
	}
	select {
	case <-s.promote:
	default:
	}
	close(s.settled)
	s.settled = make(chan struct{})
	s.mu.Unlock()
	s.forgetHooks(id)
	s.a.afterRollout(ctx, s)
	s.tend() // it may have brought what maintenance waits for
	s.ringContractor()
	s.ringFlagger()
	s.a.events.wake(id)
}

func (s *service) parts(spec deploy.Service) rollout.Parts {
	return rollout.Parts{Engine: s, Prober: s, Router: s, Journal: s.a.record, Judge: s, Tasks: s, Fleet: s.fleet, Spec: spec,
		Abort: s.abort, Promote: s.promote, Entered: s.staged, Note: s.waitsFor, Waiting: s.waitsForWord, AtOnce: 4 * runtime.NumCPU(), Told: s.told, Problem: s.trouble}
}

// release returns a kept release, nil if there is none of that number.
func (s *service) release(number int) *deploy.Release {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.releases[number]
}

// runs is what the strategy of a release is read from; of none, whatever takes
// instances out.
func (s *service) runs(release int) deploy.Service {
	if r := s.release(release); r != nil {
		return r.Spec
	}
	return deploy.Service{Name: s.name, Strategy: deploy.Strategy{Overlap: true}}
}

// spec is a release's settings.
func (s *service) spec(release int) deploy.Service {
	if r := s.release(release); r != nil {
		return r.Spec
	}
	return deploy.Service{Name: s.name}
}

// told is called after each step is written.
func (s *service) told(step deploy.Step) {
	s.log.Info("step", "verb", step.Verb, "instance", step.Instance, "release", step.Release, "note", step.Note)
	s.mu.Lock()
	switch step.Verb {
	case deploy.StepStage:
		if s.rollout != nil {
			s.rollout.Stage, s.rollout.StageAt, s.stageNote = step.Stage, step.At, ""
		}
	case deploy.StepPromote:
		if s.rollout != nil {
			s.rollout.Promoted = step.Stage
		}
	case deploy.StepExpanded, deploy.StepBackfilled, deploy.StepContracted:
		if s.rollout != nil {
			s.rollout.Migrated, s.rollout.Did = step.Verb, step.Note
		}
	case deploy.StepBack:
		if s.rollout != nil {
			s.rollout.Phase, s.rollout.Reason = deploy.Backward, step.Note
			s.ringFlagger()
		}
	case deploy.StepGone, deploy.StepFailed:
		delete(s.procs, step.Instance)
		delete(s.unready, step.Instance)
		delete(s.notes, step.Instance)
	case deploy.StepReady, deploy.StepShift:
		delete(s.notes, step.Instance)
	}
	if step.Verb == deploy.StepShift {
		s.problem = ""
	}
	s.mu.Unlock()
	switch step.Verb {
	case deploy.StepShift:
		s.watchHealth(step.Instance)
	case deploy.StepDrain, deploy.StepStop:
		s.unwatchHealth(step.Instance)
	}
	s.a.events.wake(step.Rollout)
	s.a.outbox.wake()
}

// trouble is called with what could not be done and is tried again.
func (s *service) trouble(err error) {
	s.log.Warn("problem", "error", err)
	s.mu.Lock()
	s.problem = err.Error()
	id := s.rolloutID()
	s.mu.Unlock()
	s.a.events.pass(control.Event{At: time.Now(), Rollout: id, Problem: err.Error()})
}

// progress notes how an instance is getting on.
func (s *service) progress(i deploy.Instance, note string) {
	s.mu.Lock()
	s.notes[i.ID] = note
	id := s.rolloutID()
	s.mu.Unlock()
	s.a.events.pass(control.Event{At: time.Now(), Rollout: id, Instance: i.ID, Progress: note})
}

func (s *service) rolloutID() int64 {
	if s.rollout == nil {
		return 0
	}
	return s.rollout.ID
}

// begin writes a new rollout and sets it going. change fills in what is to
// become of the service, given what it is.
func (s *service) begin(ctx context.Context, waitForIt bool, change func(journal.Current) (deploy.Rollout, error)) (control.Begun, error) {
	for {
		b, settled, err := s.tryBegin(ctx, change)
		var inTheWay *journal.BusyError
		if !errors.As(err, &inTheWay) {
			return b, err
		}
		if !s.endStay() && !waitForIt {
			return b, busy(inTheWay.Rollout)
		}
		select {
		case <-ctx.Done():
			return b, context.Cause(ctx)
		case <-s.a.staying.Done():
			return b, errors.New("the agent ends or is replaced; nothing was begun, try again")
		case <-settled:
		}
	}
}

func (s *service) tryBegin(ctx context.Context, change func(journal.Current) (deploy.Rollout, error)) (control.Begun, <-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rollout != nil {
		return control.Begun{}, s.settled, &journal.BusyError{Rollout: *s.rollout}
	}
	r, err := change(s.current)
	if errors.Is(err, errNothing) {
		return control.Begun{Nothing: true}, s.settled, nil
	}
	if err != nil {
		return control.Begun{}, s.settled, err
	}
	r.Service, r.Phase, r.Began = s.name, deploy.Forward, time.Now()
	r.From, r.FromGen, r.Before = s.current.Release, s.current.Gen, s.current.Replicas
	s.brings(&r)
	if to := s.releases[r.To]; to != nil && r.To != r.From {
		if err := s.fits(to.String(), to.Spec.Migrate, r.Kind == deploy.KindDeploy); err != nil { // a deploy has asked
			return control.Begun{}, s.settled, err
		}
	}
	if r.Kind != deploy.KindMode {
		r.Mode = s.modeFor(r.To)
	}
	if _, err := s.a.record.Begin(ctx, &r); err != nil {
		return control.Begun{}, s.settled, fmt.Errorf("nothing was changed: %w", err)
	}
	s.rollout, s.entered = &r, -1
	s.ledger.begun(r)
	s.jobs <- r
	s.a.outbox.wake()
	return control.Begun{Rollout: r}, s.settled, nil
}

// errNothing says that the service is already what it is asked to become.
var errNothing = errors.New("nothing to do")
