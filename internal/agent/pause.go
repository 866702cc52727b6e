package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
)

// A pause is one that a service was or is in, as it is kept on disk: an agent
// that is killed or replaced meanwhile leaves it to the next one.
type pause struct {
	control.Pause
	Ended time.Time    `json:"ended,omitzero"`
	As    deploy.Phase `json:"as,omitempty"` // Resumed or RanOut
}

// pausesKept is how many of a service's pauses its history tells of.
const pausesKept = 50

// longestPause bounds what somebody may forget to resume.
const longestPause = 24 * time.Hour

func (s *service) pauseFile() string {
	return filepath.Join(s.a.o.State, "pauses", s.name+".json")
}

// loadPauses brings back the service's pauses; one whose time was over before
// this agent came has run out.
func (s *service) loadPauses() error {
	if err := readJSON(s.pauseFile(), &s.pauses); err != nil {
		return fmt.Errorf("pauses %s: %w; remove the file to resume the service and forget its pauses", s.pauseFile(), err)
	}
	if p := s.paused(); p != nil {
		s.a.tasks.Go(func() { s.awaitPause(p.Until) })
	}
	return nil
}

// paused returns the pause that the service is in, nil for none.
func (s *service) paused() *control.Pause {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.pauses); n > 0 && s.pauses[n-1].Ended.IsZero() {
		p := s.pauses[n-1].Pause
		return &p
	}
	return nil
}

// Pause implements control.Agent. A service that is paused already gets the new
// end and bound.
func (a *Agent) Pause(ctx context.Context, q control.PauseRequest) (control.Paused, error) {
	s, err := a.known(q.Service)
	if err != nil {
		return control.Paused{}, err
	}
	if err := s.mayPause(q); err != nil {
		return control.Paused{}, err
	}
	now := time.Now()
	p := control.Pause{Began: now, Until: now.Add(q.For), Max: q.Max, Who: q.Who, Why: q.Why}
	if old := s.paused(); old != nil {
		p.Began = old.Began
		if p.Why == "" {
			p.Why = old.Why
		}
	}
	if err := s.keepPause(pause{Pause: p}); err != nil {
		return control.Paused{}, fmt.Errorf("nothing was changed: %w", err)
	}
	a.tasks.Go(func() { s.awaitPause(p.Until) })
	s.log.Info("paused", "until", p.Until, "max", p.Max, "who", p.Who, "why", p.Why)
	if err := a.proxy.apply(ctx); err != nil {
		return control.Paused{}, err
	}
	left, err := s.stillness(ctx, p.Until, q.Wait)
	return control.Paused{Pause: p, InFlight: left}, err
}

func (s *service) mayPause(q control.PauseRequest) error {
	spec, _ := s.routing()
	switch {
	case spec == nil:
		return control.Errorf(control.CodeInvalid, "%s takes no requests (it is a worker, or down), so there is nothing to pause", s.name)
	case spec.Inherits():
		return control.Errorf(control.CodeInvalid, "%s accepts its connections by itself (via: socket), so nobody can park its requests", s.name)
	case q.For <= 0 || q.For > longestPause:
		return control.Errorf(control.CodeInvalid, "a pause of %s cannot be; it lasts up to %s", q.For, longestPause)
	case q.Max < 0:
		return control.Errorf(control.CodeInvalid, "%d requests cannot be parked; 0 is as many as proxy.hold.max says", q.Max)
	}
	return nil
}

// Resume implements control.Agent.
func (a *Agent) Resume(ctx context.Context, q control.Request) (control.Resumed, error) {
	s, err := a.known(q.Service)
	if err != nil {
		return control.Resumed{}, err
	}
	p := s.paused()
	if p == nil {
		return control.Resumed{Nothing: true}, nil
	}
	parked, _ := a.proxy.load(ctx, s.name) // for people; one that does not answer parks nobody
	return control.Resumed{Pause: *p, Parked: parked.held}, s.endPause(ctx, *p, deploy.Resumed)
}

// keepPause writes down a pause, as a new one or in place of the one it changes.
func (s *service) keepPause(p pause) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.pauses)
	if n := len(all); n > 0 && all[n-1].Began.Equal(p.Began) {
		all[n-1] = p
	} else {
		all = append(all, p)
	}
	all = all[max(0, len(all)-pausesKept):]
	if err := writeJSON(s.pauseFile(), all); err != nil {
		return err
	}
	s.pauses = all
	return nil
}

// endPause ends p, unless it has been ended or changed meanwhile.
func (s *service) endPause(ctx context.Context, p control.Pause, as deploy.Phase) error {
	now := s.paused()
	if now == nil || !now.Until.Equal(p.Until) {
		return nil
	}
	ended := time.Now()
	if as == deploy.RanOut {
		ended = p.Until // which may be some time ago, for an agent that has just come
	}
	if err := s.keepPause(pause{Pause: p, Ended: ended, As: as}); err != nil {
		return err
	}
	s.log.Info("pause is over", "as", as)
	return s.a.proxy.apply(ctx)
}

// awaitPause ends the pause at its time. The proxy ends it by itself; here it
// is written down.
func (s *service) awaitPause(until time.Time) {
	ctx := s.a.living
	if wait(ctx, time.Until(until)) != nil {
		return
	}
	p := s.paused()
	if p == nil || !p.Until.Equal(until) {
		return
	}
	if err := s.endPause(ctx, *p, deploy.RanOut); err != nil && ctx.Err() == nil {
		s.log.Warn("write down the end of a pause", "error", err)
	}
}

// stillness tells how many requests are in flight to a paused service; with
// patience it waits until there is none, or the pause is over.
func (s *service) stillness(ctx context.Context, until time.Time, patience bool) (int, error) {
	for {
		l, err := s.a.proxy.load(ctx, s.name)
		if err == nil && (l.inflight == 0 || !patience) {
			return l.inflight, nil
		}
		if !patience || time.Now().After(until) {
			return l.inflight, err
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return l.inflight, err
		}
	}
}

// load is what the proxies do for a service at a moment.
type load struct {
	inflight int
	held     int64
	writes   int64 // of those in flight
}

// load asks every proxy, those that leave included.
func (h *proxyHost) load(ctx context.Context, service string) (load, error) {
	var sum load
	add := func(p *proxyProc) error {
		st, err := p.client.Status(ctx)
		for _, x := range st.Services {
			if x.Name != service {
				continue
			}
			sum.held += x.Held
			sum.writes += x.Writes
			for _, i := range x.Instances {
				sum.inflight += i.InFlight
			}
		}
		return err
	}
	var err error
	if p := h.now(); p != nil {
		err = add(p)
	}
	return sum, errors.Join(err, h.withLeaving(ctx, add))
}

// routedPause gives the pause as the proxy wants it.
func (s *service) routedPause() *proxy.Pause {
	p := s.paused()
	if p == nil {
		return nil
	}
	return &proxy.Pause{Until: p.Until, Max: p.Max}
}

// pastPauses tells of the service's pauses as the history does.
func (s *service) pastPauses() []deploy.Rollout {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []deploy.Rollout
	for _, p := range s.pauses {
		r := deploy.Rollout{Service: s.name, Kind: deploy.KindPause, Phase: deploy.Paused, Who: p.Who, Why: p.Why, Began: p.Began, Ended: p.Ended}
		if !p.Ended.IsZero() {
			r.Phase = p.As
		}
		out = append(out, r)
	}
	return out
}
