package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/rollout"
)

// A story is a rollout that is being worked on, by whoever holds the service's
// Lease. Everything that it needs to know is written in the cluster, so that
// another process can go on with it: each step is written before it is taken, and
// taking one a second time changes nothing.
type story struct {
	c       *Cluster
	records records
	rec     *Record
	old     *Release        // that served before; nil: none
	new     *Release        // that is to serve; nil: none
	spec    *deploy.Service // what says how: the new release's, or the old one's if there is none
	stages  []rollout.Stage
	way     way
	view    *View
	drill   Drill // nil: none
	dir     string
	last    string // line that a hook has written
	show    func(Event)
	unwell  map[string]string // what a pod's probe has said last, by the pod's UID
	at      atomic.Int64      // the stage, for those who tell of something meanwhile
}

// A way is how one strategy does in a cluster what its stages say. Both of its
// methods return when the cluster is as asked.
type way interface {
	enter(ctx context.Context, st *rollout.Stage) error
	// back undoes what was done, however far that is.
	back(ctx context.Context) error
}

// A verdict is the reason for which a rollout is undone. Other errors only end
// the work on it: a network that fails says nothing of a release.
type verdict struct{ error }

func condemn(format string, args ...any) error { return verdict{fmt.Errorf(format, args...)} }

// Unwrap gives the reason.
func (v verdict) Unwrap() error { return v.error }

// run takes the rollout from where it stands to its end. An error means that it
// has not ended.
func (s *story) run(ctx context.Context) error {
	if s.rec.Phase == deploy.Forward {
		err := s.calledOff(ctx)
		if err == nil {
			err = s.forward(ctx)
		}
		var bad verdict
		switch {
		case err == nil:
			return s.end(ctx, deploy.Done)
		case !errors.As(err, &bad):
			return err
		}
		if err := s.turn(ctx, bad); err != nil {
			return err
		}
	}
	if err := s.endMigration(ctx); err != nil {
		return err
	}
	if err := s.way.back(ctx); err != nil {
		return fmt.Errorf("go back to %s: %w", s.old.name(), err)
	}
	return s.end(ctx, deploy.RolledBack)
}

// calledOff is the verdict on a rollout that somebody wanted undone when nobody
// worked on it.
func (s *story) calledOff(ctx context.Context) error {
	w, err := s.records.word(ctx, s.rec.ID)
	if err == nil && w.Back {
		err = condemn("%s", w.Note)
	}
	return err
}

// forward takes the rollout through its stages, under its drill and within
// earshot of those who want it undone.
func (s *story) forward(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	promoted := make(chan word, 1)
	heard := s.listen(ctx, promoted, cancel)
	defer func() { cancel(nil); <-heard }()
	stop, err := s.startDrill(ctx, cancel)
	if err != nil {
		return err
	}
	defer func() {
		if lost := stop(err); err == nil {
			err = lost
		}
	}()
	for n := s.rec.Stage; n < len(s.stages); n++ {
		if err := s.pass(ctx, n, promoted); err != nil {
			return because(ctx, err)
		}
	}
	return because(ctx, nil)
}

// because is why ctx has ended, which is more than that it has; or else err.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// pass enters a stage, and returns nil when it is passed.
func (s *story) pass(ctx context.Context, n int, promoted <-chan word) error {
	st := &s.stages[n]
	if n > s.rec.Stage || s.rec.StageAt.IsZero() {
		s.rec.Stage, s.rec.StageAt = n, time.Now()
		s.at.Store(int64(n))
		if err := s.write(ctx, deploy.StepStage, st.String()); err != nil {
			return err
		}
	}
	if err := s.way.enter(ctx, st); err != nil {
		return err
	}
	if err := s.runHooks(ctx, st); err != nil {
		return err
	}
	if !st.Waits() || s.rec.Promoted > n {
		return nil
	}
	return s.await(ctx, st, promoted)
}

// turn writes that the rollout goes back from here on, and why.
func (s *story) turn(ctx context.Context, why verdict) error {
	s.rec.Phase, s.rec.Reason = deploy.Backward, why.Error()
	return s.write(ctx, deploy.StepBack, s.rec.Reason)
}

// end writes that the rollout is over. What only tidies up after it is tried
// once, and again by the next rollout.
func (s *story) end(ctx context.Context, phase deploy.Phase) error {
	s.rec.Phase, s.rec.Ended = phase, time.Now()
	if phase == deploy.Done && s.rec.Kind == deploy.KindContract {
		s.rec.Contracted = union(s.rec.Contracted, s.rec.Brings)
	}
	if err := s.write(ctx, deploy.StepEnd, string(phase)); err != nil {
		return err
	}
	if err := s.tidy(ctx); err != nil {
		s.warn("what is of no use any more was not removed: %v", err)
	}
	s.tell(Event{Kind: EventEnd, End: phase, Reason: s.rec.Reason})
	return nil
}

// write has the record written as it is now, and tells of the step that follows.
func (s *story) write(ctx context.Context, verb deploy.Verb, note string) error {
	if err := s.records.write(ctx, s.rec); err != nil {
		return fmt.Errorf("write down rollout %d: %w", s.rec.ID, err)
	}
	s.tellStep(verb, note)
	return nil
}

func (s *story) tellStep(verb deploy.Verb, note string) {
	s.tell(Event{Kind: EventStep, Step: &deploy.Step{
		At: time.Now(), Rollout: s.rec.ID, Service: s.rec.Service, Verb: verb, Release: s.rec.To, Stage: s.rec.Stage, Note: note,
	}})
}

// tell may be called by any goroutine.
func (s *story) tell(e Event) {
	e.At, e.Service, e.Rollout, e.Stage, e.Stages = time.Now(), s.rec.Service, s.rec.ID, int(s.at.Load()), len(s.stages)
	s.show(e)
}

func (s *story) note(format string, args ...any) {
	s.tell(Event{Kind: EventNote, Text: fmt.Sprintf(format, args...)})
}

func (s *story) warn(format string, args ...any) {
	s.tell(Event{Kind: EventWarning, Text: fmt.Sprintf(format, args...)})
}

// left says how a rollout is gone on with whose work has ended before it did.
func (s *story) left(err error) error {
	return fmt.Errorf("%w in the stage %q, and goes no further than Kubernetes takes it by itself; `segue deploy` of the same files goes on with it, `segue rollback %s` undoes it: %w",
		ErrLeft, s.stages[min(s.rec.Stage, len(s.stages)-1)].String(), s.rec.Service, err)
}

// name tells people of a release that may not be there.
func (r *Release) name() string {
	if r == nil {
		return "nothing"
	}
	return r.Release.String()
}
