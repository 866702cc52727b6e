package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
)

// The steward of a service is the goroutine that sees its maintenance through:
// it waits for the writes in flight, has the instances replaced by those of the
// other mode, and ends maintenance at its time. It decides from what is written
// down, so that the next agent's goes on where this one's was cut off.

// tend has the steward look. It never waits.
func (s *service) tend() {
	select {
	case s.stewardBell <- struct{}{}:
	default:
	}
}

// steward works until ctx ends.
func (s *service) steward(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.tendMaintenance(ctx); err != nil && ctx.Err() == nil {
			s.trouble(err)
			if wait(ctx, time.Second) == nil {
				continue
			}
		}
		var end <-chan time.Time
		m := s.closing()
		if m != nil && !m.Until.IsZero() && !m.Opening {
			end = time.After(time.Until(m.Until))
		}
		select {
		case <-ctx.Done():
		case <-s.stewardBell:
		case <-end:
			if _, err := s.open(ctx, deploy.RanOut, "segue", "its time is over"); err != nil {
				s.trouble(err)
				_ = wait(ctx, time.Second)
			}
		}
	}
}

// tendMaintenance does what is to be done for the maintenance that the service is in,
// until there is nothing more, or it has failed.
func (s *service) tendMaintenance(ctx context.Context) error {
	quiet := false
	for ctx.Err() == nil {
		m := s.closing()
		if m == nil {
			return nil
		}
		c := s.now()
		have, err := s.modeOf(ctx, c.Gen)
		if err != nil {
			return err
		}
		want := s.wanted(m, c.Release)
		under := s.underWay()
		switch {
		case under != nil && (under.Kind == deploy.KindMode || under.Mode != want):
			err = s.awaitMode(ctx, *under, want)
		case m.Opening && (have == want || c.Release == 0):
			err = s.reopen(ctx, m)
		case !m.Opening && !quiet:
			quiet = true
			err = s.awaitQuiet(ctx, m)
		case have == want || c.Release == 0 || m.Failed != "":
			s.does("", -1, true)
			return nil
		default:
			err = s.beginMode(ctx, m, want)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// does notes what the steward is at, for people; left is how many requests in
// flight are waited for, below 0 as many as before.
func (s *service) does(what string, left int, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stewardDoes = what
	if left >= 0 {
		s.stewardLeft = left
	}
	if done && len(s.stewardBell) == 0 {
		s.tended = true
	}
	close(s.stewardNews)
	s.stewardNews = make(chan struct{})
}

// wanted is the mode that maintenance wants a release's instances to be in.
func (s *service) wanted(m *maintenance, release int) deploy.Mode {
	spec := s.spec(release)
	if m.Writes && !m.Opening && spec.ReadsApart() {
		return deploy.ReadOnly
	}
	return deploy.ReadWrite
}

// modeFor is the mode that a new rollout's instances are to be in; s.mu is held.
func (s *service) modeFor(release int) deploy.Mode {
	m, r := s.closingNow(), s.releases[release]
	if m != nil && m.Writes && !m.Opening && m.Failed == "" && r != nil && r.Spec.ReadsApart() {
		return deploy.ReadOnly
	}
	return deploy.ReadWrite
}

// modeOf is the mode that a generation's instances are in: that of the rollout
// which made it.
func (s *service) modeOf(ctx context.Context, gen int64) (deploy.Mode, error) {
	if gen == 0 {
		return deploy.ReadWrite, nil
	}
	r, err := s.a.journal.Rollout(ctx, gen)
	return r.Mode, err
}

// awaitQuiet waits until nothing that maintenance keeps out is in flight any
// more; that is asked to end as in a drain, whose time bounds the waiting.
func (s *service) awaitQuiet(ctx context.Context, m *maintenance) error {
	if err := s.a.proxy.apply(ctx); err != nil { // for an agent that died before it did
		return err
	}
	spec, _ := s.routing()
	if spec == nil {
		return nil
	}
	until := time.Now().Add(spec.DrainTime() + lastWords)
	for {
		l, err := s.a.proxy.load(ctx, s.name)
		left := l.inflight
		if m.Writes {
			left = int(l.writes)
		}
		if err == nil && left == 0 || time.Now().After(until) {
			s.does("", left, false)
			return nil
		}
		s.does("waiting for requests in flight", left, false)
		if now := s.closing(); now == nil || !now.Asked.Equal(m.Asked) {
			return nil
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// beginMode begins the rollout to instances of a mode.
func (s *service) beginMode(ctx context.Context, m *maintenance, want deploy.Mode) error {
	_, err := s.begin(ctx, true, func(c journal.Current) (deploy.Rollout, error) {
		now := s.closingNow()
		if now == nil || !now.Asked.Equal(m.Asked) || c.Release == 0 || s.rollout != nil {
			return deploy.Rollout{}, errNothing
		}
		return deploy.Rollout{Kind: deploy.KindMode, To: c.Release, Replicas: c.Replicas, Mode: want, Who: m.Who, Why: m.Why}, nil
	})
	return err
}

// awaitMode waits for the end of a rollout. If it was to bring what maintenance
// wants, and did not, maintenance has failed in that, and stays as it is.
func (s *service) awaitMode(ctx context.Context, r deploy.Rollout, want deploy.Mode) error {
	what := "waiting for rollout " + strconv.FormatInt(r.ID, 10)
	if r.Kind == deploy.KindMode {
		what = "starting the instances for writes"
		if r.Mode == deploy.ReadOnly {
			what = "starting the instances for reads"
		}
	}
	s.does(what, -1, false)
	if err := s.awaitEnd(ctx, r.ID); err != nil {
		return err
	}
	end, err := s.a.journal.Rollout(ctx, r.ID)
	if err != nil || r.Kind != deploy.KindMode || r.Mode != want || end.Phase != deploy.RolledBack {
		return err
	}
	failed := false
	err = s.changeClosing(func(m *maintenance) *maintenance {
		if m == nil || m.Asked.After(end.Began) {
			return nil // it is asked for something else by now
		}
		m.Failed, failed = end.Reason, true
		return m
	})
	if failed {
		text := "the instances for reads did not take over, and writes are refused: "
		if want == deploy.ReadWrite {
			text = "the instances for writes did not take over, and writes stay refused: "
		}
		s.a.notify(s.name, deploy.Notice{On: deploy.OnMaintenance, Text: text + firstLine(end.Reason), Who: r.Who, Why: r.Why})
	}
	return err
}

// awaitEnd returns when a rollout is not under way any more.
func (s *service) awaitEnd(ctx context.Context, id int64) error {
	for {
		s.mu.Lock()
		r, settled := s.rollout, s.settled
		s.mu.Unlock()
		if r == nil || r.ID != id {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-settled:
		}
	}
}

// reopen lets all requests through again.
func (s *service) reopen(ctx context.Context, was *maintenance) error {
	over, spec := false, s.spec(s.now().Release)
	err := s.changeClosing(func(m *maintenance) *maintenance {
		if m == nil || !m.Asked.Equal(was.Asked) {
			return nil
		}
		over = true
		m.Ended, m.Failed = time.Now(), ""
		if m.As == deploy.RanOut && !spec.ReadsApart() {
			m.Ended = m.Until // which may be some time ago, for an agent that has just come
		}
		return m
	})
	if err != nil || !over {
		return err
	}
	s.log.Info("maintenance is over", "as", was.As)
	s.a.notify(s.name, deploy.Notice{On: deploy.OnMaintenance, Text: fmt.Sprintf("maintenance is over (%s)", was.As), Who: was.Who, Why: was.Why})
	err = s.a.proxy.apply(ctx)
	s.does("", 0, true)
	return err
}

// overlayFile is where a release's maintenance.env is kept, as its environment is.
func (a *Agent) overlayFile(service string, release int) string {
	return filepath.Join(a.o.State, "env", service, strconv.Itoa(release)+".read-only.json")
}

// instanceEnv is the environment of an instance: that of its release, and in
// times of maintenance what stands beside it.
func (s *service) instanceEnv(ctx context.Context, i deploy.Instance) (deploy.Environment, error) {
	env, err := s.a.readEnv(s.name, i.Release)
	if err != nil {
		return nil, err
	}
	mode, err := s.modeOf(ctx, i.Gen)
	if err != nil || mode == deploy.ReadWrite {
		return env, err
	}
	var overlay deploy.Environment
	if err := readJSON(s.a.overlayFile(s.name, i.Release), &overlay); err != nil {
		return nil, errors.New("maintenance.env of release " + strconv.Itoa(i.Release) + ": its file cannot be read") // not what is in it
	}
	env = maps.Clone(env)
	maps.Copy(env, overlay)
	env["SEGUE_MODE"] = string(mode)
	return env, nil
}
