package agent

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/internal/analysis"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/internal/rollout"
)

// timed makes counts of requests that took about so long.
func timed(n int64, took time.Duration) analysis.Counts {
	c := proxy.Counts{Requests: n}
	bounds := proxy.Bounds()
	i := 0
	for i < len(bounds) && bounds[i] <= took {
		i++
	}
	c.Times[i] = n
	return counts(&c)
}

// beside is a stage in which both releases have requests.
var beside = rollout.Stage{Split: true, Old: 2, Share: 20}

func TestSlowWhileWarmingUpIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{name: "web"}
		c := s.comparison(deploy.Rollout{From: 1, To: 2}, beside, deploy.Analysis{Requests: 100, Errors: 1, Latency: 1.5, Warmup: 10 * time.Second})
		for range 19 {
			time.Sleep(judgeEvery)
			if evidence := c.look(timed(100, 10*time.Millisecond), timed(20, time.Second)); evidence != nil {
				t.Fatal(evidence)
			}
		}
		if state, summary := c.now(); state != analysis.Undecided || !strings.Contains(summary, "warming up until") {
			t.Errorf("%v: %s", state, summary)
		}
		for range 20 {
			time.Sleep(judgeEvery)
			if evidence := c.look(timed(100, 10*time.Millisecond), timed(20, 10*time.Millisecond)); evidence != nil {
				t.Fatal(evidence)
			}
		}
		if state, summary := c.now(); state != analysis.NotWorse {
			t.Errorf("%v: %s", state, summary)
		}
		var evidence []string
		for range 20 {
			evidence = c.look(timed(100, 10*time.Millisecond), timed(20, time.Second))
		}
		if !strings.Contains(strings.Join(evidence, "\n"), "latency: ") {
			t.Errorf("slow after it has warmed up: %v", evidence)
		}
	})
}

// Where the new release has all requests, times of before are none of its: the
// machine may have become slow. A bound of their own, and errors, hold all the same.
func TestReleaseWithAllRequestsIsJudgedBy(t *testing.T) {
	failing := timed(100, 300*time.Millisecond)
	failing.Errors = 30
	usual := deploy.Analysis{Requests: 100, Errors: 1, Latency: 1.5}
	bound := usual
	bound.P95 = 100 * time.Millisecond
	for _, c := range []struct {
		name     string
		settings deploy.Analysis
		new      analysis.Counts
		evidence string // "": it passes
	}{
		{"no times of before", usual, timed(100, 300*time.Millisecond), ""},
		{"its errors", usual, failing, "errors: "},
		{"a bound on its times", bound, timed(100, 300*time.Millisecond), "p95 latency: "},
		{"a bound that it keeps", bound, timed(100, 30*time.Millisecond), ""},
	} {
		x := (&service{name: "web"}).comparison(deploy.Rollout{From: 1, To: 2}, rollout.Stage{Split: true, Old: 2, Share: 100}, c.settings)
		x.past(timed(1000, 10*time.Millisecond))
		var evidence []string
		for range 20 {
			evidence = x.look(timed(2, 10*time.Millisecond), c.new) // what old had been asked before
		}
		state, summary := x.now()
		if got := strings.Join(evidence, "\n"); !strings.Contains(got, c.evidence) || (got == "") != (c.evidence == "") || (state == analysis.NotWorse) != (c.evidence == "") {
			t.Errorf("%s: %v, %s\n%s", c.name, state, summary, got)
		}
	}
}

func TestErrorsWhileWarmingUpCount(t *testing.T) {
	s := &service{name: "web"}
	c := s.comparison(deploy.Rollout{From: 1, To: 2}, beside, deploy.Analysis{Requests: 100, Errors: 1, Latency: 1.5, Warmup: time.Hour})
	bad := timed(20, time.Second)
	bad.Errors = 20
	var evidence []string
	for range 10 {
		evidence = c.look(timed(100, time.Second), bad)
	}
	if !strings.Contains(strings.Join(evidence, "\n"), "errors: ") {
		t.Errorf("%v", evidence)
	}
}

// Each release's counts are of the service's own, of its copies where it gets
// nothing else.
func TestComparisonReadsItsServiceAlone(t *testing.T) {
	of := func(release string, n, copies int64) proxy.ReleaseStatus {
		return proxy.ReleaseStatus{Release: release, Counts: proxy.Counts{Requests: n}, Copies: &proxy.Counts{Requests: copies}}
	}
	st := proxy.Status{Services: []proxy.ServiceStatus{
		{Name: "other", Releases: []proxy.ReleaseStatus{of("1", 1000, 0), of("2", 1000, 0)}},
		{Name: "web", Releases: []proxy.ReleaseStatus{of("1", 70, 1), of("2", 5, 30), of("3", 500, 500)}},
	}}
	for mirror, want := range map[int]int64{0: 5, 50: 30} {
		c := (&service{name: "web"}).comparison(deploy.Rollout{From: 1, To: 2}, rollout.Stage{Mirror: mirror}, deploy.Analysis{})
		if old, new := c.since(1, st); old.Requests != 70 || new.Requests != want {
			t.Errorf("mirror %d: old %d, new %d", mirror, old.Requests, new.Requests)
		}
		if old, new := c.since(1, st); old.Requests != 0 || new.Requests != 0 {
			t.Errorf("nothing more: old %d, new %d", old.Requests, new.Requests)
		}
		if old, new := c.since(2, st); old.Requests != 70 || new.Requests != want {
			t.Errorf("another proxy: old %d, new %d", old.Requests, new.Requests)
		}
	}
}

func TestStageIsPassedWhenNothingIsMissing(t *testing.T) {
	yes, no := &check{Check: deploy.Check{Name: "a"}, yes: true}, &check{Check: deploy.Check{Name: "b"}, last: errors.New("not well")}
	for _, c := range []struct {
		name   string
		checks []*check
		manual bool
		lasted bool
		pass   bool
		note   string
	}{
		{"before its time", []*check{yes}, false, false, false, "until "},
		{"a check said yes", []*check{yes}, false, true, true, ""},
		{"another said no", []*check{yes, no}, false, true, false, "check b: not well"},
		{"somebody's word", nil, true, true, true, "waiting for `segue promote`"},
	} {
		var note string
		w := &watch{r: deploy.Rollout{StageAt: time.Now()}, stage: rollout.Stage{Manual: c.manual}, checks: c.checks, told: func(n string) { note = n }}
		if got := w.look(c.lasted); got != c.pass || !strings.Contains(note, c.note) {
			t.Errorf("%s: %t, %q", c.name, got, note)
		}
	}
}
