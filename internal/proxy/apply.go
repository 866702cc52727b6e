package proxy

import (
	"cmp"
	"fmt"
	"slices"
)

// apply replaces the table. Everything that can fail is done before anything is
// changed. The order afterwards is what claim and handshakes rely on: expect the
// certificates, store the table, then retire who is absent from it, then call up
// who waits.
func (p *proxy) apply(c Config) error {
	if err := c.validate(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.certs.load(c.Services); err != nil {
		return err
	}
	p.certs.followTickets(c.Tickets, p.log)
	if err := p.logf.open(c.AccessLog); err != nil {
		p.log.Error("access log cannot be opened; going on without", "path", c.AccessLog, "error", err)
	}
	old := p.table.Load()
	t := p.newTable(c, old)
	p.certs.acme.expect(c)
	p.table.Store(t)
	for id, in := range old.instances {
		if t.instances[id] != in {
			p.retired = append(p.retired, in)
			in.retire()
		}
	}
	p.sayClosed(t)
	p.wakeLoad(t)
	p.openListeners(t)
	p.certs.acme.follow(c, p.where)
	for name, s := range p.services {
		p.callUp(s)
		s.pages.changed.ring()
		if t.targets[name] == nil {
			delete(p.services, name)
			p.stats.dropService(name)
		}
	}
	return nil
}

func (p *proxy) newTable(c Config, old *table) *table {
	t := &table{config: c, targets: map[string]*target{}, instances: map[string]*instance{}, listeners: map[string]*vhosts{}}
	for _, s := range c.Services {
		tg := p.target(t, s, old)
		for _, key := range s.Listen {
			t.listen(key, tg)
		}
		if m := s.Mirror; m != nil && len(m.Instances) > 0 {
			p.target(t, Service{Name: mirrorName(s.Name), Protocol: s.Protocol, Instances: m.Instances, UpstreamIdle: s.UpstreamIdle}, old)
		}
	}
	return t
}

// target puts a service into the table that is being made.
func (p *proxy) target(t *table, s Service, old *table) *target {
	tg := &target{service: p.service(s.Name), cfg: s.withDefaults()}
	if s.Sticky != nil {
		tg.tokens = make(map[string]*instance, len(s.Instances))
	}
	tg.trusted, _ = parseNetworks(s.Trusted) // validated
	tg.acceptProxy, _ = parseNetworks(s.AcceptProxy)
	for _, i := range s.Instances {
		in := p.instance(tg, i, old)
		t.instances[i.ID] = in
		tg.instances = append(tg.instances, in)
		if s.Sticky != nil {
			tg.tokens[in.token] = in
		}
		tg.mixed = tg.mixed || in.protocol != tg.cfg.Protocol
	}
	tg.division = divide(s.Split, tg.instances)
	tg.ranking = s.Shedding.ranking()
	tg.plain = tg.isPlain()
	tg.hasOwn, tg.flags = s.hasOwn() && tg.cfg.Protocol != TCP, p.flagsOf(&s, old.targets[s.Name])
	tg.crews, tg.news = s.Skew.crews(tg.instances), tg.newsNow()
	tg.pause(p.clock())
	tg.close(p.clock())
	t.targets[s.Name] = tg
	return tg
}

// listen adds a service's routes to a listener.
func (t *table) listen(key string, tg *target) {
	v := t.listeners[key]
	if v == nil {
		v = &vhosts{exact: map[string]*paths{}, wildcards: map[string]*paths{}, limits: limits{header: -1, idle: -1, body: -1, head: -1}}
		t.listeners[key] = v
	}
	for _, r := range tg.cfg.Routes {
		v.add(r, tg.by(r))
	}
	if tg.cfg.Split.hasListener(key) { // a way to one release, whatever host it is reached by
		for _, r := range tg.cfg.Routes {
			v.add(Route{Path: r.Path}, tg.by(r))
		}
	}
	if tg.cfg.Protocol == TCP && v.bytes == nil {
		v.bytes = tg
	}
	v.acceptProxy = append(v.acceptProxy, tg.acceptProxy...)
	v.tls = v.tls || tg.cfg.hasTLS()
	if v.pages == nil {
		v.pages = tg.cfg.Pages
	}
	v.addGoodbye(&tg.cfg)
	longest(&v.limits.header, tg.cfg.HeaderTimeout)
	longest(&v.limits.idle, tg.cfg.IdleTimeout)
	longest(&v.limits.body, tg.cfg.BodyTimeout)
	longest(&v.limits.head, tg.cfg.MaxHeader)
}

// by gives the target as a route with a drain time of its own selects it.
func (tg *target) by(r Route) *target {
	if r.DrainTimeout == 0 {
		return tg
	}
	own := *tg
	own.drain = max(r.DrainTimeout, 1)
	return &own
}

func (p *proxy) service(name string) *service {
	s := p.services[name]
	if s == nil {
		s = &service{name: name, stats: p.stats.service(name)}
		p.services[name] = s
	}
	return s
}

// instance gives the instance as it is known, be it drained at the moment, or
// a new one.
func (p *proxy) instance(t *target, i Instance, old *table) *instance {
	protocol := cmp.Or(i.Protocol, t.cfg.Protocol)
	same := func(in *instance) bool {
		return in != nil && in.Instance == i && in.service == t.service && in.protocol == protocol
	}
	if in := old.instances[i.ID]; same(in) {
		return in
	}
	if n := slices.IndexFunc(p.retired, same); n >= 0 {
		in := p.retired[n]
		p.retired = slices.Delete(p.retired, n, n+1)
		in.revive()
		return in
	}
	in := &instance{Instance: i, service: t.service, protocol: protocol, token: tokenOf(t.name, i.ID)}
	in.stats = t.service.stats.release(i.Release)
	in.pool.in, in.pool.clock, in.pool.loops = in, p.clock, p.everyLoop
	in.literal = sockaddr(i.Addr) != nil
	in.pool.dialer.Timeout = dialTimeout
	in.pool.all = map[*upConn]struct{}{}
	in.farewell.clock = p.clock
	if p.leftAt != 0 {
		in.farewell.begin(replaced, p.lastCall(t))
	}
	if in.protocol == H2C {
		in.h2 = in.pool.transport()
	}
	in.routed.Store(true)
	return in
}

// down stops the choosing of an instance that died, until a table lists it anew.
func (p *proxy) down(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.table.Load()
	in := old.instances[id]
	if in == nil {
		return
	}
	c := old.config
	c.Services = slices.Clone(c.Services)
	for i, s := range c.Services {
		c.Services[i] = s.without(id)
	}
	p.table.Store(p.newTable(c, old))
	p.retired = append(p.retired, in)
	in.retire()
}

// find gives every instance known by an ID, the routed one first.
func (p *proxy) find(id string) []*instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*instance
	if in := p.table.Load().instances[id]; in != nil {
		out = append(out, in)
	}
	for _, in := range p.retired {
		if in.ID == id {
			out = append(out, in)
		}
	}
	return out
}

// goneKept is how many instances Status still tells of when they are gone.
const goneKept = 50

// forgetGone bounds the memory of instances that are gone; p.mu is held.
func (p *proxy) forgetGone() {
	gone := 0
	for _, in := range p.retired {
		if in.isGone() {
			gone++
		}
	}
	p.retired = slices.DeleteFunc(p.retired, func(in *instance) bool {
		if gone <= goneKept || !in.isGone() {
			return false
		}
		gone--
		return true
	})
}

func (in *instance) isGone() bool {
	return !in.routed.Load() && in.inflight.Load() == 0 && in.pool.count() == 0
}

// longest keeps the longer of two bounds in v; 0 is none at all, -1 not yet set.
func longest[T ~int64](v *T, d T) {
	if *v < 0 || d == 0 || *v != 0 && d > *v {
		*v = d
	}
}
