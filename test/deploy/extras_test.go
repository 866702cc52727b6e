package deploy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/test/harness"
)

// A visitor is a client with a cookie jar who asks again and again which
// instance it is that answers.
type visitor struct {
	client  *http.Client
	answers int
	visited []string // instances, each as often as the visitor came to it from another
	lost    []string
}

func (v *visitor) visit(ctx context.Context, url string) {
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/env?name=SEGUE_INSTANCE", nil)
	if err != nil {
		v.lost = append(v.lost, err.Error())
		return
	}
	res, err := v.client.Do(req)
	if err != nil {
		v.lost = append(v.lost, err.Error())
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	at := strings.TrimSpace(string(body))
	switch {
	case err != nil || res.StatusCode != http.StatusOK:
		v.lost = append(v.lost, fmt.Sprint(res.Status, " ", at, err))
	case len(v.visited) == 0 || v.visited[len(v.visited)-1] != at:
		v.visited = append(v.visited, at)
	}
	v.answers++
}

// TestSticky: clients with a cookie jar stay with their instance, are given to
// another when it is replaced, and stay there. None of their requests is lost.
func TestSticky(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	const more = "proxy: { sticky: {} }"
	w.Web(3, "N: 1", more)
	w.Agent()
	w.Must(0, "deploy")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	var group sync.WaitGroup
	visitors := make([]visitor, 12)
	for n := range visitors {
		v := &visitors[n]
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		v.client = &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: n%2 == 0}, Timeout: 20 * time.Second}
		group.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				v.visit(context.WithoutCancel(ctx), w.URL())
				mu.Unlock()
				time.Sleep(50 * time.Millisecond) // the pace of a visitor
			}
		})
	}
	again := func() {
		t.Helper()
		var from [12]int
		mu.Lock()
		for n := range visitors {
			from[n] = visitors[n].answers
		}
		mu.Unlock()
		w.Until("each client has been answered 10 times more", func() bool {
			mu.Lock()
			defer mu.Unlock()
			for n := range visitors {
				if visitors[n].answers < from[n]+10 {
					return false
				}
			}
			return true
		})
	}
	again()
	const deploys = 3
	for n := 2; n <= deploys; n++ {
		w.Web(3, fmt.Sprint("N: ", n), more)
		w.Must(0, "deploy")
		again()
	}
	stop()
	group.Wait()
	homes := map[string]bool{}
	for n := range visitors {
		v := &visitors[n]
		v.client.CloseIdleConnections() // the proxy's drain waits for them
		if len(v.lost) > 0 {
			t.Errorf("client %d lost %d of %d: %s", n, len(v.lost), v.answers, v.lost[0])
		}
		homes[v.visited[len(v.visited)-1]] = true
		if last := v.visited[len(v.visited)-1]; !strings.HasPrefix(last, fmt.Sprintf("web-%d.", deploys)) {
			t.Errorf("client %d is at %s in the end", n, last)
		}
		seen := map[string]bool{}
		for _, at := range v.visited {
			if seen[at] {
				t.Errorf("client %d came back to an instance that it had left: %v", n, v.visited)
				break
			}
			seen[at] = true
		}
	}
	if len(homes) < 2 {
		t.Errorf("all clients are at one instance: %v", homes)
	}
}

// TestPagesOutliveTheirFiles: a page is part of its release. It is shown when
// its file has gone, and the old one again after a rollback.
func TestPagesOutliveTheirFiles(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	const more = "proxy: { pages: { 503: errors/503.html }, hold: { timeout: 0s } }"
	shown := func() string {
		req, err := http.NewRequestWithContext(t.Context(), "GET", w.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		req.Header.Set("Accept", "text/html")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(res.StatusCode, " ", string(b))
	}
	w.Web(1, "", more)
	agent := w.Agent()
	if r := w.Must(2, "deploy"); !strings.Contains(r.Err, "segue.yaml:6:24: proxy.pages.503: read errors/503.html: file does not exist") {
		t.Errorf("without the file: %s", r)
	}
	for n := 1; n <= 2; n++ {
		w.Write("errors/503.html", fmt.Sprintf("<h1>Back soon, says %d</h1>", n))
		w.Must(0, "deploy")
		w.Must(0, "scale", "1")
	}
	if err := os.RemoveAll(filepath.Join(w.Dir, "errors")); err != nil {
		t.Fatal(err)
	}
	agent.Kill()
	w.Agent()
	w.Must(0, "scale", "0")
	if got := shown(); got != "503 <h1>Back soon, says 2</h1>" {
		t.Error("of release 2:", got)
	}
	w.Must(0, "rollback")
	w.Must(0, "scale", "0")
	if got := shown(); got != "503 <h1>Back soon, says 1</h1>" {
		t.Error("of release 1, after the rollback:", got)
	}
}

// TestMirrored: copies of a service's requests go to another one while both are
// deployed; no original is lost, and what differs is told.
func TestMirrored(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	file := func(n int) {
		w.Write("segue.yaml", fmt.Sprintf(`
services:
  web:
    listen: 127.0.0.1:%d
    release: { files: [bin], command: bin/service }
    env: { N: "%d", WHO: web }
    proxy: { mirror: { to: next, share: 100%% } }
  next:
    listen: 127.0.0.1:%d
    release: { files: [bin], command: bin/service }
    env: { N: "%d", WHO: next }
`, w.Port, n, w.Port+1, n))
	}
	file(1)
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(100)
	mirrored := func() control.Mirror {
		if m := w.Service("web").Mirror; m != nil {
			return *m
		}
		return control.Mirror{}
	}
	w.Until("copies are answered in the same way", func() bool { return mirrored().Same > 50 })
	file(2)
	w.Must(0, "deploy")
	w.Get("/env?name=WHO&secret=hunter2")
	w.Until("a difference is told", func() bool { return len(mirrored().Differences) > 0 && mirrored().Body > 0 })
	w.Until("copies are answered in the same way again", func() bool { return mirrored().Same > 50 })
	d.None()
	r := w.Must(0, "status")
	if !strings.Contains(r.Out, "  mirrored to next: ") || !strings.Contains(r.Out, "/env: 200, and another body") || strings.Contains(r.Out, "hunter2") {
		t.Errorf("status tells of it:\n%s", r)
	}
}
