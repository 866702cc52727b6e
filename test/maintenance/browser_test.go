package maintenance_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

// TestBrowser: people who meet the page see the site as soon as it is back, at
// the same URL, without touching anything; with scripts and without.
func TestBrowser(t *testing.T) {
	browser := harness.Chromium(t)
	s := open(t, "")
	var seen [2]atomic.Int32
	sites := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/scripts":
			seen[0].Add(1)
		case "/none":
			seen[1].Add(1)
		}
	}))
	t.Cleanup(sites.Close)
	var asked atomic.Int32 // between browser and proxy, to see it ask
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forward(t, w, r, s.URL())
		if r.URL.Path == "/page" {
			asked.Add(1)
		}
	}))
	t.Cleanup(front.Close)

	s.Must(0, "maintenance", "on", "--retry-after", "1s", "--why", "new shelves")
	view(t, browser, front.URL+"/page?"+sites.URL+"/scripts")
	view(t, browser, front.URL+"/page?"+sites.URL+"/none", "--blink-settings=scriptEnabled=false")
	s.Until("the browsers ask again", func() bool { return asked.Load() >= 6 })
	if n := seen[0].Load() + seen[1].Load(); n > 0 {
		t.Errorf("the site was seen %d times under maintenance", n)
	}
	s.Must(0, "maintenance", "off")
	s.Until("both see the site", func() bool { return seen[0].Load() > 0 && seen[1].Load() > 0 })
}

// forward passes a browser's request on as it came.
func forward(t *testing.T, w http.ResponseWriter, r *http.Request, to string) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, to+r.URL.RequestURI(), nil)
	if err != nil {
		t.Error(err)
		return
	}
	req.Header = r.Header
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return // the browser has gone
	}
	for k, v := range res.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(res.StatusCode)
	defer res.Body.Close()
	_, _ = io.Copy(w, res.Body) // fails when the browser has gone
}

// view opens a page in a browser for as long as the test lasts.
func view(t *testing.T, browser, url string, flags ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, browser, append(flags, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--no-first-run", url)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
}
