package agent

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/analysis"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/internal/rollout"
)

// judgeEvery is the time between looks at the proxies' counts. It is a block of
// the analysis, of which three bad ones condemn at the least.
const judgeEvery = 500 * time.Millisecond

// A comparison is that of the two releases of a rollout, in one stage.
type comparison struct {
	s        *service
	old, new string // as the proxies know the releases
	copies   bool   // new gets copies, whose answers are counted apart
	meter    analysis.Meter
	began    time.Time
	met      map[int]bool // proxies that were asked, by number

	mu       sync.Mutex
	analysis *analysis.Analysis
	warm     *analysis.Analysis // what takes its place when new has warmed up; nil: it has
	warmAt   time.Time
}

func (s *service) comparison(r deploy.Rollout, stage rollout.Stage, a deploy.Analysis) *comparison {
	bounds := proxy.Bounds()
	limits := analysis.Limits{Requests: a.Requests, Errors: a.Errors / 100, Latency: a.Latency, Most: a.Most / 100, P95: a.P95}
	begin := func() *analysis.Analysis {
		x := analysis.New(limits, bounds[:])
		if stage.Alone() {
			x.Alone()
		}
		return x
	}
	c := &comparison{s: s, old: strconv.Itoa(r.From), new: strconv.Itoa(r.To), copies: stage.Mirror > 0,
		began: time.Now(), met: map[int]bool{}, analysis: begin()}
	if a.Warmup > 0 {
		c.warm, c.warmAt = c.analysis, c.began.Add(a.Warmup)
		limits.Latency, limits.P95 = 0, 0
		c.analysis = begin()
	}
	return c
}

// now is what there is to see. While new warms up, it is not well enough yet.
func (c *comparison) now() (analysis.State, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.warm != nil {
		return analysis.Undecided, c.analysis.Summary() + "; warming up until " + c.warmAt.Local().Format(time.TimeOnly)
	}
	return c.analysis.State(), c.analysis.Summary()
}

// watch looks at the counts until ctx ends, or until new is worse: its error is
// the evidence.
func (c *comparison) watch(ctx context.Context, looked func()) error {
	for {
		if evidence := c.look(c.take(ctx)); evidence != nil {
			return fmt.Errorf("analysis: release %s answers worse than release %s\n    %s", c.new, c.old, strings.Join(evidence, "\n    "))
		}
		looked()
		if wait(ctx, judgeEvery) != nil {
			return nil
		}
	}
}

// look takes in what was counted and returns the evidence if new is worse. When
// new has warmed up, the measurement begins anew, with what is known of old.
func (c *comparison) look(old, new analysis.Counts) (evidence []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.warm != nil {
		c.warm.Past(old)
		if time.Now().After(c.warmAt) {
			c.analysis, c.warm = c.warm, nil
			return nil
		}
	}
	c.analysis.Look(old, new)
	return c.analysis.Evidence()
}

// past takes in what old did before the stage.
func (c *comparison) past(old analysis.Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.analysis.Past(old)
	if c.warm != nil {
		c.warm.Past(old)
	}
}

// take gets what both releases have done since it was last called. Each proxy
// process counts for itself: one that was started since we began is counted from
// its own beginning, and what one that ends has counted since the last time is
// lost.
func (c *comparison) take(ctx context.Context) (old, new analysis.Counts) {
	for _, p := range c.s.a.proxy.all() {
		st, err := p.client.Status(ctx)
		if err != nil {
			continue // it ends, or will be asked again
		}
		was, is := c.since(p.number, st)
		if c.met[p.number] || st.Uptime < time.Since(c.began) {
			old.Add(was)
			new.Add(is)
		} else {
			c.past(was)
		}
		c.met[p.number] = true
	}
	return old, new
}

// since is what one proxy has counted since it was last asked.
func (c *comparison) since(proxy int, st proxy.Status) (old, new analysis.Counts) {
	for _, r := range c.releases(st) {
		source := fmt.Sprint(proxy, " ", r.Release)
		switch {
		case r.Release == c.old:
			old = c.meter.Since(source, counts(&r.Counts))
		case r.Release == c.new && !c.copies:
			new = c.meter.Since(source, counts(&r.Counts))
		case r.Release == c.new && r.Copies != nil:
			new = c.meter.Since(source, counts(r.Copies))
		}
	}
	return old, new
}

// releases are those of our service.
func (c *comparison) releases(st proxy.Status) []proxy.ReleaseStatus {
	i := slices.IndexFunc(st.Services, func(x proxy.ServiceStatus) bool { return x.Name == c.s.name })
	if i < 0 {
		return nil
	}
	return st.Services[i].Releases
}

func counts(c *proxy.Counts) analysis.Counts {
	return analysis.Counts{Requests: c.Requests, Errors: c.Errors, Histogram: c.Times[:]}
}
