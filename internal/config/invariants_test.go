package config

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

// checkFileInvariants checks anew, by other code than the parser's, what an
// accepted file must fulfil.
func checkFileInvariants(t *testing.T, f *File) {
	t.Helper()
	if len(f.Services) == 0 {
		t.Error("accepted without a service")
	}
	names := map[string]bool{}
	for i := range f.Services {
		s := &f.Services[i]
		if names[s.Name] || s.Name == "" {
			t.Errorf("name %q is empty or there twice", s.Name)
		}
		names[s.Name] = true
		checkService(t, s)
	}
}

func checkService(t *testing.T, s *Service) {
	t.Helper()
	want := func(ok bool, what string) {
		t.Helper()
		if !ok {
			t.Errorf("service %s: not %s: %+v", s.Name, what, s.Service)
		}
	}
	want(len(s.Command) > 0 && s.Command[0] != "", "a command")
	want(len(s.Files) > 0 && !slices.ContainsFunc(s.Files, func(f string) bool { return !filepath.IsLocal(f) }), "files inside the source folder")
	want(filepath.IsAbs(s.Dir), "an absolute folder")
	want(s.Line > 0 && s.Column > 0, "a position")
	want(s.Replicas >= 0 && s.Keep >= 2, "counts")
	want(slices.Equal(s.EnvNames, s.Env.Names()), "the names of the environment")
	want(s.Stop.Timeout > 0 && s.Stop.Signal != "" && s.Drain.Delay >= 0 && s.Drain.Timeout >= 0, "an end")
	st := s.Strategy
	want(st.Overlap == (st.Type != deploy.Recreate) && st.ProgressDeadline > st.MinReady, "a strategy")
	want(st.Surge > 0 || st.Unavailable > 0 || s.Replicas == 0, "able to move")
	want(st.Overlap || st.Surge == 0 && st.Unavailable >= max(1, s.Replicas), "stop-first without overlap")
	want(!st.Beside() || s.Proxied(), "requests that can be divided")
	want((len(st.Steps) > 0) == (st.Type == deploy.Canary), "steps of a canary")
	want(startupBudget(s.Probes.Startup)+st.MinReady <= st.ProgressDeadline, "time to start")
	for _, p := range []*deploy.Probe{s.Probes.Startup, s.Probes.Readiness, s.Probes.Liveness} {
		want(p == nil || checkProbe(p, s.Proxied()), "a probe that can be asked")
	}
	want(s.Worker() == (s.Via == ""), "a way for requests")
	want(!s.Worker() || s.TLS == nil && s.Routes == nil && s.Proxy.Protocol == "", "a worker")
	want(!s.Proxied() || s.Probes.Readiness != nil && s.Proxy.MaxHeader > 0, "behind the proxy")
	want(!s.Inherits() || s.TLS == nil && s.Routes == nil && s.Proxy.Protocol == "", "without a proxy")
	want(s.Inherits() || !s.Socket.PerInstance, "a socket to inherit")
}

func checkProbe(p *deploy.Probe, port bool) bool {
	kinds := 0
	for _, set := range []bool{p.HTTP != "", p.TCP, len(p.Exec) > 0, p.Notify} {
		if set {
			kinds++
		}
	}
	return kinds == 1 && p.Every > 0 && p.Timeout > 0 && p.Failures > 0 && p.Successes > 0 && (port || p.HTTP == "" && !p.TCP)
}
