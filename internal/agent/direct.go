package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/process"
)

// This file is about services without a proxy (via: socket). Their instances
// inherit the listening sockets, and the kernel hands them connections: there
// are no routes to change. The proxy holds copies of the sockets all the same,
// so that they outlive agent and instances; it accepts on none that its table
// does not name.
//
// A rollout may lead from one way to the other. On the way to the proxy, it
// accepts beside the old instances as soon as one of its own serves. On the way
// from it, it must stop accepting and say goodbye to the connections that it
// has, while its instances are still there to answer on them. That is what a
// proxy does that is replaced; so it is replaced, by one that does not accept
// for this service.

// inherited is what an instance of a release inherits, in the order of listen,
// and which of it is its own alone.
func (s *service) inherited(rel *deploy.Release) (out []process.Socket, own []*os.File, err error) {
	switch {
	case !rel.Spec.Inherits():
		return nil, nil, nil
	case rel.Spec.Socket.PerInstance:
		own, err = s.members(rel.Spec.Listen)
		for _, f := range own {
			out = append(out, process.Socket{Name: s.name, File: f})
		}
		return out, own, err
	}
	open := s.a.sockets.pick(rel.Spec.Listen)
	for _, key := range rel.Spec.Listen {
		f := open[key]
		if f == nil {
			return nil, nil, fmt.Errorf("the listening socket of %s is not open", key)
		}
		out = append(out, process.Socket{Name: s.name, File: f})
	}
	return out, nil, nil
}

// aim is the release that the service is, or is on its way to.
func (s *service) aim() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r := s.rollout; {
	case r == nil:
		return s.current.Release
	case r.Phase == deploy.Backward:
		return r.From
	default:
		return r.To
	}
}

// proxied returns the settings of the proxy's part of the service and the
// addresses of that part; nil when the proxy has none.
func (s *service) proxied() (*deploy.Service, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listeningReleases((*deploy.Service).Proxied)
}

// direct tells whether the service is on its way from the proxy, and so far
// that the proxy is to accept no more.
func (s *service) direct() bool {
	if spec := s.spec(s.aim()); !spec.Inherits() {
		return false
	}
	here, there := s.countServing()
	return here > 0 || there == 0
}

// countServing counts the instances that serve on inherited sockets, and those
// behind the proxy.
func (s *service) countServing() (inherit, behind int) {
	for _, i := range s.fleet.List() {
		if i.State != deploy.Serving {
			continue
		}
		if spec := s.spec(i.Release); spec.Inherits() {
			inherit++
		} else {
			behind++
		}
	}
	return inherit, behind
}

// accepting tells whether a proxy is to accept for the service: beside instances
// that do so themselves only while it has some to send requests to. One that
// was replaced never accepts, and finds its way by the addresses all the same.
func (s *service) accepting(leaving bool) bool {
	if leaving {
		return true
	}
	if s.isHanded() {
		return false
	}
	mixed := slices.ContainsFunc(s.playing(), func(r deploy.Service) bool { return r.Inherits() })
	return !mixed || slices.ContainsFunc(s.fleet.List(), s.routed)
}

func (s *service) isHanded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handed
}

func (s *service) setHanded(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed = yes
}

// routed tells whether a proxy may send requests to an instance. One that is to
// stop since the kernel has taken over answers on what the proxy still has.
func (s *service) routed(i deploy.Instance) bool {
	if spec := s.spec(i.Release); !spec.Proxied() || s.fleet.Unfit(i.ID) != "" || s.isUnready(i.ID) {
		return false
	}
	return i.State == deploy.Serving || i.State == deploy.Draining && s.direct()
}

// sync makes the proxy's table what the fleet says, where the service has a
// part in it, and sees to it that the proxy lets go when it is time.
func (s *service) sync(ctx context.Context) error {
	if spec, _ := s.proxied(); spec == nil {
		return nil
	}
	if !s.direct() {
		s.setHanded(false)
		return s.a.proxy.apply(ctx)
	}
	if err := s.a.proxy.letGo(s); err != nil {
		return err
	}
	return s.a.proxy.apply(ctx)
}

// letGo replaces the proxy by one that does not accept for a service.
func (h *proxyHost) letGo(s *service) error {
	h.applying.Lock()
	defer h.applying.Unlock()
	if s.isHanded() {
		return nil
	}
	s.setHanded(true)
	err := h.replaceNow(h.a.living, h.a.o.Binary)
	if err != nil {
		s.setHanded(false)
	}
	return err
}

// farewell waits until the proxies that were replaced have said goodbye to
// their connections.
func (h *proxyHost) farewell(ctx context.Context, most time.Duration) error {
	h.mu.Lock()
	leaving := slices.Clone(h.leaving)
	h.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("the proxy still has connections after %s (drain.timeout); their next requests fail", most))
	defer cancel()
	for _, p := range leaving {
		select {
		case <-p.proc.Done():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// shares refuses a release on an address of another service when one of the two
// accepts there by itself.
func (a *Agent) shares(spec deploy.Service) error {
	for _, s := range a.all() {
		if s.name == spec.Name {
			continue
		}
		for _, other := range s.playing() {
			for _, key := range other.Listen {
				if slices.Contains(spec.Listen, key) && (spec.Inherits() || other.Inherits()) {
					return control.Errorf(control.CodeInvalid, "%s listens on %s too, and with via: socket nothing sorts the requests of two services; give one of the two another address", s.name, key)
				}
			}
		}
	}
	return nil
}

// playing returns the settings of the releases that may have instances.
func (s *service) playing() (out []deploy.Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.inPlay() {
		if r := s.releases[n]; r != nil {
			out = append(out, r.Spec)
		}
	}
	return out
}

// takeBack finds the listening sockets that only instances still have: agent
// and proxy have died, and what an instance holds cannot be opened anew.
func (a *Agent) takeBack(keys []string) (err error) {
	for _, s := range a.all() {
		for _, i := range s.fleet.List() {
			missing := a.sockets.missing(keys)
			x, spec := s.process(i.ID), s.spec(i.Release)
			if len(missing) == 0 || x == nil || !spec.Inherits() || spec.Socket.PerInstance {
				continue
			}
			found, more := x.Listeners()
			if more != nil {
				err = fmt.Errorf("the instances hold the sockets, and this kernel gives none back to us (kernel.yama.ptrace_scope?): %w; stop process %d and its like, and start the agent again", more, i.PID)
			}
			a.sockets.find(missing, found)
		}
	}
	return err
}
