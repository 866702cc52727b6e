// Package skew_test holds the promise about pages that outlive their release:
// what they ask for is answered by it for as long as they may stay, then by the
// new one, and no request is lost on the way.
package skew_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// A world is one whose release 1 serves with two instances, and whose pages stay
// for long: a test says when that is over.
type world struct {
	*harness.World
	strategy string
}

func newWorld(t *testing.T, strategy string) *world {
	t.Helper()
	t.Parallel()
	w := &world{harness.New(t), strategy}
	w.release(1, "")
	return w
}

// release writes the n-th release, with an asset that only it has.
func (w *world) release(n int, more string) {
	w.T.Helper()
	if err := os.RemoveAll(filepath.Join(w.Dir, "bin/assets")); err != nil {
		w.T.Fatal(err)
	}
	w.Write("bin/assets/latest.txt", fmt.Sprint("asset of release ", n))
	w.Write(fmt.Sprintf("bin/assets/app-%08da.js", n), fmt.Sprint("// script of release ", n))
	w.Web(2, fmt.Sprint("N: ", n), "skew: { stay: 1h, assets: [{ path: /assets/, dir: bin/assets }] }\nkeep: 2\nstrategy: { surge: 1, "+w.strategy+" }\n"+more)
}

// A page is a tab: it knows its release, and calls the API now and then.
type page struct {
	w       *world
	client  *http.Client
	release string
}

// load opens a page, as a browser does.
func (w *world) load() *page {
	w.T.Helper()
	p := &page{w: w, client: &http.Client{Transport: &http.Transport{}}}
	w.T.Cleanup(p.client.CloseIdleConnections)
	res, body := p.get("/page", http.Header{"Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}})
	if len(res.Cookies()) != 1 || res.Cookies()[0].Name != "segue-release" || !strings.Contains(body, "release "+res.Cookies()[0].Value+"<") {
		w.T.Fatalf("a page without its release: %v, %s", res.Cookies(), body)
	}
	p.release = res.Cookies()[0].Value
	return p
}

func (p *page) get(path string, h http.Header) (*http.Response, string) {
	p.w.T.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(p.w.T.Context()), "GET", p.w.URL()+path, nil)
	if err != nil {
		p.w.T.Fatal(err)
	}
	if h != nil {
		req.Header = h
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.w.T.Fatalf("lost: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.w.T.Fatalf("lost: %v", err)
	}
	if res.StatusCode != http.StatusOK {
		p.w.T.Errorf("%s: %s %s", path, res.Status, body)
	}
	return res, strings.TrimSpace(string(body))
}

// call asks the API, by cookie or by field, and gives the release that answered.
func (p *page) call(byField bool) string {
	p.w.T.Helper()
	h := http.Header{"Cookie": {"segue-release=" + p.release}, "Sec-Fetch-Dest": {"empty"}}
	if byField {
		h = http.Header{"Segue-Release": {p.release}}
	}
	res, body := p.get("/", h)
	if body != "release "+res.Header.Get("Segue-Release") {
		p.w.T.Errorf("%q says that it is of release %s", body, res.Header.Get("Segue-Release"))
	}
	return res.Header.Get("Segue-Release")
}

// calls holds the page's calls to a release.
func (p *page) calls(n int, release string) {
	p.w.T.Helper()
	for k := range n {
		if got := p.call(k%2 == 0); got != release {
			p.w.T.Errorf("a page of release %s is answered by release %s, want %s", p.release, got, release)
		}
	}
}

// stays waits until nothing is left of the rollout but that pages stay.
func (w *world) stays() {
	w.T.Helper()
	w.Until("pages stay", func() bool {
		s := w.Service("web")
		old := 0
		for _, i := range s.Instances {
			if i.Release != s.Rollout.To {
				old++
			}
		}
		return s.Stage != nil && s.Stage.Name == deploy.PagesStay && old == 1
	})
}

// Under each strategy: a page loaded before a deploy is answered by its own release
// throughout, with the agent dead, too, and a page loaded afterwards by the new one;
// neither loses a request, nor does anybody else. Then the stay ends, and with the
// next deploy but one the assets.
func TestPagesStay(t *testing.T) {
	for _, strategy := range []string{"type: rolling", "type: blue-green", "type: canary, steps: [{ weight: 50%, for: 1s }]"} {
		t.Run(strings.Fields(strategy)[1], func(t *testing.T) {
			w := newWorld(t, strategy)
			agent := w.Agent()
			w.Must(0, "deploy")
			old := w.load()
			d := w.Drill(50)

			w.release(2, "")
			deployed := w.Background("deploy")
			for over := false; !over; {
				old.calls(2, "1")
				select {
				case <-deployed.Over():
					over = true
				default:
				}
			}
			if ran := deployed.Ran(); ran.Code != 0 || !strings.Contains(ran.Out, "stays for its pages") {
				t.Fatal(ran)
			}
			w.stays()
			old.calls(10, "1")
			fresh := w.load()
			fresh.calls(10, "2")

			agent.Kill()
			old.calls(10, "1")
			fresh.calls(10, "2")
			w.load().calls(2, "2")
			if _, body := old.get("/assets/app-00000001a.js", nil); body != "// script of release 1" {
				t.Errorf("the old page's script: %q", body)
			}
			w.Agent()
			w.stays()
			old.calls(10, "1")

			w.Must(0, "promote", "web")
			w.Until("the rollout is over", func() bool { return w.Service("web").Rollout == nil })
			w.AllServing("web", 2, 2)
			old.calls(10, "2")
			res, body := old.get("/assets/app-00000001a.js", nil)
			if body != "// script of release 1" || res.Header.Get("Segue-Release") != "1" || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
				t.Errorf("the old page's script: %q %v", body, res.Header)
			}
			d.None()
		})
	}
}

// A deploy does not wait for the pages of the one before.
func TestNextDeployEndsStay(t *testing.T) {
	w := newWorld(t, "type: rolling")
	w.Agent()
	for n := 1; n <= 3; n++ {
		w.release(n, "")
		w.Must(0, "deploy")
		w.load().calls(2, fmt.Sprint(n))
	}
	w.stays()
	past, err := w.Client().History(t.Context(), "web", 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(past) != 3 || past[1].Phase != deploy.Done {
		t.Errorf("%+v", past)
	}
	w.Must(0, "rollback", "web")
	w.Until("release 2 is back", func() bool { return w.Service("web").Rollout == nil })
	w.AllServing("web", 2, 2)
}

// Pages hear of a release when it is there to be got, and of the newest that is
// breaking; a bad one they never hear of.
func TestNews(t *testing.T) {
	w := newWorld(t, "type: blue-green, promote: manual")
	w.Agent()
	w.Must(0, "deploy")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", w.URL()+"/.segue/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	next := func() string {
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return data
			}
		}
		t.Fatal("the stream has ended: ", lines.Err())
		return ""
	}
	is := func(want string) {
		t.Helper()
		if got := next(); got != want {
			t.Fatalf("told %s, want %s", got, want)
		}
	}
	is(`{"breaking":"","release":"1"}`)
	w.release(2, "")
	c := w.Background("deploy", "--breaking")
	w.Until("the new side is there", func() bool {
		s := w.Service("web")
		return s.Stage != nil && strings.Contains(s.Stage.Waiting, "promote")
	})
	old := w.load()
	if old.release != "1" {
		t.Error("a page got release", old.release)
	}
	asked := &page{w: w, client: old.client, release: "2"}
	asked.calls(2, "1") // it is not out
	w.Must(0, "promote", "web")
	is(`{"breaking":"2","release":"2"}`)
	if ran := c.Ran(); ran.Code != 0 {
		t.Fatal(ran)
	}
	if ran := w.Must(0, "releases"); !strings.Contains(ran.Out, "breaking") {
		t.Error(ran)
	}
	w.Must(0, "rollback", "web")
	is(`{"breaking":"","release":"1"}`)
	_, script := old.get("/.segue/segue.js", nil)
	if len(script) < 1000 {
		t.Errorf("segue.js has %d bytes", len(script))
	}
}
