// Package strategies_test holds the promise of the strategies: a good release
// takes the place of the old one without a lost request, a bad one is taken back
// by itself, and no more requests reach it meanwhile than its strategy allows.
package strategies_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// A world is one whose release 1 serves with two instances by a strategy, which is
// YAML flow: "type: canary, bake: 2s".
type world struct {
	*harness.World
	strategy string
	agent    *harness.Agent
}

func newWorld(t *testing.T, strategy string) *world {
	t.Helper()
	t.Parallel()
	w := &world{World: harness.New(t), strategy: strategy}
	w.release("N: 1")
	w.agent = w.Agent()
	w.Must(0, "deploy")
	return w
}

// release writes a segue.yaml whose environment makes the next release.
func (w *world) release(env string) {
	w.T.Helper()
	w.Web(2, env, "strategy: { "+w.strategy+" }")
}

// deploys begins the deploy of a release that `segue promote` is needed for, and
// waits until it is asked for it.
func (w *world) deploys(env string) *harness.Command {
	w.T.Helper()
	w.release(env)
	c := w.Background("deploy")
	w.asks("")
	return c
}

// asks waits until the rollout waits for somebody's word, in a stage of a name, or in any.
func (w *world) asks(stage string) {
	w.T.Helper()
	w.Until("the rollout waits for its promotion "+stage, func() bool {
		s := w.Service("web").Stage
		return s != nil && strings.Contains(s.Waiting, "segue promote") && (stage == "" || s.Name == stage)
	})
}

// history is the service's, newest first.
func (w *world) history() []deploy.Rollout {
	w.T.Helper()
	past, err := w.Client().History(w.T.Context(), "web", 0)
	if err != nil {
		w.T.Fatal(err)
	}
	return past
}

// ended holds the newest rollout to its end, and to a reason that has the text.
func (w *world) ended(as deploy.Phase, reason string) {
	w.T.Helper()
	if r := w.history()[0]; r.Phase != as || !strings.Contains(r.Reason, reason) {
		w.T.Errorf("rollout %d ended as %q, want %q: %s", r.ID, r.Phase, as, r.Reason)
	}
}

// A visitor is a client with connections, and perhaps a cookie jar, of its own.
type visitor struct {
	*http.Client
	header http.Header
}

// answer is what the service says to a visitor: "release 2".
func (v *visitor) answer(t testing.TB, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name := range v.header {
		req.Header.Set(name, v.header.Get(name))
	}
	client := v.Client
	if client == nil {
		client = http.DefaultClient
		req.Close = true
	}
	res, err := client.Do(req)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.Status, " ", err)
	}
	return strings.TrimSpace(string(body))
}

// keptAlive is a visitor with a connection that is open already.
func (w *world) keptAlive() *visitor {
	w.T.Helper()
	v := &visitor{Client: &http.Client{Transport: &http.Transport{}}}
	w.T.Cleanup(v.CloseIdleConnections)
	v.answer(w.T, w.URL())
	return v
}

// all fails the test unless every one of n requests that begin now, on fresh
// connections and on one that is older, is answered by a release.
func (w *world) all(v *visitor, release, n int, when string) {
	w.T.Helper()
	want := fmt.Sprint("release ", release)
	for k := range n {
		from, way := v, "kept alive"
		if k%2 == 0 {
			from, way = &visitor{}, "fresh"
		}
		if got := from.answer(w.T, w.URL()); got != want {
			w.T.Fatalf("%s: request %d (%s) was answered by %q, want %q", when, k+1, way, got, want)
		}
	}
}
