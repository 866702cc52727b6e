package agent

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/analysis"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/rollout"
)

// tellEvery is the time between words of how it goes, unless there is a new one.
const tellEvery = 2 * time.Second

// Watch implements rollout.Judge: it compares the two releases by what the
// proxies count, and asks the checks. What it measures begins with the call, so
// that a stage which an agent goes on with is measured anew: it waits for more.
func (s *service) Watch(ctx context.Context, r deploy.Rollout, stage rollout.Stage, told func(note string)) error {
	spec := s.spec(r.To)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{s: s, r: r, stage: stage, told: told, changed: make(chan struct{}, 1)}
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel(nil)
	run := func(judge func(context.Context) error) {
		tasks.Go(func() {
			if err := judge(ctx); err != nil {
				cancel(err)
			}
		})
	}
	for _, c := range spec.Strategy.Checks {
		k := &check{Check: c}
		w.checks = append(w.checks, k)
		run(func(ctx context.Context) error { return k.watch(ctx, s, r, w.turned) })
	}
	if a := spec.Strategy.Analysis; stage.Compare && a != nil {
		w.compare = s.comparison(r, stage, *a)
		run(func(ctx context.Context) error { return w.compare.watch(ctx, w.turned) })
	}
	return w.wait(ctx)
}

// A watch is a stage being judged.
type watch struct {
	s       *service
	r       deploy.Rollout
	stage   rollout.Stage
	told    func(string)
	checks  []*check
	compare *comparison   // nil: nothing is compared
	changed chan struct{} // has one when there is something to look at

	said   string // what was told last, and when
	saidAt time.Time
}

// turned has the watch look at what is missing.
func (w *watch) turned() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// wait returns nil when the stage may be passed. One that also waits for
// somebody's word is watched on until that comes.
func (w *watch) wait(ctx context.Context) error {
	over := time.NewTimer(time.Until(w.r.StageAt.Add(w.stage.For)))
	defer over.Stop()
	lasted := false
	for {
		if w.look(lasted) && !w.stage.Manual {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-over.C:
			lasted = true
		case <-w.changed:
		}
	}
}

// look reports whether nothing is missing but somebody's word, and tells what is.
func (w *watch) look(lasted bool) bool {
	var notes []string
	ready := lasted
	if c := w.compare; c != nil {
		state, summary := c.now()
		notes = append(notes, "analysis: "+summary)
		// Of a first release there is nothing that more requests could be
		// compared with.
		ready = ready && (state == analysis.NotWorse || w.r.From == 0)
	}
	for _, k := range w.checks {
		if note := k.missing(); note != "" {
			notes = append(notes, note)
			ready = false
		}
	}
	if !lasted {
		notes = append(notes, "until "+w.r.StageAt.Add(w.stage.For).Local().Format(time.TimeOnly))
	}
	if ready && w.stage.Manual {
		notes = append(notes, "waiting for `segue promote`")
	}
	w.tell(strings.Join(notes, "; "), ready)
	return ready
}

// tell tells what is new, and numbers only now and then.
func (w *watch) tell(note string, atOnce bool) {
	if note == w.said || (!atOnce && time.Since(w.saidAt) < tellEvery) {
		return
	}
	w.said, w.saidAt = note, time.Now()
	w.told(note)
}
