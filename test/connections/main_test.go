// Package connections_test has a test for each kind of connection that a
// service can have, with clients by others: instances are replaced under it
// again and again, and so is the proxy, and nothing is lost.
package connections_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(4)
	harness.Main(m)
}

// A replacement puts something new in the place of what serves.
type replacement struct {
	name string
	do   func(w *harness.World, n int)
}

// replacements are the ways in which what serves is replaced. deploy writes
// the n-th release's segue.yaml.
func replacements(deploy func(w *harness.World, n int)) []replacement {
	return []replacement{
		{"deploys", func(w *harness.World, n int) {
			deploy(w, n+1)
			w.Must(0, "deploy")
		}},
		{"upgrades", func(w *harness.World, _ int) { w.Must(0, "upgrade") }},
		{"both at once", func(w *harness.World, n int) {
			deploy(w, n+1)
			deploying := w.Background("deploy")
			w.Must(0, "upgrade")
			if r := deploying.Ran(); r.Code != 0 {
				w.T.Errorf("the deploy: %s", r)
			}
		}},
	}
}

// times is how often what serves is replaced in one way, back to back.
const times = 3

// underReplacement runs a test of clients while releases are deployed, while Segue
// is upgraded, and while both happen at once. begin gets the first release up and
// its clients going; it returns what more waits for before the next replacement,
// and what looks at the clients in the end.
//
// The same clients see it all, one after the other. In a soak each of the three has
// clients of its own, and comes as often as times says.
func underReplacement(t *testing.T, deploy func(w *harness.World, n int), begin func(t *testing.T, w *harness.World) (more, end func())) {
	t.Parallel()
	all := replacements(deploy)
	if !harness.Soak() {
		replaced(t, deploy, begin, append(all, all[2]))
		return
	}
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			replaced(t, deploy, begin, slices.Repeat([]replacement{r}, times))
		})
	}
}

// replaced replaces what serves, back to back.
func replaced(t *testing.T, deploy func(w *harness.World, n int), begin func(t *testing.T, w *harness.World) (more, end func()), rounds []replacement) {
	w := harness.New(t)
	deploy(w, 1)
	w.Agent()
	w.Must(0, "deploy")
	more, end := begin(t, w)
	for n, r := range rounds {
		more()
		t.Logf("%d: %s", n+1, r.name)
		r.do(w, n+1)
	}
	more()
	end()
}

// web deploys the test service: two instances, with further lines of segue.yaml.
func web(more string) func(w *harness.World, n int) { return working(0, more) }

// working is web with requests that take a while. Clients that ask again as soon
// as they are answered then have a request in flight at nearly any instant, and
// leave the processors to what is tested.
func working(d time.Duration, more string) func(w *harness.World, n int) {
	return func(w *harness.World, n int) { w.Web(2, fmt.Sprintf("WORK: %s, N: %d", d, n), more) }
}
