// Package analysis_test holds what a release that can be told to be bad is worth:
// it goes back by itself, with the evidence, and few users have seen it. One
// that is good, or of which too little is known, does not.
package analysis_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// canary gives the new release a fifth of the requests, for as long as the
// analysis wants.
const canary = `strategy:
  type: canary
  stick: none
  steps: [{weight: 20%, for: 1s}]
  analysis: {requests: 300}`

// started deploys a first release that answers in 15 ms, under a drill.
func started(t *testing.T, rate float64, more string) (*harness.World, *harness.Agent, *harness.Drill) {
	t.Helper()
	w := harness.New(t)
	w.Web(2, "WORK: 15ms", more)
	agent := w.Agent()
	w.Must(0, "deploy")
	return w, agent, w.Drill(rate)
}

// last is the newest rollout, as `segue history` tells of it.
func last(t *testing.T, w *harness.World) deploy.Rollout {
	t.Helper()
	var all []deploy.Rollout
	if err := json.Unmarshal([]byte(w.Must(0, "history", "--json").Out), &all); err != nil || len(all) == 0 {
		t.Fatalf("history: %v", err)
	}
	return all[0]
}

// wentBack fails the test unless the newest rollout was undone for a reason in
// which all of evidence is.
func wentBack(t *testing.T, w *harness.World, ran harness.Ran, evidence ...string) {
	t.Helper()
	r := last(t, w)
	if r.Phase != deploy.RolledBack || ran.Code == 0 {
		t.Fatalf("rollout %d ended as %s: %s\n%s", r.ID, r.Phase, r.Reason, ran)
	}
	t.Logf("%s", r.Reason)
	for _, text := range evidence {
		if !strings.Contains(r.Reason, text) {
			t.Errorf("the history does not have %q", text)
		}
		if !strings.Contains(ran.Out+ran.Err, text) {
			t.Errorf("the command does not say %q:\n%s", text, ran)
		}
	}
	w.AllServing("web", 1, 2)
}

func TestReleaseThatFailsOneRequestInTwentyGoesBack(t *testing.T) {
	w, _, d := started(t, 200, canary)
	w.Web(2, "WORK: 15ms, ERROR_EVERY: 20", canary)
	ran := w.Must(3, "deploy")
	d.More(50)
	r := d.Result()
	wentBack(t, w, ran, "analysis: release 2 answers worse than release 1", "errors: ")
	t.Logf("users' requests that saw an error: %d of %d (%.2f %%) while %d came", r.Lost, r.Sent, 100*float64(r.Lost)/float64(r.Sent), r.Sent)
	if share := float64(r.Lost) / float64(r.Sent); r.Lost == 0 || share > 0.2/20*1.5 {
		t.Errorf("%.3f of all requests failed; the canary's share of them is 0.2, of which a twentieth fails", share)
	}
}

// With a mirror nobody sees an answer of the new release, and it is judged by its
// answers to the copies.
func TestMirroredReleaseIsJudgedByItsAnswersToCopies(t *testing.T) {
	more := strings.Replace(canary, "{weight: 20%, for: 1s}", "{mirror: 50%, for: 1s}, {weight: 50%}", 1)
	w, _, d := started(t, 150, more)
	w.Web(2, "WORK: 15ms, ERROR_EVERY: 4", more)
	ran := w.Must(3, "deploy")
	d.More(50)
	d.None()
	wentBack(t, w, ran, "analysis: release 2 answers worse than release 1", "errors: ")
}

// It is slower by more than a busy machine makes both.
func TestReleaseThatIsSlowerGoesBack(t *testing.T) {
	w, _, d := started(t, 200, canary)
	w.Web(2, "WORK: 250ms", canary)
	ran := w.Must(3, "deploy")
	d.More(50)
	d.None()
	wentBack(t, w, ran, "analysis: release 2 answers worse than release 1", "latency: ", "took longer than")
}

// Where the two never run together, the errors that the old release had before it
// left are what the new one is held against.
func TestRecreatedReleaseIsHeldAgainstWhatWasBefore(t *testing.T) {
	const more = "strategy: { type: recreate, bake: 1s, analysis: {requests: 300} }"
	w, _, d := started(t, 150, more)
	d.More(400)
	w.Web(2, "WORK: 15ms, ERROR_EVERY: 5", more)
	ran := w.Must(3, "deploy")
	d.More(20)
	d.Result() // its errors are seen
	wentBack(t, w, ran, "errors: ", "the old release has none any more")
}

// TestGoodReleasePasses, though its proxy is killed and its agent is, and what
// was counted is lost with them.
func TestGoodReleasePasses(t *testing.T) {
	more := strings.Replace(canary, "requests: 300", "requests: 100, latency: 10", 1) // a busy machine is none of its faults
	w, agent, d := started(t, 150, more)
	w.Web(2, "WORK: 15ms, N: 2", more)
	deploying := w.Background("deploy")
	w.Until("the canary is looked at", func() bool { return strings.Contains(waiting(w), "requests, errors 0 % (old 0 %)") })
	proxy := w.Status().Proxy.PID
	if err := syscall.Kill(proxy, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.Until("there is another proxy", func() bool { pid := w.Status().Proxy.PID; return pid != 0 && pid != proxy })
	d.More(20)
	agent.Kill()
	w.Agent()
	if ran := deploying.Ran(); ran.Code != 0 {
		t.Fatalf("%s", ran)
	}
	d.Result() // what was in flight in the proxy is lost
	w.AllServing("web", 2, 2)
}

// waiting is what the rollout under way waits for.
func waiting(w *harness.World) string {
	if s := w.Service("web").Stage; s != nil {
		return s.Waiting
	}
	return ""
}

// Too few requests neither promote a release nor condemn it.
func TestWithoutRequestsItWaits(t *testing.T) {
	w := harness.New(t)
	asked := filepath.Join(w.Dir, "asked")
	more := fmt.Sprintf(`strategy: { type: canary, steps: [{weight: 50%%, for: 100ms}], analysis: {requests: 20, latency: 20}, checks: [{exec: [sh, -c, "echo >>%s"], every: 200ms}] }`, asked)
	w.Web(1, "N: 1", more)
	w.Agent()
	w.Must(0, "deploy")
	w.Web(1, "N: 2", more)
	deploying := w.Background("deploy")
	w.Until("it waits for requests", func() bool {
		return strings.Contains(waiting(w), "0 requests, errors – (old none); waiting for 20 requests")
	})
	looks := func() int { // each answer of the check has the stage looked at again
		text, err := os.ReadFile(asked)
		if err != nil {
			return 0
		}
		return len(text)
	}
	since := looks()
	w.Until("it was looked at again and again", func() bool { return looks() >= since+10 })
	if s := w.Service("web"); s.Stage == nil || s.Stage.Name == "" || s.Rollout.Phase != deploy.Forward {
		t.Fatalf("without a request, it went on: %+v", s.Rollout)
	}
	d := w.Drill(100)
	if ran := deploying.Ran(); ran.Code != 0 {
		t.Fatalf("%s", ran)
	}
	d.None()
	w.AllServing("web", 2, 1)
}

func TestChecks(t *testing.T) {
	metrics := harness.FreePort(t)
	server := prometheus(t, fmt.Sprintf("127.0.0.1:%d", metrics))
	prom := func(max string) string {
		return fmt.Sprintf(`{name: errors, prometheus: %q, max: %s, every: 200ms, timeout: 10s, failures: 2, query: 'sum(rate(segue_requests_total{release="$SEGUE_RELEASE",code="5xx"}[10s])) / sum(rate(segue_requests_total{release="$SEGUE_RELEASE"}[10s]))'}`, server, max)
	}
	with := func(check string) string {
		return fmt.Sprintf("metrics: 127.0.0.1:%d\nstrategy:\n  type: canary\n  stick: none\n  steps: [{weight: 50%%, for: 100ms}]\n  checks:\n    - %s", metrics, check)
	}
	w := harness.New(t)
	const env = "N: %d, ERROR_EVERY: 10, TOKEN: hunter2"
	w.Web(1, fmt.Sprintf(env, 1), "metrics: "+fmt.Sprintf("127.0.0.1:%d", metrics))
	w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(100, func(p *drill.Plan) { p.Timeout = 30 * time.Second })
	for i, c := range []struct {
		name, check string
		evidence    []string // none: it is passed
	}{
		{"a command says no", `{name: smoke, exec: [sh, -c, "echo of release $SEGUE_RELEASE: $0; exit 3", "all wrong"], every: 100ms}`,
			[]string{"check smoke: no, 3 times in a row", "exit status 3: of release 2: all wrong"}},
		{"a URL says no", fmt.Sprintf(`{name: page, http: "http://127.0.0.1:%d/ready-not?token=$TOKEN", every: 100ms, failures: 1, headers: {Authorization: Bearer $TOKEN}}`, metrics),
			[]string{"check page: no, once", "404 Not Found", "token=$TOKEN"}},
		{"Prometheus counts too much", prom("0.01"), []string{"check errors: no, 2 times in a row", ", above 0.01"}},
		{"Prometheus counts what is bearable", prom("0.5"), nil},
	} {
		w.Web(1, fmt.Sprintf(env, i+2), with(c.check))
		ran := w.Run("deploy")
		r := last(t, w)
		t.Logf("%s: %s %s", c.name, r.Phase, r.Reason)
		if want := map[bool]deploy.Phase{true: deploy.Done, false: deploy.RolledBack}[c.evidence == nil]; r.Phase != want {
			t.Errorf("%s: %s, want %s\n%s", c.name, r.Phase, want, ran)
		}
		for _, text := range c.evidence {
			if !strings.Contains(r.Reason, text) || strings.Contains(r.Reason, "hunter2") {
				t.Errorf("%s: %q is not in %s", c.name, text, r.Reason)
			}
		}
	}
	d.Result() // the service fails a tenth
}
