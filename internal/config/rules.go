package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// What an absent startup probe asks, and for how long.
const (
	impliedEvery  = 100 * time.Millisecond
	impliedBudget = time.Minute
)

// probes checks the questions and fills in those that are implied.
func (s scope) probes(set *probes, via deploy.Via) deploy.Probes {
	var out deploy.Probes
	if p := set.Startup; p != nil {
		out.Startup = s.probe("probes.startup", p.question, via, p.Every, p.Timeout, p.Failures, p.Successes)
		s.notify(out.Startup, p.Notify)
	}
	if p := set.Readiness; p != nil {
		out.Readiness = s.probe("probes.readiness", p.question, via, p.Every, p.Timeout, p.Failures, p.Successes)
	} else if via == deploy.ViaProxy {
		out.Readiness = &deploy.Probe{TCP: true, Every: time.Second, Timeout: time.Second, Failures: 3, Successes: 1}
	}
	if p := set.Liveness; p != nil {
		out.Liveness = s.probe("probes.liveness", p.question, via, p.Every, p.Timeout, p.Failures, p.Successes)
	}
	return out
}

// probe checks that exactly one question is asked, and that it can be.
func (s scope) probe(path string, q question, via deploy.Via, every, timeout duration, failures, successes count) *deploy.Probe {
	var kinds []string
	for _, k := range []string{"http", "tcp", "exec", "notify"} {
		if s.has(path + "." + k) {
			kinds = append(kinds, k)
		}
	}
	_, section := s.find(path)
	switch {
	case section.kind != mapping || s.failed(path): // reported by decode
	case len(kinds) == 0:
		s.fail(path, "the probe asks nothing", "give it one of http: /path, tcp: true, exec: command")
	case len(kinds) > 1:
		s.fail(path+"."+kinds[1], "a probe asks one question, and this one has "+strings.Join(kinds, " and "), "keep one of them")
	case via == deploy.ViaSocket && (kinds[0] == "http" || kinds[0] == "tcp"):
		s.fail(path+"."+kinds[0], "with via: socket an instance has no port of its own: whichever accepts first would answer", "use exec, or startup: {notify: true} for a program that says READY=1")
	case via == "" && (kinds[0] == "http" || kinds[0] == "tcp"):
		s.fail(path+"."+kinds[0], "this service is a worker: it has no port to ask at", "use exec, or give the service a listen address")
	case kinds[0] == "http":
		s.checkProbePath(path+".http", string(q.HTTP))
	case kinds[0] == "tcp" && !bool(q.TCP):
		s.fail(path+".tcp", "the probe asks nothing", "write tcp: true, or take the probe out")
	}
	return &deploy.Probe{HTTP: string(q.HTTP), TCP: bool(q.TCP), Exec: q.Exec,
		Every: time.Duration(every), Timeout: time.Duration(timeout), Failures: int(failures), Successes: int(successes)}
}

// notify makes the startup probe wait for the instance's word. A question about
// it lasts as long as the pause between two, so that the answer is not late.
func (s scope) notify(p *deploy.Probe, yes boolean) {
	if s.has("probes.startup.notify") && !bool(yes) && !s.failed("probes.startup.notify") {
		s.fail("probes.startup.notify", "the probe asks nothing", "write notify: true, or take the probe out")
	}
	if p.Notify = bool(yes); p.Notify {
		p.Timeout = p.Every
	}
}

func (s scope) checkProbePath(path, value string) {
	switch {
	case strings.Contains(value, "://"):
		s.fail(path, "this is a URL; a probe asks the instance itself", "write the path alone: /health")
	case !strings.HasPrefix(value, "/"):
		s.fail(path, "the path does not start with /", "write it like /health")
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }):
		s.fail(path, "a path holds no spaces, no # and only ASCII", "write other characters as %XX")
	}
}

// defaultDeadline is long enough for slow starts and short enough that nobody
// waits for nothing, as in Kubernetes.
const defaultDeadline = 10 * time.Minute

// deadlines fills in the startup probe and the progress deadline, which depend
// on one another.
func (s scope) deadlines(out *deploy.Service, to *deploy.Strategy, st strategy) {
	to.ProgressDeadline = time.Duration(st.ProgressDeadline)
	given := s.has("strategy.progress_deadline") && to.ProgressDeadline > 0
	if !given {
		end := out.Drain.Delay + out.DrainTime() + out.Stop.Timeout
		to.ProgressDeadline = max(defaultDeadline, 2*(startupBudget(out.Probes.Startup)+to.MinReady), 2*end)
	}
	if given && to.MinReady >= to.ProgressDeadline {
		s.fail("strategy.progress_deadline", "the deadline ends before min_ready ("+to.MinReady.String()+") has passed", "make it longer")
		return
	}
	if budget := startupBudget(out.Probes.Startup); given && budget+to.MinReady > to.ProgressDeadline {
		s.fail("strategy.progress_deadline", fmt.Sprintf("the deadline ends before startup may fail: failures × every = %s, and min_ready = %s", budget, to.MinReady),
			"make it longer, or give startup fewer failures")
	}
	if out.Probes.Startup == nil && out.Probes.Readiness != nil {
		out.Probes.Startup = implied(out.Probes.Readiness, to.ProgressDeadline-to.MinReady)
	}
}

// startupBudget is the time that a startup probe gives, 0 for none.
func startupBudget(p *deploy.Probe) time.Duration {
	if p == nil {
		return 0
	}
	return time.Duration(min(float64(p.Every)*float64(p.Failures), float64(maxDuration)))
}

// implied is the startup probe that goes with a readiness probe: the same
// question, asked often, for no longer than the rollout waits.
func implied(readiness *deploy.Probe, most time.Duration) *deploy.Probe {
	p := *readiness
	p.Every, p.Successes = impliedEvery, 1
	p.Failures = max(1, int(min(impliedBudget, most)/impliedEvery))
	return &p
}
