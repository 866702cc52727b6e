package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// Prepare implements control.Agent: it runs the steps of a release's prepare
// that were never done for the service. The release is made, and serves nothing.
func (a *Agent) Prepare(ctx context.Context, q control.PrepareRequest, tell func(control.PrepareEvent) error) error {
	if q.Spec.Name == "" || len(q.Spec.Command) == 0 {
		return control.Errorf(control.CodeInvalid, "a service needs a name and a command")
	}
	for _, name := range q.Again {
		if !slices.ContainsFunc(q.Spec.Prepare, func(h deploy.Hook) bool { return h.Name == name }) {
			return control.Errorf(control.CodeInvalid, "%s has no step %q to prepare it; `segue prepare --list` shows those it has", q.Spec.Name, name)
		}
	}
	q.Spec.EnvNames = q.Env.Names()
	s := a.find(q.Spec.Name)
	p := &control.Preparing{Who: q.Who, Began: time.Now()}
	if other := s.startPreparing(p); other != nil {
		return control.Errorf(control.CodeBusy, "%s is being prepared already, by %s since %s (step %s); Ctrl-C there calls it off",
			s.name, other.Who, other.Began.Local().Format("15:04:05"), other.Step)
	}
	defer s.endPreparing()
	ctx, done := a.whileStaying(ctx)
	defer done()
	rel, err := a.makeRelease(ctx, s, q.DeployRequest)
	if err != nil {
		return err
	}
	s.nowPreparing(rel.Number, "")
	for _, h := range rel.Spec.Prepare {
		err := s.prepare(ctx, h, q, rel.Number, tell)
		if errors.Is(err, errStepFailed) {
			return nil // it was told
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errStepFailed = errors.New("a step has failed")

// prepare does one step for Prepare, and tells how that goes.
func (s *service) prepare(ctx context.Context, h deploy.Hook, q control.PrepareRequest, release int, tell func(control.PrepareEvent) error) error {
	done, err := s.prepared(ctx, h)
	if err != nil {
		return err
	}
	if done != nil && !slices.Contains(q.Again, h.Name) {
		return tell(control.PrepareEvent{Step: h.Name, State: control.PrepareKnown, Preparation: done})
	}
	if err := tell(control.PrepareEvent{Step: h.Name, State: control.PrepareBegun}); err != nil {
		return err
	}
	done, err = s.doStep(ctx, h, release, q.Who, func(line string) {
		_ = tell(control.PrepareEvent{Step: h.Name, State: control.PrepareRuns, Line: line}) // who has gone has called it off
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		text := fmt.Sprintf("step %s: %v", h.Name, err)
		s.notify(deploy.Notice{On: deploy.OnFailed, Text: "prepare: " + shortReason(text), Who: q.Who, Why: q.Why}, release)
		if err := tell(control.PrepareEvent{Step: h.Name, State: control.PrepareFailed, Error: text}); err != nil {
			return err
		}
		return errStepFailed
	}
	return tell(control.PrepareEvent{Step: h.Name, State: control.PrepareDone, Preparation: done})
}

// prepareFor does a step as the first stage of a rollout, unless it was done
// before, waiting for whoever prepares at the moment.
func (s *service) prepareFor(ctx context.Context, r deploy.Rollout, h deploy.Hook, told func(note string)) error {
	for {
		done, err := s.prepared(ctx, h)
		if err != nil {
			return err
		}
		if done != nil {
			told(fmt.Sprintf("%s was done by release %d, by %s", h.Name, done.Release, done.Who))
			return nil
		}
		other := s.startPreparing(&control.Preparing{Who: r.Who, Began: time.Now()})
		if other == nil {
			break
		}
		told(fmt.Sprintf("waiting for `segue prepare` of %s, step %s", other.Who, other.Step))
		if err := wait(ctx, tailEvery); err != nil {
			return err
		}
	}
	defer s.endPreparing()
	told("step " + h.Name + " runs")
	_, err := s.doStep(ctx, h, r.To, r.Who, s.said(r, h))
	return err
}

// doStep runs a step, and writes down that it was done.
func (s *service) doStep(ctx context.Context, h deploy.Hook, release int, who string, told func(line string)) (*deploy.Preparation, error) {
	s.nowPreparing(release, h.Name)
	p := deploy.Preparation{Service: s.name, Name: h.Name, Digest: h.Digest(), Release: release, Who: who, Began: time.Now()}
	key := fmt.Sprintf("prepare-%d-%s", release, h.Name)
	if err := s.runTask(ctx, task{key: key, log: key, hook: h, release: release,
		vars: deploy.Environment{"SEGUE_HOOK": h.Name, "SEGUE_FROM": fmt.Sprint(s.now().Release)}}, told); err != nil {
		return nil, err
	}
	p.Ended = time.Now()
	if err := s.a.journal.Prepared(context.WithoutCancel(ctx), p); err != nil {
		return nil, errors.Join(errors.New("it was done, and that could not be written down"), err)
	}
	return &p, nil
}

// prepared finds out when a step was done; nil: never.
func (s *service) prepared(ctx context.Context, h deploy.Hook) (*deploy.Preparation, error) {
	all, err := s.a.journal.Preparations(ctx, s.name)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.Name == h.Name && p.Digest == h.Digest() {
			return &p, nil
		}
	}
	return nil, nil
}

// startPreparing notes who prepares the service, or returns who does already.
func (s *service) startPreparing(p *control.Preparing) (other *control.Preparing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.preparing != nil {
		q := *s.preparing
		return &q
	}
	s.preparing = p
	return nil
}

func (s *service) nowPreparing(release int, step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.preparing.Release, s.preparing.Step = release, step
}

func (s *service) endPreparing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.preparing = nil
}

// whoPrepares tells of who prepares the service, nil for nobody.
func (s *service) whoPrepares() *control.Preparing {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.preparing == nil {
		return nil
	}
	p := *s.preparing
	return &p
}

// Preparations implements control.Agent.
func (a *Agent) Preparations(ctx context.Context, service string) ([]deploy.Preparation, error) {
	all, err := a.journal.Preparations(ctx, service)
	return append([]deploy.Preparation{}, all...), err
}

// unprepared lists the steps that a deploy would do first.
func (a *Agent) unprepared(ctx context.Context, spec deploy.Service) ([]deploy.Hook, error) {
	all, err := a.journal.Preparations(ctx, spec.Name)
	if err != nil {
		return nil, err
	}
	var out []deploy.Hook
	for _, h := range spec.Prepare {
		if !slices.ContainsFunc(all, func(p deploy.Preparation) bool { return p.Name == h.Name && p.Digest == h.Digest() }) {
			out = append(out, h)
		}
	}
	return out, nil
}
