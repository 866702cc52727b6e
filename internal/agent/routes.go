package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
)

// table is the proxy's routing table as the fleets are now; leaving is for one
// that was replaced.
func (h *proxyHost) table(leaving bool) proxy.Config {
	h.mu.Lock()
	h.version++
	c := proxy.Config{Version: h.version, Tickets: h.a.ticketFile(), ACMEStorage: filepath.Join(h.a.o.State, "acme")}
	h.mu.Unlock()
	if h.a.accessLog() {
		c.AccessLog = filepath.Join(h.a.o.State, "logs", "access.log")
	}
	for _, s := range h.a.all() {
		if p, ok := s.routes(leaving); ok {
			c.Services = append(c.Services, p)
		}
		if p, ok := s.flagRoutes(); ok {
			c.Services = append(c.Services, p)
		}
	}
	return c
}

// routes is the service's part of the table. While a rollout is under way the
// old release's settings hold, and both releases' addresses are listened on;
// the new settings come with its end.
func (s *service) routes(leaving bool) (proxy.Service, bool) {
	spec, listen := s.proxied()
	if spec == nil || !s.accepting(leaving) {
		return proxy.Service{}, false
	}
	p := proxyService(spec)
	p.Skew = s.routedSkew()
	p.Listen, p.Paused, p.Maintenance = listen, s.routedPause(), s.routedMaintenance(spec)
	for _, i := range s.fleet.List() {
		if s.routed(i) {
			p.Instances = append(p.Instances, proxy.Instance{ID: i.ID, Addr: i.Addr(), Release: strconv.Itoa(i.Release),
				Protocol: string(s.spec(i.Release).Proxy.Protocol)})
		}
	}
	s.divide(&p)
	if spec.Proxy.Protocol != deploy.TCP {
		p.Flags = s.flagsInForce()
	}
	return p, true
}

func proxyService(spec *deploy.Service) proxy.Service {
	x := spec.Proxy
	p := proxy.Service{Name: spec.Name, Protocol: string(x.Protocol),
		HoldTimeout: none(x.HoldTimeout), HoldMax: none(x.HoldMax),
		HeaderTimeout: none(x.HeaderTimeout), BodyTimeout: none(x.BodyTimeout), IdleTimeout: none(x.IdleTimeout),
		AnswerTimeout: none(x.AnswerTimeout), UpstreamIdle: none(x.UpstreamIdle),
		Goodbye: x.Goodbye, GoodbyeAfter: none(x.GoodbyeAfter),
		DrainTimeout: none(spec.Drain.Timeout), DrainSpread: none(spec.Drain.Spread), Replay: none(x.Replay),
		MaxHeader: none(x.MaxHeader), MaxBody: none(x.MaxBody), Trusted: x.Trusted,
		AcceptProxy: x.AcceptProxy, SendProxy: x.SendProxy}
	addExtras(&p, &x)
	p.Shedding = proxyShedding(spec.Shedding)
	if spec.TLS != nil {
		p.CertFile, p.KeyFile = spec.TLS.Cert, spec.TLS.Key
		if a := spec.TLS.ACME; a != nil {
			p.ACME = &proxy.ACME{CA: a.CA, Email: a.Email, Roots: a.Roots}
		}
	}
	for _, r := range spec.Routes {
		p.Routes = append(p.Routes, proxy.Route{Host: r.Host, Path: r.Path, DrainTimeout: r.Drain})
	}
	return p
}

// none turns our zero, which means none, into the proxy's.
func none[T int | int64 | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// routing returns the settings that hold now, and every address to listen on;
// nil when the service takes no requests.
func (s *service) routing() (*deploy.Service, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listeningReleases(func(*deploy.Service) bool { return true })
}

// listeningReleases looks through those in play that listen and are of a kind.
func (s *service) listeningReleases(kind func(*deploy.Service) bool) (spec *deploy.Service, listen []string) {
	for _, n := range s.inPlay() {
		r := s.releases[n]
		if r == nil || r.Spec.Worker() || !kind(&r.Spec) {
			continue
		}
		if spec == nil {
			spec = &r.Spec
		}
		for _, key := range r.Spec.Addresses() {
			if !slices.Contains(listen, key) {
				listen = append(listen, key)
			}
		}
	}
	return spec, listen
}

// inPlay lists the releases that may have instances, the settled one first.
func (s *service) inPlay() []int {
	if s.rollout == nil {
		return []int{s.current.Release}
	}
	return []int{s.rollout.From, s.rollout.To}
}

// Sync implements rollout.Router. Where there is no proxy yet, it is started
// with the table as it is then.
func (s *service) Sync(ctx context.Context) error {
	if s.a.proxy.now() == nil {
		return nil
	}
	return s.sync(ctx)
}

// Shift implements rollout.Router.
func (s *service) Shift(ctx context.Context, i deploy.Instance) error {
	if err := s.sync(ctx); err != nil {
		return err
	}
	x := s.process(i.ID)
	if x == nil || x.ended() {
		return s.endedError(i)
	}
	return s.include(i, x)
}

// Drain implements rollout.Router.
func (s *service) Drain(ctx context.Context, i deploy.Instance) error {
	spec := s.spec(i.Release)
	if err := s.sync(ctx); err != nil || !spec.Proxied() {
		return err
	}
	if s.direct() {
		return s.a.proxy.farewell(ctx, spec.Drain.Timeout)
	}
	d := spec.Drain
	if err := wait(ctx, d.Delay); err != nil {
		return err
	}
	s.a.proxy.drain(ctx, i.ID, d.Timeout)
	left, err := s.waitIdle(ctx, i, spec.DrainTime()+lastWords)
	if left > 0 && ctx.Err() == nil {
		return fmt.Errorf("%s: %d requests are still in flight after %s (drain.timeout); they get until it must have stopped", i.ID, left, d.Timeout)
	}
	return err
}

// lastWords is how long an exchange that was asked to end may take to do so.
const lastWords = time.Second

// waitIdle waits until no request is in flight to an instance that is out of
// the routes, telling how many still are.
func (s *service) waitIdle(ctx context.Context, i deploy.Instance, timeout time.Duration) (left int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		round, end := context.WithTimeout(ctx, time.Second)
		left, err = s.a.proxy.inflight(round, i.ID)
		end()
		if err != nil { // a proxy that has died has nothing in flight any more
			s.log.Warn("ask how many requests are in flight", "instance", i.ID, "error", err)
			_ = wait(ctx, 50*time.Millisecond)
		} else if left == 0 {
			return 0, nil
		}
		if ctx.Err() != nil {
			return left, nil // out of time, which left tells, or interrupted, which ctx does
		}
		s.progress(i, fmt.Sprintf("%d in flight", left))
	}
}

// Drop implements rollout.Router.
func (s *service) Drop(ctx context.Context, i deploy.Instance) error {
	s.a.proxy.down(ctx, i.ID)
	return nil
}
