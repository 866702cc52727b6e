package agent

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/internal/rollout"
)

// canaryCookie is how a client is known that stays with the release it got.
const canaryCookie = "segue-canary"

// stagesNow returns the rollout under way, nil for none, and its stages, of which
// it is in r.Stage. s.mu is held.
func (s *service) stagesNow() (r *deploy.Rollout, stages []rollout.Stage) {
	if s.rollout == nil || s.releases[s.rollout.To] == nil {
		return nil, nil
	}
	stages = rollout.Plan(&s.releases[s.rollout.To].Spec, *s.rollout)
	if s.rollout.Stage >= len(stages) {
		return nil, nil
	}
	return s.rollout, stages
}

// divide fills in how requests are divided between the releases of a rollout
// under way. One that goes back gives all to the old release at once, unless
// that one has begun to leave: what is left of it could not bear them.
func (s *service) divide(p *proxy.Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, stages := s.stagesNow()
	if r == nil || !r.Tries() || r.From == 0 {
		return
	}
	strategy, stage := &s.releases[r.To].Spec.Strategy, &stages[r.Stage]
	from, to := strconv.Itoa(r.From), strconv.Itoa(r.To)
	if r.Phase == deploy.Backward {
		if strategy.Beside() && stage.Old > 0 && stage.Old == r.Before {
			p.Split = &proxy.Split{Shares: []proxy.Share{{Release: from, Weight: 100}, {Release: to}}}
		}
		return
	}
	if !stage.Split {
		return
	}
	if stage.Mirror > 0 {
		mirrorTo(p, to, stage.Mirror)
		return
	}
	p.Split = &proxy.Split{Shares: []proxy.Share{{Release: from, Weight: 100 - stage.Share}, {Release: to, Weight: stage.Share}},
		Matches: ways(strategy, stage, to)}
	if stage.Share > 0 && stage.Share < 100 {
		stick(p.Split, strategy.Stick)
	}
}

func stick(p *proxy.Split, by deploy.Stick) {
	switch by {
	case deploy.StickCookie:
		p.Cookie = canaryCookie
	case deploy.StickAddress:
		p.Address = true
	}
}

// ways lists the requests that go to the new release whatever its share.
func ways(strategy *deploy.Strategy, stage *rollout.Stage, to string) []proxy.SplitMatch {
	var out []proxy.SplitMatch
	add := func(m *deploy.Match, only bool) {
		if m != nil {
			out = append(out, proxy.SplitMatch{Release: to, Header: m.Header, Cookie: m.Cookie, Value: m.Value, Only: only})
		}
	}
	if p := strategy.Preview; stage.Preview && p != nil {
		add(p.Match, true)
		if p.Listen != "" {
			out = append(out, proxy.SplitMatch{Release: to, Listen: p.Listen, Only: true})
		}
	}
	add(stage.Match, false)
	return out
}

// mirrorTo takes a release's instances out of those that answer, and gives them
// copies.
func mirrorTo(p *proxy.Service, release string, percent int) {
	m := proxy.Mirror{Percent: percent}
	var rest []proxy.Instance
	for _, i := range p.Instances {
		if i.Release == release {
			m.Instances = append(m.Instances, i)
		} else {
			rest = append(rest, i)
		}
	}
	p.Instances, p.Mirror = rest, &m
}

// staged takes in that a stage's routes are in force.
func (s *service) staged(stage int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entered = stage
	s.stageNote = ""
	close(s.stageChanged)
	s.stageChanged = make(chan struct{})
}

// waitsFor notes what a stage waits for.
func (s *service) waitsFor(note string) {
	s.mu.Lock()
	changed := s.stageNote != note
	s.stageNote = note
	id := s.rolloutID()
	s.mu.Unlock()
	if changed {
		s.a.events.pass(control.Event{At: time.Now(), Rollout: id, Progress: note})
	}
}

// stageStatus tells of the stage that a rollout is in.
func (s *service) stageStatus() *control.Stage {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, stages := s.stagesNow()
	if r == nil || r.Phase != deploy.Forward {
		return nil
	}
	stage := &stages[r.Stage]
	if stage.Name == "" {
		return nil
	}
	return &control.Stage{Number: r.Stage, Of: len(stages), Name: stage.Name, Since: r.StageAt,
		Share: stage.Share, Split: stage.Split, Manual: stage.Manual && r.Promoted <= r.Stage, Waiting: s.stageNote}
}

// Promote implements control.Agent. It returns when what was promoted is in force
// (stages that only start instances on the way there are waited for), or the
// rollout goes forward no more.
func (a *Agent) Promote(ctx context.Context, q control.PromoteRequest) (control.Promoted, error) {
	s, err := a.known(q.Service)
	if err != nil {
		return control.Promoted{}, err
	}
	word, aim, from, err := s.word(q)
	if err != nil {
		return control.Promoted{}, err
	}
	select {
	case s.promote <- word:
	default: // somebody else has just said the same
	}
	for {
		s.mu.Lock()
		r, entered, changed, settled := s.rollout, s.entered, s.stageChanged, s.settled
		s.mu.Unlock()
		over := r == nil || r.ID != from.ID || r.Phase != deploy.Forward
		if over || entered >= aim {
			return control.Promoted{Rollout: from, Stage: s.stageStatus(), Over: over}, nil
		}
		select {
		case <-ctx.Done():
			return control.Promoted{}, context.Cause(ctx)
		case <-changed:
		case <-settled:
		}
	}
}

// word is what is said to the rollout under way: that the stage in which it
// waits is passed, or all of them up to the last.
func (s *service) word(q control.PromoteRequest) (w rollout.Word, aim int, from deploy.Rollout, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, stages := s.stagesNow()
	switch {
	case r == nil:
		return w, 0, from, control.Errorf(control.CodeNone, "no rollout of %s is under way, so there is nothing to promote", s.name)
	case r.Phase != deploy.Forward:
		return w, 0, *r, control.Errorf(control.CodeInvalid, "rollout %d is being undone: %s", r.ID, r.Reason)
	}
	stage := &stages[r.Stage]
	w = rollout.Word{Below: r.Stage + 1, Note: fmt.Sprintf("%s, by %s", stage.Name, q.Who)}
	if q.Why != "" {
		w.Note += ": " + q.Why
	}
	if q.Full {
		w.Below = len(stages) - 1
		w.Note += ", and all that follows"
	}
	if !q.Full && !stage.Waits() {
		return w, 0, *r, control.Errorf(control.CodeInvalid, "rollout %d is at work (%s) and waits for nothing; try again, or promote it through all stages with --full", r.ID, cmp.Or(stage.Name, "all instances"))
	}
	aim = w.Below
	for aim < len(stages)-1 && stages[aim].Brings() {
		aim++
	}
	return w, aim, *r, nil
}
