package manifest

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/deploy"
)

// web is a service with what segue.yaml gives it where it says nothing.
func web() *deploy.Service {
	ask := deploy.Probe{HTTP: "/ready", Every: time.Second, Timeout: time.Second, Failures: 3, Successes: 1}
	startup := ask
	startup.Every, startup.Failures = 100*time.Millisecond, 600
	return &deploy.Service{
		Name: "shop", Listen: []string{":8080"}, Command: []string{"bin/shop"}, Replicas: 3, Keep: 5,
		Probes:   deploy.Probes{Startup: &startup, Readiness: &ask},
		Strategy: deploy.Strategy{Type: deploy.Rolling, Surge: 1, Overlap: true, ProgressDeadline: 10 * time.Minute},
		Drain:    deploy.Drain{Timeout: 30 * time.Second, Spread: 5 * time.Second},
		Stop:     deploy.Stop{Signal: "TERM", Timeout: 10 * time.Second},
		Limits:   deploy.Limits{Memory: 256 << 20, CPU: 1},
		Proxy:    deploy.Proxy{Protocol: deploy.HTTP1},
		Kubernetes: &deploy.Kubernetes{Image: "registry.example.com/shop:1.4",
			Requests: deploy.Limits{Memory: 128 << 20, CPU: 0.25}},
	}
}

// worker is web without an address, and so without what is asked at it.
func worker() *deploy.Service {
	s := web()
	s.Listen, s.Probes, s.Strategy.MinReady = nil, deploy.Probes{}, time.Second
	return s
}

func change(s *deploy.Service, f func(*deploy.Service)) *deploy.Service { f(s); return s }

// What a pod gets to end in is all that it needs, one after the other.
func TestGraceIsTheSumOfWhatAPodNeeds(t *testing.T) {
	for name, c := range map[string]struct {
		spec           *deploy.Service
		preStop, grace time.Duration
	}{
		"in the cluster alone": {web(), 5 * time.Second, 50 * time.Second},
		"behind a gateway":     {change(web(), func(s *deploy.Service) { s.Kubernetes.Front.Gateway = "public" }), 10 * time.Second, 55 * time.Second},
		"behind a balancer":    {change(web(), func(s *deploy.Service) { s.Kubernetes.Front.LoadBalancer = true }), 20 * time.Second, 65 * time.Second},
		"as somebody says":     {change(web(), func(s *deploy.Service) { s.Kubernetes.Deregistration = 1500 * time.Millisecond }), 2 * time.Second, 47 * time.Second},
		"a longer delay":       {change(web(), func(s *deploy.Service) { s.Drain.Delay = 7 * time.Second }), 7 * time.Second, 52 * time.Second},
		"a route's own drain":  {change(web(), func(s *deploy.Service) { s.Routes = []deploy.Route{{Path: "/ws", Drain: 10 * time.Minute}} }), 5 * time.Second, 620 * time.Second},
		"parts of seconds": {change(web(), func(s *deploy.Service) {
			s.Drain.Spread, s.Stop.Timeout = 5100*time.Millisecond, 10200*time.Millisecond
		}), 5 * time.Second, 51 * time.Second},
		"a worker":         {worker(), 0, 10 * time.Second},
		"a worker's delay": {change(worker(), func(s *deploy.Service) { s.Drain.Delay = 3 * time.Second }), 3 * time.Second, 13 * time.Second},
	} {
		if got := PreStop(c.spec); got != c.preStop {
			t.Errorf("%s: preStop %v, want %v", name, got, c.preStop)
		}
		if got := Grace(c.spec); got != c.grace {
			t.Errorf("%s: grace %v, want %v", name, got, c.grace)
		}
	}
}

// A probe in whole seconds takes as long to say yes or no as it would have.
func TestProbesKeepTheirTime(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		every, timeout                       time.Duration
		failures, successes                  int
		wantPeriod, wantTimeout, wantNo, yes int32
	}{
		"whole seconds":   {5 * time.Second, 4 * time.Second, 3, 2, 5, 4, 3, 2},
		"ten a second":    {100 * ms, 100 * ms, 600, 1, 1, 1, 60, 1},
		"rounded up":      {300 * ms, 200 * ms, 5, 4, 1, 1, 2, 2},
		"less than a one": {10 * ms, 1 * ms, 3, 3, 1, 1, 1, 1},
		"more than a one": {1500 * ms, 1100 * ms, 4, 1, 2, 2, 3, 1},
		"nothing said":    {0, 0, 0, 0, 1, 1, 1, 1},
	} {
		got := probe(web(), &deploy.Probe{TCP: true, Every: c.every, Timeout: c.timeout, Failures: c.failures, Successes: c.successes})
		if got.PeriodSeconds != c.wantPeriod || got.TimeoutSeconds != c.wantTimeout || got.FailureThreshold != c.wantNo || got.SuccessThreshold != c.yes {
			t.Errorf("%s: every %d s, timeout %d s, %d no, %d yes", name, got.PeriodSeconds, got.TimeoutSeconds, got.FailureThreshold, got.SuccessThreshold)
		}
		if was, is := c.every*time.Duration(c.failures), time.Duration(got.PeriodSeconds*got.FailureThreshold)*time.Second; is < was || is > was+2*time.Second {
			t.Errorf("%s: a no takes %v, and took %v", name, is, was)
		}
	}
}

func TestWhatIsAskedWhereNothingIsSaid(t *testing.T) {
	s := web()
	s.Probes = deploy.Probes{}
	if p := readinessProbe(s); p == nil || p.TCPSocket == nil {
		t.Errorf("readiness asks %v; a pod without it has requests before it listens", p)
	}
	if p := startupProbe(s); p == nil || p.PeriodSeconds*p.FailureThreshold != 60 {
		t.Errorf("startup asks %v", p)
	}
	if p := livenessProbe(s); p != nil {
		t.Errorf("liveness asks %v, for which nobody has asked", p)
	}
	if p := startupProbe(worker()); p != nil {
		t.Errorf("a worker is asked %v", p)
	}
	s.Probes.Startup = &deploy.Probe{Notify: true}
	if p := startupProbe(s); p == nil || p.TCPSocket == nil {
		t.Errorf("in place of READY=1, startup asks %v", p)
	}
}

// A second is enough where there is one program to ask.
func TestAProgramHasTimeToAnswer(t *testing.T) {
	s := web()
	s.Probes.Liveness = &deploy.Probe{Exec: []string{"check", "$PORT", "$OTHER"}, Every: time.Second, Timeout: time.Second, Failures: 30, Successes: 2}
	for name, p := range map[string]*corev1.Probe{"readiness": readinessProbe(s), "liveness": livenessProbe(s)} {
		if p.TimeoutSeconds != 3 {
			t.Errorf("%s: timeout %d s", name, p.TimeoutSeconds)
		}
	}
	if p := livenessProbe(s); p.SuccessThreshold > 1 || !slices.Equal(p.Exec.Command, []string{"check", "8080", "$OTHER"}) {
		t.Errorf("liveness: %v", p)
	}
}

func TestProgressDeadlineIsAfterStartAndMinReady(t *testing.T) {
	for name, c := range map[string]struct {
		spec *deploy.Service
		want time.Duration
	}{
		"the service's":    {web(), 10 * time.Minute},
		"too short a time": {change(web(), func(s *deploy.Service) { s.Strategy.ProgressDeadline = time.Second }), (60 + 5 + 60) * time.Second},
		"a slow start": {change(web(), func(s *deploy.Service) {
			s.Probes.Startup.Every, s.Probes.Startup.Failures = 10*time.Second, 90
		}), (900 + 5 + 60) * time.Second},
		"a worker": {worker(), 10 * time.Minute},
	} {
		if got := progressDeadline(c.spec); got != c.want || got <= minReady(c.spec) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestANodeCanAlwaysBeDrained(t *testing.T) {
	for name, c := range map[string]struct {
		spec *deploy.Service
		want int
	}{
		"three":            {web(), 1},
		"one":              {change(web(), func(s *deploy.Service) { s.Replicas = 1 }), 1},
		"none":             {change(web(), func(s *deploy.Service) { s.Replicas = 0 }), 1},
		"a hundred":        {change(web(), func(s *deploy.Service) { s.Replicas = 100 }), 10},
		"two of three":     {change(web(), func(s *deploy.Service) { s.Strategy.Unavailable = 2 }), 2},
		"all of three":     {change(web(), func(s *deploy.Service) { s.Strategy.Unavailable = 3 }), 2},
		"recreated":        {change(web(), func(s *deploy.Service) { s.Strategy = deploy.Strategy{Type: deploy.Recreate, Unavailable: 3} }), 1},
		"down to twenty":   {change(web(), func(s *deploy.Service) { s.Kubernetes.Autoscale = &deploy.Autoscale{Min: 20, Max: 90, CPU: 70} }), 2},
		"no Kubernetes":    {change(web(), func(s *deploy.Service) { s.Kubernetes = nil }), 1},
		"a worker's three": {worker(), 1},
	} {
		b := Budget(c.spec, Options{})
		if got := b.Spec.MaxUnavailable.IntValue(); got != c.want || b.Spec.MinAvailable != nil {
			t.Errorf("%s: %d may be evicted at once, want %d", name, got, c.want)
		}
	}
}

func TestCommandIsWrittenAsKubernetesReadsIt(t *testing.T) {
	vars := variables(web(), Options{Release: 7})
	for word, want := range map[string]string{
		"bin/shop":           "bin/shop",
		"--port=$PORT":       "--port=$(PORT)",
		"${PORT}0":           "$(PORT)0",
		"$DATABASE_URL":      "$(DATABASE_URL)",
		"$SEGUE_RELEASE":     "$(SEGUE_RELEASE)",
		"$UNKNOWN":           "$$UNKNOWN",
		"$(PORT)":            "$$(PORT)",
		"$$PORT":             "$$$$PORT",
		"$1 costs 5$":        "$$1 costs 5$$",
		"$${PORT} and $PORT": "$$$${PORT} and $(PORT)",
	} {
		if got := command([]string{word}, []string{"DATABASE_URL"}, vars)[0]; got != want {
			t.Errorf("%q is written as %q, want %q", word, got, want)
		}
	}
}

func TestPortIsOneThatAnybodyMayOpen(t *testing.T) {
	for address, want := range map[string]int32{":8080": 8080, "127.0.0.1:3000": 3000, "[::]:80": 8080, ":443": 8080, ":1024": 1024} {
		if got := Port(&deploy.Service{Listen: []string{address}}); got != want {
			t.Errorf("%s: the program listens on %d, want %d", address, got, want)
		}
	}
}
