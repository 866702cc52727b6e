package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/analysis"
	"github.com/seguehq/segue/internal/proxy"
)

// A guard looks, while a ramp runs, at what the proxies count of the service's
// requests, and says when there are more errors, or more slow answers, than it
// allows, beyond chance: by the e-process of package analysis against a fixed
// bound. It forgets nothing and keeps a part of its stake for later, so that a
// ramp that does harm only at 60 % is found soon, too; one error, or a few
// requests, prove nothing.
type guard struct {
	s        *service
	services []string
	bound    featureflag.Guard
	meter    analysis.Meter
	began    time.Time
	met      map[int]bool // proxies that were asked, by number
	analysis *analysis.Analysis
}

// newGuard makes the guard of a flag's ramp, which has one.
func (s *service) newGuard(f featureflag.Flag) *guard {
	g := &guard{s: s, bound: *f.Ramp.Guard, began: time.Now(), met: map[int]bool{}}
	g.services = s.sharers()
	if g.bound.Service != "" {
		g.services = []string{g.bound.Service}
	}
	g.analysis = guardAnalysis(g.bound)
	return g
}

// guardAnalysis is the test of a guard's bounds. Nothing is compared with other
// requests: Limits.Errors of 1 tolerates any difference.
func guardAnalysis(b featureflag.Guard) *analysis.Analysis {
	bounds := proxy.Bounds()
	a := analysis.New(analysis.Limits{Errors: 1, Most: cmp.Or(b.Errors, 1) / 100, P95: b.P95}, bounds[:])
	a.Alone()
	return a
}

func (g *guard) look(ctx context.Context) string {
	return judge(g.analysis, g.take(ctx))
}

// judge takes in what was counted since the last look, and gives the evidence
// against it; "": there is none.
func judge(a *analysis.Analysis, c analysis.Counts) string {
	if a.Look(analysis.Counts{}, c) != analysis.Worse {
		return ""
	}
	return strings.Replace(a.Evidence()[0], "of the new release's requests", "of the service's requests", 1)
}

// take gets what the services have answered since it was last called. What a proxy
// has counted before the guard began is left out.
func (g *guard) take(ctx context.Context) (sum analysis.Counts) {
	for _, p := range g.s.a.proxy.all() {
		st, err := p.client.Status(ctx)
		if err != nil {
			continue // it ends, or will be asked again
		}
		fresh := g.met[p.number] || st.Uptime < time.Since(g.began)
		for _, c := range g.since(p.number, st) {
			if fresh {
				sum.Add(c)
			}
		}
		g.met[p.number] = true
	}
	return sum
}

// since is what one proxy has counted since it was last asked, by releases.
func (g *guard) since(number int, st proxy.Status) (all []analysis.Counts) {
	for _, x := range st.Services {
		if !slices.Contains(g.services, x.Name) {
			continue
		}
		for _, r := range x.Releases {
			all = append(all, g.meter.Since(fmt.Sprint(number, " ", x.Name, " ", r.Release), counts(&r.Counts)))
		}
	}
	return all
}
