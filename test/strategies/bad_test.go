package strategies_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// What the test sets, and from which its bounds follow.
const (
	rate     = 200              // users' requests a second
	work     = 100 * 1e6        // nanoseconds that the service takes for one
	enough   = 400              // requests of the new release that the analysis wants in a stage
	bake     = 4 * time.Second  // with all requests
	crash    = 3 * time.Second  // after its start, a release that crashes does
	slow     = 3 * time.Second  // is what a release takes for a request that is slow
	bound    = slow / 2         // on the times of a release that has no old one beside it
	everyNth = 20               // request is answered by an error, by a release that gives 5 % of them
	late     = 10 * time.Second // which a verdict may take beyond that, on a busy machine: where the old release has no requests any more, it takes a few looks more
)

// A way is a strategy, and the most that its users may see of a release that
// answers errors: it has a share of the requests until it is condemned, which
// is before it has had enough of them, or before it has baked.
type way struct {
	name     string
	strategy string
	more     string
	share    float64
	lasts    time.Duration // at least, of the stage in which the releases are compared
	alone    bool          // its times cannot be compared: when it is judged, the old one has no requests
	found    string        // why one that answers errors goes back before it has any users; "": it has some
}

var ways = []way{
	{name: "rolling", strategy: "type: rolling", share: 1.0 / 3},
	{name: "blue-green", strategy: "type: blue-green", share: 1, lasts: bake, alone: true},
	{name: "blue-green, tested before", strategy: "type: blue-green, preview: { header: X-Preview }", found: "hook visit",
		more: `hooks: { between: [{ name: visit, run: [curl, -fsS, --fail-early, -o, /dev/null, -H, "X-Preview: yes", "http://127.0.0.1:PORT/?n=[1-50]"] }] }`},
	{name: "canary, mirrored before", strategy: "type: canary, stick: none, steps: [{ mirror: 50% }, { weight: 25% }]", found: "errors: "},
	{name: "canary", strategy: "type: canary, stick: none, steps: [{ weight: 25%, for: 1s }]", share: 0.25},
	{name: "recreate", strategy: "type: recreate", share: 1, lasts: bake, alone: true},
}

// seen is how many errors users may see at the most of a release that answers
// every 20th request with one: each of its two instances counts by itself.
func (w *way) seen() int64 {
	if w.found != "" {
		return 0
	}
	until := max(enough, rate*w.share*w.lasts.Seconds()) + rate*w.share*late.Seconds()
	return int64(math.Ceil(until/everyNth)) + 2
}

// cutOff is how many requests users may lose to a release whose instances die
// together. A request is sent to another instance once; where that one is of the
// same release, and dies as well, it is lost. This is what may be in flight, on a
// busy machine.
func (w *way) cutOff() int64 {
	if w.share < 1 {
		return 0 // the old release is there to take them
	}
	return int64(rate * 2 * time.Duration(work).Seconds())
}

// A kind of release, and what becomes of it.
type kind struct {
	name   string
	env    string
	reason string // why it goes back; "": it does not
	errors bool   // that users see
	// crashes is set where all its instances die, and within milliseconds.
	crashes bool
}

var kinds = []kind{
	{name: "good", env: "N: 2"},
	{name: "never gets ready", env: "BROKEN: 1", reason: "startup"},
	{name: "crashes after a while", env: fmt.Sprint("CRASH_AFTER: ", crash), reason: "exit status 1", crashes: true},
	{name: "answers 5 % errors", env: fmt.Sprint("ERROR_EVERY: ", everyNth), reason: "errors: ", errors: true},
	{name: "is slow", env: fmt.Sprint("WORK: ", slow), reason: "latency"}, // so much that no busy machine hides it; internal/analysis has what is less
}

// kinds are those that the way makes a difference to.
func (w *way) kinds() []kind {
	if w.found == "" {
		return kinds
	}
	return slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return k.reason != "" && !k.errors })
}

// account is a table of what users saw.
type account struct {
	mu   sync.Mutex
	rows map[string]string
}

func (a *account) print(t *testing.T) {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "strategy\trelease\tended\trequests\tof them to the new release\terrors seen\tbound")
	for _, way := range ways {
		for _, kind := range way.kinds() {
			fmt.Fprintf(tw, "%s\t%s\t%s\n", way.name, kind.name, a.rows[way.name+kind.name])
		}
	}
	tw.Flush()
	t.Logf("users' requests during a deploy:\n%s", b.String())
}

// TestBadReleasesGoBackByThemselves: by every strategy, a good release gets in, with
// nothing lost, and a bad one is out again without anybody's doing, the old one
// being whole and the history saying why; no more of its users see an error than
// its strategy allows.
func TestBadReleasesGoBackByThemselves(t *testing.T) {
	a := account{rows: map[string]string{}}
	t.Cleanup(func() { a.print(t) })
	for _, way := range ways {
		for _, kind := range way.kinds() {
			t.Run(way.name+"/"+kind.name, func(t *testing.T) {
				t.Parallel()
				row := tried(t, way, kind)
				a.mu.Lock()
				defer a.mu.Unlock()
				a.rows[way.name+kind.name] = row
			})
		}
	}
}

// tried deploys a release under a drill, and tells what came of it.
func tried(t *testing.T, way way, kind kind) string {
	w := &world{World: harness.NewWith(t, harness.SegueFast(t))} // the race detector would be most of the work; other tests here have it
	file := func(env string) {
		const patience = "\nproxy: { hold: { timeout: 50s, max: 10000 }, timeouts: { header: 50s } }" // on a busy machine
		analysis := fmt.Sprintf("requests: %d", enough)
		if way.alone {
			analysis += fmt.Sprintf(", p95: %s", bound)
		}
		strategy := fmt.Sprintf(patience+"\nstrategy: { %s, bake: %s, analysis: { %s } }\n", way.strategy, bake, analysis)
		env = fmt.Sprintf("WORK: %s, %s", time.Duration(work), env)
		if strings.Contains(kind.env, "WORK") && !strings.Contains(env, "N: 1") {
			env = kind.env
		}
		w.Web(2, env, strings.ReplaceAll(way.more, "PORT", fmt.Sprint(w.Port))+strategy)
	}
	file("N: 1")
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(rate, func(p *drill.Plan) { p.Timeout, p.MaxInFlight = time.Minute, 10_000 }) // a busy machine may be slow to go back
	d.More(2 * rate)                                                                           // by which the new release is judged where the old one leaves
	before := d.Snapshot()

	file(kind.env)
	w.Run("deploy")
	after := d.Snapshot()
	d.More(rate / 4)
	r := d.Result()

	end, left, most := deploy.Done, 2, int64(0)
	if kind.reason != "" {
		end, left = deploy.RolledBack, 1
	}
	if kind.errors {
		most = way.seen()
	} else if kind.crashes {
		most = way.cutOff()
	}
	reason := kind.reason
	if way.found != "" && kind.errors {
		reason = way.found
	}
	w.ended(end, reason)
	w.AllServing("web", left, 2)
	if r.Lost > most || r.NotSent > 0 {
		t.Errorf("users saw %d errors, and at most %d were to be\n%s", r.Lost, most, harness.Explain(r, 5))
	}
	fresh := r.ByRelease["2"]
	for _, f := range r.Failures {
		if f.Release == "2" {
			fresh++
		} else if !kind.crashes {
			t.Errorf("an error that is none of the new release's: %+v", f)
		}
	}
	sent := after.Sent - before.Sent
	if its := float64(sent) * way.share; kind.errors && float64(fresh) > its+5*math.Sqrt(its) {
		t.Errorf("%d of %d requests went to the new release, whose share is %.0f %%", fresh, sent, 100*way.share)
	}
	return fmt.Sprintf("%s\t%d\t%d\t%d\t%d", end, sent, fresh, r.Lost, most)
}
