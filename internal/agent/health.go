package agent

import (
	"context"
	"fmt"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/probe"
)

// watchHealth asks the liveness and readiness probes of a serving instance for
// as long as it serves. One that is not alive is given up; one that is not
// ready gets no requests until it is again.
func (s *service) watchHealth(id string) {
	i, ok := s.fleet.Get(id)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(s.a.living)
	s.mu.Lock()
	if s.health[i.ID] != nil {
		s.mu.Unlock()
		cancel()
		return
	}
	s.health[i.ID] = cancel
	s.mu.Unlock()
	probes := s.spec(i.Release).Probes
	if p := probes.Liveness; p != nil {
		s.a.tasks.Go(func() {
			probe.Watch(ctx, *p, s.target(i), func(ok bool, err error) {
				if !ok {
					s.fleet.Report(i.ID, fmt.Sprintf("liveness: %v%s", err, s.lastLines(i.ID)))
				}
			})
		})
	}
	if p := probes.Readiness; p != nil && i.Port != 0 {
		s.a.tasks.Go(func() {
			probe.Watch(ctx, *p, s.target(i), func(ok bool, err error) { s.setReady(ctx, i, ok, err) })
		})
	}
}

func (s *service) unwatchHealth(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.health[id]; cancel != nil {
		cancel()
		delete(s.health, id)
	}
}

func (s *service) isUnready(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unready[id]
}

func (s *service) setReady(ctx context.Context, i deploy.Instance, ok bool, err error) {
	s.mu.Lock()
	was := !s.unready[i.ID]
	if ok {
		delete(s.unready, i.ID)
	} else {
		s.unready[i.ID] = true
	}
	s.mu.Unlock()
	if was == ok {
		return
	}
	if ok {
		s.log.Info("instance is ready again", "instance", i.ID)
	} else {
		s.log.Warn("instance is not ready; it gets no requests until it is", "instance", i.ID, "error", err)
	}
	if err := s.a.proxy.apply(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("tell the proxy", "error", err)
	}
}
