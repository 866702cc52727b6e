package ecs

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

var update = flag.Bool("update", false, "write testdata anew")

// shop is a service that uses most of what ECS can do.
func shop() *deploy.Service {
	return &deploy.Service{
		Name: "shop", Listen: []string{":80"}, Command: []string{"/bin/shop", "-listen", ":$PORT"}, Replicas: 3,
		EnvNames: []string{"DATABASE_URL", "LOG_LEVEL", "TOKEN"},
		Probes: deploy.Probes{
			Startup:   &deploy.Probe{HTTP: "/health", Every: time.Second, Timeout: time.Second, Failures: 60, Successes: 1},
			Readiness: &deploy.Probe{HTTP: "/ready", Every: 2 * time.Second, Timeout: time.Second, Failures: 3, Successes: 1},
		},
		Strategy: deploy.Strategy{Type: deploy.Rolling, Surge: 1},
		Drain:    deploy.Drain{Timeout: 30 * time.Second}, Stop: deploy.Stop{Signal: "TERM", Timeout: 10 * time.Second},
		Proxy: deploy.Proxy{Protocol: deploy.HTTP1},
		ECS: &deploy.ECS{
			Region: "eu-central-1", Cluster: "prod", Image: "registry.example.com/shop@sha256:" + strings.Repeat("a", 64),
			Subnets: []string{"subnet-1", "subnet-2"}, SecurityGroups: []string{"sg-1"},
			TargetGroup:   "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/shop/1",
			ExecutionRole: "arn:aws:iam::111122223333:role/exec", TaskRole: "arn:aws:iam::111122223333:role/shop",
			LogGroup: "/shop", Plain: []string{"LOG_LEVEL"},
			Secrets: map[string]string{"TOKEN": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:token"},
		},
	}
}

// beside is the shop with what blue-green and canary need.
func beside(s deploy.Strategy) *deploy.Service {
	spec := shop()
	spec.Strategy = s
	spec.ECS.AlternateTargetGroup = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/shop2/2"
	spec.ECS.ListenerRule = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener-rule/app/shop/1/2/3"
	spec.ECS.TestListenerRule = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:listener-rule/app/shop/1/2/4"
	spec.ECS.BalancerRole = "arn:aws:iam::111122223333:role/balancer"
	return spec
}

var services = map[string]*deploy.Service{
	"rolling":    shop(),
	"blue-green": beside(deploy.Strategy{Type: deploy.BlueGreen, Bake: 5 * time.Minute, Manual: true, Preview: &deploy.Preview{Listen: ":81"}}),
	"canary":     beside(deploy.Strategy{Type: deploy.Canary, Steps: []deploy.CanaryStep{{Weight: 10, For: 90 * time.Second}, {Weight: 100}}}),
	"linear":     beside(deploy.Strategy{Type: deploy.Canary, Steps: []deploy.CanaryStep{{Weight: 25, For: time.Minute}, {Weight: 50, For: time.Minute}, {Weight: 75, For: time.Minute}}}),
	"worker":     worker(),
}

func worker() *deploy.Service {
	spec := shop()
	spec.Name, spec.Listen, spec.Command = "worker", nil, []string{"/bin/worker"}
	spec.ECS.TargetGroup = ""
	spec.Strategy = deploy.Strategy{Type: deploy.Recreate}
	spec.Probes = deploy.Probes{Liveness: &deploy.Probe{Exec: []string{"/bin/worker", "-health"}, Every: time.Second, Timeout: 500 * time.Millisecond, Failures: 20}}
	spec.ECS.Alarms = []string{"queue-too-long"}
	return spec
}

func TestRenderedIsAsInTestdata(t *testing.T) {
	for name, spec := range services {
		t.Run(name, func(t *testing.T) {
			r, err := Render(spec, Options{Env: deploy.Environment{"LOG_LEVEL": "info", "TOKEN": "hush", "DATABASE_URL": "postgres://hush"}})
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			files, err := r.Files(spec)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				got.WriteString("-- " + f.Name + " --\n" + string(f.Data))
			}
			got.WriteString("-- notes --\n" + strings.Join(r.Notes, "\n") + "\n")
			if strings.Contains(got.String(), "hush") {
				t.Errorf("a secret is in what is rendered")
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("%s is otherwise now (go test -update writes it anew):\n%s", path, got.String())
			}
		})
	}
}

// A task count between the bounds must be one that rolling allows, by ECS' own
// rounding: the least up, the most down.
func TestPercentsAllowWhatTheStrategyDoes(t *testing.T) {
	for n := 1; n <= 300; n++ {
		for _, budget := range [][2]int{{1, 0}, {0, 1}, {1, 1}, {2, 1}, {n, 0}, {(n + 3) / 4, n / 4}} {
			surge, unavailable := min(budget[0], n), min(budget[1], n)
			least, most := percents(n, surge, unavailable)
			running, all := (n*int(least)+99)/100, n*int(most)/100
			if running < n-unavailable {
				t.Errorf("%d tasks, %d unavailable: %d%% lets %d run", n, unavailable, least, running)
			}
			if n <= 100 && (running != n-unavailable || all != n+surge) {
				t.Errorf("%d tasks +%d -%d: %d%% to %d%% are %d to %d tasks", n, surge, unavailable, least, most, running, all)
			}
			if all < n+surge {
				t.Errorf("%d tasks, surge %d: %d%% lets %d run", n, surge, most, all)
			}
		}
	}
}

func TestWhatECSCannotDoIsRefusedWithItsMend(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*deploy.Service)
		key   string
	}{
		"stop too long": {func(s *deploy.Service) { s.Stop.Timeout = 3 * time.Minute }, "stop.timeout"},
		"drain too long without a balancer": {func(s *deploy.Service) {
			s.ECS.TargetGroup, s.Drain.Timeout = "", 3*time.Minute
		}, "stop.timeout"},
		"no image":             {func(s *deploy.Service) { s.ECS.Image = "" }, "ecs.image"},
		"no subnet":            {func(s *deploy.Service) { s.ECS.Subnets = nil }, "ecs.subnets"},
		"a size of no task":    {func(s *deploy.Service) { s.ECS.CPU, s.ECS.Memory = 256, 4096 }, "ecs.memory"},
		"an odd CPU":           {func(s *deploy.Service) { s.ECS.CPU = 300 }, "ecs.cpu"},
		"a secret in argv":     {func(s *deploy.Service) { s.Command = []string{"/bin/shop", "$TOKEN"} }, "release.command"},
		"no role":              {func(s *deploy.Service) { s.ECS.ExecutionRole = "" }, "ecs.execution_role"},
		"logs nowhere":         {func(s *deploy.Service) { s.ECS.Region = "" }, "ecs.region"},
		"hooks":                {func(s *deploy.Service) { s.Hooks.Before = []deploy.Hook{{Name: "migrate"}} }, "hooks"},
		"a database":           {func(s *deploy.Service) { s.Migrate = &deploy.Migrate{Dir: "migrations", URL: "DATABASE_URL"} }, "migrate"},
		"checks nobody asks":   {func(s *deploy.Service) { s.Strategy.Checks = []deploy.Check{{Name: "errors"}} }, "strategy.checks"},
		"blue-green, one TG":   {func(s *deploy.Service) { s.Strategy.Type = deploy.BlueGreen }, "strategy.type"},
		"a worker behind a TG": {func(s *deploy.Service) { s.Listen = nil }, "ecs.target_group"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := shop()
			test.spoil(spec)
			_, err := Render(spec, Options{})
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("it was rendered: %v", err)
			}
			if faults[0].Key != test.key || faults[0].Mend == "" {
				t.Errorf("first fault is %+v, of %d", faults[0], len(faults))
			}
		})
	}
}

func TestCanariesThatECSDoesNotKnowAreRefused(t *testing.T) {
	for name, steps := range map[string][]deploy.CanaryStep{
		"uneven":  {{Weight: 5}, {Weight: 50}},
		"waits":   {{Weight: 25, For: time.Minute}, {Weight: 50, For: time.Hour}, {Weight: 75}},
		"short":   {{Weight: 10}, {Weight: 20}},
		"tiny":    {{Weight: 2}, {Weight: 4}},
		"matches": {{Match: &deploy.Match{Header: "X-New"}}},
		"mirrors": {{Mirror: 10}},
	} {
		if _, err := Render(beside(deploy.Strategy{Type: deploy.Canary, Steps: steps}), Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Behind a balancer, requests have ended before the signal: only what comes
// after it must fit into what Fargate gives.
func TestALongDrainFitsBehindABalancer(t *testing.T) {
	spec := shop()
	spec.Drain.Timeout = 10 * time.Minute
	r, err := Render(spec, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := *r.Task.ContainerDefinitions[0].StopTimeout; got != 120 {
		t.Errorf("stopTimeout is %d", got)
	}
	if got := r.Attributes[0].Attributes[0].Value; got != "600" {
		t.Errorf("the deregistration delay is %s", got)
	}
}

func TestFilesAreJSON(t *testing.T) {
	r, err := Render(services["blue-green"], Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Files(services["blue-green"])
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !json.Valid(f.Data) {
			t.Errorf("%s is no JSON", f.Name)
		}
	}
}
