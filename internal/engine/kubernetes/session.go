package kubernetes

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/rollout"
)

// A session is a command's time with a service, whose Lease it holds.
type session struct {
	c        *Cluster
	records  records
	service  string
	who, why string
	dir      string
	segue    string // image that runs migrations; "" that of the release
	drill    Drill
	show     func(Event)

	last, open *Record   // the rollout that ended last, and the one that has not; nil: none
	past       []Record  // all rollouts that are kept, the newest first
	releases   []Release // likewise
}

// change holds the service while do works on it.
func (c *Cluster) change(ctx context.Context, s session, wait bool, do func(context.Context, *session) (*Record, error)) (deploy.Rollout, error) {
	s.c, s.records = c, records{c, s.service}
	if s.show == nil {
		s.show = func(Event) {}
	}
	ctx, held, err := c.hold(ctx, s.service, fmt.Sprintf("%s (%d)", s.who, os.Getpid()), wait, func(text string) {
		s.show(Event{At: time.Now(), Kind: EventNote, Service: s.service, Text: text})
	})
	if err != nil {
		return deploy.Rollout{}, err
	}
	defer held.end(ctx)
	if err := s.read(ctx); err != nil {
		return deploy.Rollout{}, err
	}
	rec, err := do(ctx, &s)
	if rec == nil {
		return deploy.Rollout{}, err
	}
	return rec.Rollout, err
}

// read finds out where the service stands.
func (s *session) read(ctx context.Context) (err error) {
	if s.past, err = s.records.rollouts(ctx); err != nil {
		return err
	}
	s.last, s.open = standing(s.past)
	s.releases, err = s.records.releases(ctx)
	return err
}

func (s *session) release(number int) *Release {
	n := slices.IndexFunc(s.releases, func(r Release) bool { return r.Number == number })
	if n < 0 {
		return nil
	}
	return &s.releases[n]
}

// record is the one of a rollout that is about to begin.
func (s *session) record(r deploy.Rollout, shaped func(*Record)) *Record {
	now := s.last.serves()
	r.ID, r.Service, r.Phase, r.Began = 1, s.service, deploy.Forward, time.Now()
	if s.last != nil {
		r.ID = s.last.ID + 1
	}
	r.Who, r.Why = s.who, s.why
	r.From, r.Before = now.release, now.replicas
	r.FromGen, r.ToGen = r.ID-1, r.ID
	rec := &Record{Rollout: r, Old: now.deployment, WasBefore: now.restarted, New: now.deployment, Segue: s.segue}
	if s.last != nil {
		rec.Contracted, rec.Closed = s.last.Contracted, s.last.Closed
	}
	if r.Kind == deploy.KindContract {
		rec.Closed = union(rec.Closed, r.Brings)
	}
	if r.To == r.From {
		rec.Restarted = now.restarted
	}
	if rec.New == "" {
		rec.New = s.service
	}
	if shaped != nil {
		shaped(rec)
	}
	return rec
}

// begin writes a rollout down, and takes it to its end.
func (s *session) begin(ctx context.Context, r deploy.Rollout, shaped func(*Record)) (*Record, error) {
	rec := s.record(r, shaped)
	if err := s.records.create(ctx, kindRollout, rec.ID, rec); err != nil {
		return nil, fmt.Errorf("nothing was changed: %w", err)
	}
	return s.run(ctx, rec, true)
}

// run works on a rollout until it has ended.
func (s *session) run(ctx context.Context, rec *Record, begun bool) (*Record, error) {
	st, err := s.story(ctx, rec)
	if err != nil {
		return rec, err
	}
	defer st.view.Close()
	if begun {
		st.tellStep(deploy.StepBegin, "")
	} else {
		st.note("going on with rollout %d of %s, in the stage %q", rec.ID, rec.Who, st.stages[rec.Stage].String())
	}
	stop := st.narrate(ctx)
	defer stop()
	if err := st.run(ctx); err != nil {
		return rec, st.left(because(ctx, err))
	}
	return rec, nil
}

// story is what it takes to work on a rollout.
func (s *session) story(ctx context.Context, rec *Record) (*story, error) {
	st := &story{c: s.c, records: s.records, rec: rec, drill: s.drill, dir: s.dir, show: s.show, unwell: map[string]string{}}
	for _, side := range []struct {
		to     **Release
		number int
	}{{&st.old, rec.From}, {&st.new, rec.To}} {
		if *side.to = s.release(side.number); *side.to == nil && side.number != 0 {
			return nil, fmt.Errorf("release %d of %s is not kept any more; `segue releases` lists those that are", side.number, s.service)
		}
	}
	if st.new != nil {
		st.spec = &st.new.Spec
	} else {
		st.spec = &st.old.Spec
	}
	st.stages = stagesOf(st.spec, rec)
	if rec.Stage >= len(st.stages) {
		return nil, fmt.Errorf("stage %d of %d: this segue plans rollout %d in another way than the one that began it", rec.Stage, len(st.stages), rec.ID)
	}
	st.way = s.wayOf(st)
	st.at.Store(int64(rec.Stage))
	var err error
	st.view, err = s.c.Look(ctx, s.service)
	return st, err
}

// stagesOf lists the stages of a rollout, as on one machine. Where requests are
// divided by the number of pods, it is that which makes the share.
func stagesOf(spec *deploy.Service, rec *Record) []rollout.Stage {
	bare := *spec
	bare.Skew = nil // no proxy of ours keeps pages with their release there
	stages := rollout.Plan(&bare, rec.Rollout)
	for n := range stages {
		if stages[n].Name == "" {
			stages[n].Name = string(rec.Kind)
		}
	}
	if isBeside(spec, rec) && !routed(spec) {
		byPods(stages, rec)
	}
	return stages
}

// byPods gives each stage of a canary as many pods as make its share beside all
// the old ones, which is half at most: there are never more than Replicas.
func byPods(stages []rollout.Stage, rec *Record) {
	for n := len(stages) - 1; n >= 0; n-- {
		st := &stages[n]
		switch {
		case !st.Split || st.New == 0:
		case n > 0 && n+1 < len(stages) && st.New > stages[n-1].New && st.Share == stages[n-1].Share && st.Brings():
			st.New = stages[n+1].New // it brings what the next one needs
		case n == 0 && st.Brings():
			st.New = stages[n+1].New
		case st.Share > 0 && st.Share < 100:
			st.New = min(max(1, (st.Share*st.Old+50)/(100-st.Share)), rec.Replicas)
		}
	}
}

// share is which part of the requests a stage gives the new release by its number
// of pods, in per cent.
func share(st *rollout.Stage) int {
	if st.Share == 0 || st.Share == 100 {
		return st.Share
	}
	return (100*st.New + (st.New+st.Old)/2) / (st.New + st.Old)
}

func isBeside(spec *deploy.Service, rec *Record) bool {
	return rec.Tries() && rec.From != 0 && spec.Strategy.Beside()
}

// routed reports whether requests are divided by an HTTPRoute.
func routed(spec *deploy.Service) bool {
	if spec.Kubernetes == nil || spec.Kubernetes.Front.Gateway == "" {
		return false
	}
	preview := spec.Strategy.Preview
	return spec.Strategy.Type == deploy.Canary || preview != nil && preview.Match != nil
}

// previewed reports whether the preview has a Service of its own.
func previewed(spec *deploy.Service) bool {
	return spec.Strategy.Preview != nil && spec.Strategy.Preview.Listen != ""
}

// wayOf chooses how the rollout's stages are done.
func (s *session) wayOf(st *story) way {
	switch {
	case st.rec.Kind == deploy.KindDown:
		return down{st}
	case st.rec.Kind == deploy.KindContract:
		return contract{st, s}
	case isBeside(st.spec, st.rec) && routed(st.spec):
		return beside{st, byRoute{st}}
	case isBeside(st.spec, st.rec):
		return beside{st, bySelector{st}}
	case !st.spec.Strategy.Overlap && st.rec.To != st.rec.From && st.rec.From != 0:
		return recreate{st}
	}
	return rolling{st}
}

// finish takes a rollout that was left and brings no release that is not known to
// be good, or that goes back already, to its end.
func (s *session) finish(ctx context.Context) error {
	if s.open == nil || s.open.Phase == deploy.Forward && s.open.Tries() {
		return nil
	}
	if _, err := s.run(ctx, s.open, false); err != nil {
		return err
	}
	return s.read(ctx)
}

// free makes sure that no rollout is open.
func (s *session) free(ctx context.Context) error {
	if err := s.finish(ctx); err != nil || s.open == nil {
		return err
	}
	return fmt.Errorf("rollout %d of %s to release %d was left by %s and is still open; `segue rollback %s` undoes it, `segue deploy` of its files goes on with it",
		s.open.ID, s.service, s.open.To, s.open.Who, s.service)
}

// up fails for a service that is down.
func (s *session) up() (serving, error) {
	now := s.last.serves()
	if now.release == 0 {
		return now, fmt.Errorf("%s is down; `segue deploy` brings it up", s.service)
	}
	return now, nil
}
