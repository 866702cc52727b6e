package kubernetes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The first six are the examples that the Deployment controller's own source
// gives; of the others nothing is said, 25 % each.
func TestPaceIsWhatTheDeploymentControllerComputes(t *testing.T) {
	for _, c := range []struct {
		replicas           int
		surge, unavailable string
		wantSurge, want    int
	}{
		{2, "0%", "1%", 0, 1},
		{1, "0%", "1%", 0, 1},
		{2, "1%", "25%", 1, 0},
		{1, "1%", "25%", 1, 0},
		{2, "1%", "0%", 1, 0},
		{1, "1%", "0%", 1, 0},
		{1, "", "", 1, 0},
		{3, "", "", 1, 0},
		{4, "", "", 1, 1},
		{5, "", "", 2, 1},
		{10, "50%", "100%", 5, 10},
		{3, "", "50%", 1, 1},
		{3, "0", "3", 0, 3},
		{3, "nonsense", "1", 0, 1},
	} {
		d := &appsv1.Deployment{}
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{}
		for said, field := range map[string]**intstr.IntOrString{
			c.surge: &d.Spec.Strategy.RollingUpdate.MaxSurge, c.unavailable: &d.Spec.Strategy.RollingUpdate.MaxUnavailable} {
			if said != "" {
				v := intstr.Parse(said)
				*field = &v
			}
		}
		got, ok := (&Workload{Deployment: d}).Pace(c.replicas)
		if !ok || got.Surge != c.wantSurge || got.Unavailable != c.want {
			t.Errorf("%d replicas, surge %q, unavailable %q: surge %d and unavailable %d, want %d and %d",
				c.replicas, c.surge, c.unavailable, got.Surge, got.Unavailable, c.wantSurge, c.want)
		}
	}
}

func TestABudgetPermitsWhatTheDisruptionControllerGrants(t *testing.T) {
	for _, c := range []struct {
		pods        int
		unavailable string
		available   string
		want        int
		ok          bool
	}{
		{3, "1", "", 1, true},
		{3, "30%", "", 1, true}, // rounded up
		{3, "34%", "", 2, true},
		{3, "100%", "", 3, true},
		{3, "7", "", 3, true},
		{3, "", "2", 1, true},
		{3, "", "50%", 1, true}, // two have to stay
		{1, "", "1%", 0, true},
		{2, "", "50%", 1, true},
		{2, "", "3", 0, true},
		{0, "0", "", 0, true},
		{0, "0%", "", 0, true},
		{0, "", "100%", 0, true},
		{0, "1", "", 0, false}, // of how many is not known
	} {
		b := &Budget{}
		if c.unavailable != "" {
			v := intstr.Parse(c.unavailable)
			b.Is.Spec.MaxUnavailable = &v
		}
		if c.available != "" {
			v := intstr.Parse(c.available)
			b.Is.Spec.MinAvailable = &v
		}
		got, ok := Guarded{pods: c.pods, known: c.pods > 0}.permits(b)
		if got != c.want || ok != c.ok {
			t.Errorf("of %d pods maxUnavailable %q, minAvailable %q permits %d, %v; want %d, %v",
				c.pods, c.unavailable, c.available, got, ok, c.want, c.ok)
		}
	}
}

func TestAHookIsReadAsAShellRunsIt(t *testing.T) {
	for _, c := range []struct {
		command     []string
		wait, total time.Duration
		quits       string
		known       bool
	}{
		{[]string{"sleep", "10"}, 10 * time.Second, 10 * time.Second, "", true},
		{[]string{"/bin/sleep", "0.5"}, 500 * time.Millisecond, 500 * time.Millisecond, "", true},
		{[]string{"sh", "-c", "sleep 1m"}, time.Minute, time.Minute, "", true},
		{[]string{"/bin/bash", "-ec", "sleep 5; sleep 5"}, 10 * time.Second, 10 * time.Second, "", true},
		{[]string{"sh", "-c", "sleep 10 && nginx -s quit && sleep 20"}, 10 * time.Second, 30 * time.Second, "nginx -s quit", true},
		{[]string{"nginx", "-s", "quit"}, 0, 0, "nginx -s quit", true},
		{[]string{"/usr/sbin/nginx", "-c", "/etc/n.conf", "-s", "quit"}, 0, 0, "nginx -c /etc/n.conf -s quit", true},
		{[]string{"sh", "-c", "kill -QUIT 1; sleep 5"}, 0, 5 * time.Second, "kill -QUIT 1", true},
		{[]string{"sh", "-c", "kill -0 1 && sleep 5"}, 5 * time.Second, 5 * time.Second, "", true},
		{[]string{"sh", "-c", "kill -HUP 1"}, 0, 0, "", false},
		{[]string{"sh", "-c", "while busy; do sleep 1; done"}, time.Second, time.Second, "", false},
		{[]string{"sh", "-c", "sleep $WAIT"}, 0, 0, "", false},
		{[]string{"curl", "-X", "POST", "localhost:8080/drain"}, 0, 0, "", false},
		{[]string{"/wait-shutdown"}, 0, 0, "", false},
		{nil, 0, 0, "", false},
	} {
		hook := &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: c.command}}}
		got := Container{Container: &corev1.Container{Lifecycle: hook}}.PreStop()
		if got.Wait != c.wait || got.Total != c.total || got.Quits != c.quits || got.Known != c.known || got.None {
			t.Errorf("%q: waits %s of %s, quits by %q, known %v; want %s of %s, %q, %v",
				c.command, got.Wait, got.Total, got.Quits, got.Known, c.wait, c.total, c.quits, c.known)
		}
	}
}

func TestProbesHaveKubernetesDefaults(t *testing.T) {
	none := timing(&corev1.Probe{})
	if none.Budget() != 30*time.Second || none.Soonest() != 20*time.Second || none.Timeout != time.Second {
		t.Errorf("a probe that says nothing: %+v", none)
	}
	said := timing(&corev1.Probe{InitialDelaySeconds: 5, PeriodSeconds: 2, FailureThreshold: 4, TimeoutSeconds: 9})
	if said.Budget() != 13*time.Second || said.Soonest() != 11*time.Second || said.toFail() != 8*time.Second {
		t.Errorf("a probe that says all: %+v", said)
	}
}

func TestImagesAreTakenApart(t *testing.T) {
	for ref, want := range map[string]Image{
		"nginx":                                {"nginx", "", ""},
		"nginx:1.29":                           {"nginx", "1.29", ""},
		"registry:5000/web":                    {"registry:5000/web", "", ""},
		"registry:5000/web:1@sha256:abc":       {"registry:5000/web", "1", "sha256:abc"},
		"gcr.io/distroless/static:nonroot":     {"gcr.io/distroless/static", "nonroot", ""},
		"ghcr.io/shop/web@sha256:0123456789ab": {"ghcr.io/shop/web", "", "sha256:0123456789ab"},
	} {
		if got := parseImage(ref); got != want {
			t.Errorf("%s: %+v, want %+v", ref, got, want)
		}
	}
	for ref, want := range map[string]bool{
		"gcr.io/distroless/static-debian12:nonroot":           true,
		"gcr.io/distroless/base-debian12:debug-nonroot":       false,
		"cgr.dev/chainguard/static:latest":                    true,
		"cgr.dev/chainguard/node:latest-dev":                  false,
		"mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled": true,
		"envoyproxy/envoy:distroless-v1.36.2":                 true,
		"registry.example/shop/distroless-tools/web:1":        false,
		"debian:13":                                              false,
		"registry.example/web:1.0-distroless":                    true,
		"europe-docker.pkg.dev/shop/web/static-files:1":          false,
		"mcr.microsoft.com/dotnet/runtime-deps:10.0-noble-extra": false,
	} {
		if got := withoutShell(ref); got != want {
			t.Errorf("%s: without a shell: %v, want %v", ref, got, want)
		}
	}
}

// Which containers serve decides over most rules.
func TestServingAreTheContainersBehindServices(t *testing.T) {
	const pods = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: app
          ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}]
        - name: admin
          ports: [{name: admin, containerPort: 8081}]
        - name: exporter
          ports: [{name: http-metrics, containerPort: 9091}]
`
	for name, c := range map[string]struct{ service, want string }{
		"no Service is known":      {"", "app admin"},
		"a port by number":         {"ports: [{port: 80, targetPort: 8081}]", "admin"},
		"a port by name":           {"ports: [{port: 80, targetPort: http}]", "app"},
		"the same port":            {"ports: [{port: 8080}]", "app"},
		"a port that is not said":  {"ports: [{port: 7000}]", "app"},
		"only metrics":             {"ports: [{name: metrics, port: 9090}]", ""},
		"metrics by target":        {"ports: [{port: 80, targetPort: http-metrics}]", ""},
		"metrics and something":    {"ports: [{name: metrics, port: 9090}, {port: 8081}]", "admin"},
		"a Service of somebody":    {"selector: {app: other}\n  ports: [{port: 80}]", ""},
		"another namespace's":      {"ns", "app admin"},
		"a port of two containers": {"ports: [{port: 8080}, {port: 8081}]", "app admin"},
		"a Service without a port": {"clusterIP: None", ""},
	} {
		text := pods
		switch {
		case c.service == "ns":
			text = strings.Replace(pods, "{name: web}", "{name: web, namespace: a}", 1) +
				"---\napiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: b}\nspec: {selector: {app: web}}\n"
		case strings.HasPrefix(c.service, "selector"):
			text += "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  " + c.service + "\n"
		case c.service != "":
			text += "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  selector: {app: web}\n  " + c.service + "\n"
		}
		var got []string
		for _, s := range world(t, text).Workloads[0].Serving() {
			got = append(got, s.Name)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q serve, want %q", name, s, c.want)
		}
	}
}

func TestSecondsAreSaidAsInManifests(t *testing.T) {
	got := fmt.Sprint(sec(90*time.Second), ", ", sec(1500*time.Millisecond), ", ", sec(0), ", ", whole(1500*time.Millisecond))
	if got != "90 s, 1.5 s, 0 s, 2" {
		t.Error(got)
	}
}
