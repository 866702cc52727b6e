package maintenance_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// A shop is a world whose service keeps lines in a file, and reads a copy of it
// in times of maintenance.
type shop struct {
	*harness.World
	agent            *harness.Agent
	primary, replica string
}

// open deploys the shop; more is further lines of segue.yaml.
func open(t *testing.T, more string) *shop {
	t.Helper()
	t.Parallel()
	w := harness.New(t)
	s := &shop{World: w, primary: filepath.Join(w.Dir, "primary"), replica: filepath.Join(w.Dir, "replica")}
	w.Copy(harness.Build(t, "shelf", "./test/maintenance/shelf"), "bin/service")
	w.Write("primary", "first\n")
	w.Write("replica", "first\n")
	s.settings(more)
	s.agent = w.Agent()
	w.Must(0, "deploy")
	return s
}

func (s *shop) settings(more string) {
	s.Web(2, fmt.Sprintf("DATABASE: %q", s.primary), fmt.Sprintf(
		"maintenance: { env: { DATABASE: %q }, retry_after: 1s }\ndrain: { timeout: 2s, spread: 0s }\n"+
			"probes: { startup: { http: /, every: 50ms, failures: 1200 }, readiness: { http: / } }\n%s", s.replica, more))
}

// mode fails the test unless every instance is in it; "" is that for writes.
func (s *shop) mode(want string) {
	s.T.Helper()
	for _, i := range s.Service("web").Instances {
		if i.State != "serving" {
			continue
		}
		res, err := http.Get(fmt.Sprintf("http://%s/mode", i.Addr()))
		if err != nil {
			s.T.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || strings.TrimSpace(string(got)) != want {
			s.T.Errorf("%s is in mode %q, want %q (%v)", i.ID, got, want, err)
		}
	}
}

// Writers are clients that each add one line after the other, and do as
// Retry-After says.
type writers struct {
	t       *testing.T
	w       *harness.World
	stop    atomic.Bool
	running sync.WaitGroup
	refused atomic.Int64 // 503 with Retry-After
	written atomic.Int64
	longest atomic.Int64 // that one line took, with all its repeats

	mu    sync.Mutex
	lines []string
}

func (s *shop) writers(t *testing.T, n int) *writers {
	x := &writers{t: t, w: s.World}
	for who := range n {
		x.running.Go(func() { x.write(who) })
	}
	t.Cleanup(func() { x.stop.Store(true); x.running.Wait() })
	x.more(20)
	return x
}

func (x *writers) write(who int) {
	c := &http.Client{Transport: &http.Transport{}, Timeout: 50 * time.Second}
	defer c.CloseIdleConnections()
	for n := 0; !x.stop.Load(); n++ {
		line := fmt.Sprintf("%d-%d", who, n)
		began := time.Now()
		for !x.once(c, line) {
			if x.t.Failed() {
				return
			}
		}
		took := int64(time.Since(began))
		for last := x.longest.Load(); took > last && !x.longest.CompareAndSwap(last, took); last = x.longest.Load() {
		}
		x.mu.Lock()
		x.lines = append(x.lines, line)
		x.mu.Unlock()
		x.written.Add(1)
		time.Sleep(5 * time.Millisecond) // the pace of a writer
	}
}

// once sends a line, and waits as it is told to when it is refused.
func (x *writers) once(c *http.Client, line string) bool {
	res, err := c.Post(x.w.URL(), "text/plain", strings.NewReader(line))
	if err != nil {
		x.t.Errorf("a writer was told nothing: %v", err)
		return false
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	again, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	switch {
	case res.StatusCode == 200:
		return true
	case res.StatusCode != 503 || again < 1 || res.Header.Get("Segue-Error") != "maintenance":
		x.t.Errorf("a writer got %s with Retry-After %q (%s)", res.Status, res.Header.Get("Retry-After"), res.Header.Get("Segue-Error"))
	default:
		x.refused.Add(1)
		time.Sleep(time.Duration(again) * time.Second / 4) // sooner than told, to press harder
	}
	return false
}

func (x *writers) more(n int64) {
	x.t.Helper()
	from := x.written.Load()
	x.w.Until("more lines are written", func() bool { return x.written.Load() >= from+n || x.t.Failed() })
}

// refusedMore waits for refusals.
func (x *writers) refusedMore(n int64) {
	x.t.Helper()
	from := x.refused.Load()
	x.w.Until("writers are refused", func() bool { return x.refused.Load() >= from+n || x.t.Failed() })
}

// allOnce ends the writers and fails the test unless a file holds each line
// that was acknowledged exactly once, and no other.
func (x *writers) allOnce(file string) {
	x.t.Helper()
	x.stop.Store(true)
	x.running.Wait()
	data, err := os.ReadFile(file)
	if err != nil {
		x.t.Fatal(err)
	}
	got := strings.Fields(strings.TrimPrefix(string(data), "first\n"))
	slices.Sort(got)
	slices.Sort(x.lines)
	if !slices.Equal(got, x.lines) {
		x.t.Errorf("%d lines were acknowledged, %d are there, or others", len(x.lines), len(got))
	}
	x.t.Logf("%d lines written, %d times refused, the longest took %s", len(got), x.refused.Load(), time.Duration(x.longest.Load()))
}
