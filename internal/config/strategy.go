package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// strategy resolves percentages and checks that a rollout can move at all.
func (s scope) strategy(out *deploy.Service, set *settings) {
	st := set.Strategy
	to := deploy.Strategy{
		Type:        deploy.StrategyType(st.Type),
		Surge:       st.Surge.of(out.Replicas, true),
		Unavailable: st.Unavailable.of(out.Replicas, false),
		MinReady:    time.Duration(st.MinReady),
		Overlap:     st.Type != text(deploy.Recreate),
		Bake:        time.Duration(st.Bake),
	}
	if blind(out) && !s.has("strategy.min_ready") {
		to.MinReady = time.Second // all that tells it is well is that it stays up
	}
	s.beside(out, &to, &st)
	switch {
	case !to.Overlap:
		s.recreate(out, &to)
	case to.Surge == 0 && to.Unavailable == 0 && out.Replicas > 0:
		s.cannotMove(st, out.Replicas)
	}
	if st.Unavailable.percent && st.Unavailable.n > 100 {
		s.fail("strategy.unavailable", "more than 100% cannot be missing", "write 100% or less")
	}
	s.deadlines(out, &to, st)
	out.Strategy = to
}

// blind tells whether nothing asks an instance if it is well before it counts.
func blind(out *deploy.Service) bool {
	return out.Probes.Readiness == nil && (out.Worker() || out.Inherits() && out.Probes.Startup == nil)
}

// of resolves an amount for so many replicas: up for what is added, down for
// what is taken away, as Kubernetes does.
func (a amount) of(replicas int, up bool) int {
	switch {
	case !a.percent:
		return a.n
	case up:
		return (a.n*replicas + 99) / 100
	}
	return a.n * replicas / 100
}

func (s scope) cannotMove(st strategy, replicas int) {
	path := "strategy.surge"
	if !s.has(path) {
		path = "strategy.unavailable"
	}
	what := "with surge 0 and unavailable 0 nothing can move: no instance may be added and none taken away"
	if st.Unavailable.n > 0 {
		what = fmt.Sprintf("unavailable %d%% of %d rounds down to 0, and with surge 0 nothing can move", st.Unavailable.n, replicas)
	}
	s.fail(path, what, "set surge: 1, or unavailable: 1 if one instance may be missing")
}

// recreate lets all old instances go before the first new one comes.
func (s scope) recreate(out *deploy.Service, to *deploy.Strategy) {
	if to.Surge > 0 && s.has("strategy.surge") {
		s.fail("strategy.surge", "type: recreate lets no instance be added while old ones run", "take surge out, or choose another type")
	}
	if s.has("strategy.unavailable") && to.Unavailable < out.Replicas {
		s.fail("strategy.unavailable", "type: recreate stops all old instances first", "take unavailable out, or choose another type")
	}
	switch {
	case out.Inherits() && out.Socket.PerInstance:
		s.warn("strategy.type", "recreate leaves no instance for a while", "connections are refused until one runs; without socket.per_instance they wait")
	case out.Inherits():
		s.warn("strategy.type", "recreate leaves no instance for a while", "connections wait in the socket's queue; keep the start short")
	case out.Proxied():
		s.warn("strategy.type", "recreate leaves no instance for a while",
			"requests wait up to proxy.hold.timeout; keep the start well below it")
	}
	to.Surge, to.Unavailable = 0, max(1, out.Replicas)
}

// defaultSteps are those of a canary that names none.
var defaultSteps = []deploy.CanaryStep{{Weight: 10, For: time.Minute}, {Weight: 50, For: time.Minute}}

// beside fills in what belongs to the strategies in which the whole old release
// stays beside the new one.
func (s scope) beside(out *deploy.Service, to *deploy.Strategy, st *strategy) {
	if to.Beside() && !out.Proxied() && !s.failed("listen") {
		s.fail("strategy.type", fmt.Sprintf("%s divides requests between the releases, and here they do not pass the proxy", to.Type), "use rolling or recreate, or via: proxy")
	}
	for path, of := range map[string]deploy.StrategyType{"promote": deploy.BlueGreen, "preview": deploy.BlueGreen, "steps": deploy.Canary, "stick": deploy.Canary} {
		if s.has("strategy."+path) && to.Type != of && !s.failed("strategy.type") {
			s.fail("strategy."+path, fmt.Sprintf("this belongs to type: %s", of), fmt.Sprintf("take it out, or set type: %s", of))
		}
	}
	switch to.Type {
	case deploy.BlueGreen:
		to.Manual = st.Promote == "manual"
		to.Preview = s.preview(out, st.Preview)
	case deploy.Canary:
		to.Steps, to.Stick = s.steps(st.Steps), deploy.Stick(st.Stick)
	}
}

func (s scope) preview(out *deploy.Service, set *preview) *deploy.Preview {
	if set == nil {
		return nil
	}
	p := &deploy.Preview{Listen: string(set.Listen), Match: match(set.Header, set.Cookie, set.Value)}
	switch {
	case s.failed("strategy.preview"):
	case set.Header != "" && set.Cookie != "":
		s.fail("strategy.preview.cookie", "a preview is known by a header or by a cookie", "keep one of them")
	case p.Listen == "" && p.Match == nil:
		s.fail("strategy.preview", "this leads nowhere", "say listen: 127.0.0.1:8081, header: NAME or cookie: NAME")
	case slices.Contains(out.Listen, p.Listen):
		s.fail("strategy.preview.listen", "the service listens there for everybody", "give the preview an address of its own")
	}
	return p
}

// match gives what selects requests; nil when nothing does.
func match(header, cookie, value text) *deploy.Match {
	if header == "" && cookie == "" {
		return nil
	}
	return &deploy.Match{Header: string(header), Cookie: string(cookie), Value: string(value)}
}

// steps checks that a canary's share only grows.
func (s scope) steps(set []canaryStep) []deploy.CanaryStep {
	_, section := s.find("strategy.steps")
	if section == nil {
		return defaultSteps
	}
	var out []deploy.CanaryStep
	share := 0
	for i, x := range set {
		item := section.items[i]
		if item.kind != mapping {
			continue // reported by decode
		}
		fail := func(what, mend string) { s.r.failAt(item.line, item.col, join(s.path, "strategy.steps"), what, mend) }
		step := deploy.CanaryStep{Weight: int(x.Weight), Mirror: int(x.Mirror), Match: match(x.Header, x.Cookie, x.Value), For: time.Duration(x.For), Manual: x.Promote == "manual"}
		kinds := 0
		for _, key := range []string{"weight", "header", "cookie", "mirror"} {
			if k, _ := item.get(key); k != nil {
				kinds++
			}
		}
		switch {
		case kinds != 1:
			fail("a step gives the new release one thing", "say one of weight: 5%, header: NAME, cookie: NAME, mirror: 10%")
		case step.Match == nil && step.Weight+step.Mirror == 0:
			fail("0% gives it nothing", "write 1% or more")
		case step.Weight > 0 && step.Weight <= share:
			fail(fmt.Sprintf("the share does not grow: it is %d%% before this step", share), "let each weight be larger than the one before")
		case step.Weight == 0 && share > 0:
			fail("the new release has a share already", "put mirror, header and cookie before the first weight")
		}
		share = max(share, step.Weight)
		out = append(out, step)
	}
	return out
}
