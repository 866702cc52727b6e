package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/probe"
	"github.com/seguehq/segue/internal/rollout"
)

// await waits for what a stage waits for beside its pods: its time, its checks,
// somebody's word. Meanwhile a pod of the new release that crashes condemns it.
func (s *story) await(ctx context.Context, st *rollout.Stage, promoted <-chan word) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel(nil)
	watch := func(what func(context.Context) error) {
		tasks.Go(func() {
			if err := what(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	watch(s.crashes(s.view.Now()))
	content := make(chan string, 1+len(s.spec.Strategy.Checks))
	waiting := 0
	if st.Judge {
		for _, c := range s.spec.Strategy.Checks {
			waiting++
			watch(func(ctx context.Context) error { return s.ask(ctx, c, content) })
		}
	}
	over := time.NewTimer(time.Until(s.rec.StageAt.Add(st.For)))
	defer over.Stop()
	if st.For > 0 {
		s.note("%s, until %s", st.Name, s.rec.StageAt.Add(st.For).Local().Format(time.TimeOnly))
	}
	lasted := false
	for {
		if lasted && waiting == 0 {
			if !st.Manual {
				return because(ctx, nil)
			}
			s.note("waiting for `segue promote`")
			waiting = -1
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-over.C:
			lasted = true
		case <-content:
			waiting--
		case w := <-promoted:
			if w.Promote > s.rec.Stage {
				return s.promote(ctx, w)
			}
		}
	}
}

// promote writes that somebody's word stands for what a stage still waits for.
func (s *story) promote(ctx context.Context, w word) error {
	s.rec.Promoted = w.Promote
	return s.write(ctx, deploy.StepPromote, w.Note)
}

// ask asks a check until ctx ends; it says so when the answer was yes for the
// first time, and its error is the one that condemns the release.
func (s *story) ask(ctx context.Context, c deploy.Check, content chan<- string) error {
	target, err := s.outside(ctx)
	if err != nil {
		return err
	}
	for failures, yes := 0, false; ; {
		next := time.Now().Add(c.Every)
		err := probe.AskCheck(ctx, c, target)
		switch {
		case ctx.Err() != nil:
			return nil // the answer may be about our own end
		case err == nil && !yes:
			yes, failures = true, 0
			content <- c.Name
		case err == nil:
			failures = 0
		case !errors.Is(err, probe.ErrNoNumber):
			failures++
			s.note("check %s: %v", c.Name, err)
		}
		if failures >= max(c.Failures, 1) {
			return condemn("check %s: no, %d in a row\n    %w", c.Name, failures, err)
		}
		if pause(ctx, time.Until(next)) != nil {
			return nil
		}
	}
}

// outside is where checks are asked from: this machine, with the new release's
// environment.
func (s *story) outside(ctx context.Context) (probe.Target, error) {
	env, err := s.c.environment(ctx, s.new)
	if err != nil {
		return probe.Target{}, err
	}
	maps.Copy(env, deploy.Environment{
		"SEGUE_SERVICE": s.rec.Service, "SEGUE_RELEASE": strconv.Itoa(s.rec.To),
		"SEGUE_FROM": strconv.Itoa(s.rec.From), "SEGUE_ROLLOUT": strconv.FormatInt(s.rec.ID, 10),
	})
	return probe.Target{Env: env, Dir: s.dir}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// crashes returns a watch for pods of the new release whose program ends by
// itself after this picture was taken.
func (s *story) crashes(before Picture) func(context.Context) error {
	restarts := map[string]int{}
	for _, p := range before.Pods {
		restarts[p.UID] = p.Restarts
	}
	return func(ctx context.Context) error {
		return s.view.Until(ctx, func(now Picture) (bool, error) {
			for _, p := range now.Pods {
				if s.isNew(p) && p.Restarts > restarts[p.UID] {
					return false, condemn("pod %s of %s has crashed%s", p.Name, s.new.name(), colon(p.Why))
				}
			}
			return false, nil
		})
	}
}

// isNew reports whether a pod is one that this rollout has brought.
func (s *story) isNew(p Pod) bool {
	return s.new != nil && p.Deployment == s.rec.New && p.Release == s.rec.To && p.Current
}

func colon(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// listen hears what others say to this rollout: it passes on who promotes, and
// ends the work when somebody wants it undone. The channel that it returns is
// closed when it has ended.
func (s *story) listen(ctx context.Context, promoted chan word, cancel context.CancelCauseFunc) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := s.records.words(ctx, s.rec.ID, func(w word) {
			if w.Back {
				cancel(condemn("%s", w.Note))
				return
			}
			select { // a later word stands for an earlier one
			case <-promoted:
			default:
			}
			promoted <- w
		})
		if err != nil && ctx.Err() == nil {
			s.warn("`segue promote` and `segue rollback` are not heard: %v", err)
		}
	}()
	return ended
}

// drillEvery is the time between looks at what a drill has lost.
const drillEvery = 200 * time.Millisecond

// startDrill begins the rollout's drill, and condemns the release when that
// loses more than is allowed. Stop ends it, and says what it has come to.
func (s *story) startDrill(ctx context.Context, cancel context.CancelCauseFunc) (stop func(error) error, err error) {
	if s.drill == nil || s.rec.From == 0 || s.rec.To == 0 { // nothing serves all the time
		return func(error) error { return nil }, nil
	}
	s.note("drill starts")
	if err := s.drill.Start(ctx); err != nil {
		return nil, fmt.Errorf("start the drill: %w", err)
	}
	watching, done := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s.drillLost() == nil && pause(watching, drillEvery) == nil {
			select {
			case <-s.drill.Done():
				return
			default:
			}
		}
		if err := s.drillLost(); err != nil {
			cancel(err)
		}
	}()
	return func(error) error {
		done()
		<-ended
		if err := s.drill.Stop(context.WithoutCancel(ctx)); err != nil {
			s.warn("end the drill: %v", err)
		}
		s.rec.Lost, s.rec.Drill = s.drill.Lost(), s.drill.Report()
		s.note("%s", strings.TrimSpace(s.rec.Drill))
		return s.drillLost()
	}, nil
}

// drillLost is the verdict on more lost requests than are allowed.
func (s *story) drillLost() error {
	if lost := s.drill.Lost(); lost > s.drill.Allowed() {
		return condemn("the drill has lost %d requests, %d are allowed\n%s", lost, s.drill.Allowed(), s.drill.Report())
	}
	return nil
}
