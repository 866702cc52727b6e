package kubernetes

import (
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/linttest"
)

// one is a Deployment whose spec, pod's spec and container are given in braces.
func one(spec, pod, container string) string {
	return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  ` + orNothing(spec) + `
  template:
    metadata: {labels: {app: web}}
    spec:
      ` + orNothing(pod) + `
      containers:
        - name: app
          ` + orNothing(container) + `
          ports: [{containerPort: 8080}]
`
}

func orNothing(lines string) string {
	if lines == "" {
		return "# nothing"
	}
	return lines
}

const keda = `---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web}
spec:
  scaleTargetRef: {name: web}
  minReplicaCount: 1
`

const albBefore = `---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
    kubernetes.io/ingress.class: alb
    alb.ingress.kubernetes.io/target-type: TYPE
spec:
  defaultBackend: {service: {name: web, port: {number: 80}}}
`

// What the examples of the rules' pages have no room for: one line of what a rule
// says, or nothing.
func TestEdgesOfRules(t *testing.T) {
	const hook10 = "lifecycle: {preStop: {sleep: {seconds: 10}}}"
	for name, c := range map[string]struct{ rule, text, want string }{
		"gunicorn's default drain, beyond the grace period": {"grace-exceeded",
			one("", "", "image: x:1\n          args: [gunicorn, app]\n          "+hook10),
			"warning: preStop 10 s + drain 30 s (gunicorn's default) = 40 s, grace 30 s: killed 10 s early"},
		"gunicorn's default drain, as long as the grace period": {"grace-exceeded",
			one("", "", "image: x:1\n          args: [gunicorn, app]"), ""},
		"what gunicorn is told": {"grace-exceeded",
			one("", "", "image: x:1\n          args: [gunicorn, --graceful-timeout, '20', app]\n          "+hook10),
			"preStop 10 s + drain 20 s (gunicorn's --graceful-timeout) = 30 s, grace 30 s: killed in the moment"},
		"a script's time is not known": {"grace-exceeded",
			one("", "", "lifecycle: {preStop: {exec: {command: [sh, -c, 'while :; do sleep 60; done']}}}"), ""},

		"a load balancer of nodes learns as the cluster does": {"no-prestop",
			one("", "", "image: x:1") + strings.ReplaceAll(albBefore, "TYPE", "instance"), "kube-proxy learns up to 5 s later"},
		"a load balancer of pods learns later": {"no-prestop",
			one("", "", "image: x:1") + strings.ReplaceAll(albBefore, "TYPE", "ip"), "the Application Load Balancer learns up to 20 s later"},
		"a program that lingers as told by its flag": {"no-prestop",
			one("", "", "args: [--shutdown-delay=10s]"), ""},
		"a program that lingers, but not long enough": {"no-prestop",
			one("", "", "args: [--shutdown-delay, 2s]"), "kube-proxy learns"},
		"a variable says it, too": {"no-prestop",
			one("", "", "env: [{name: SHUTDOWN_DELAY_SECONDS, value: '10'}]"), ""},

		"the autoscaler of KEDA counts": {"one-replica",
			one("replicas: 5", "", "") + keda, "the autoscaler may go down to one pod"},
		"KEDA's minimum of none": {"one-replica",
			one("", "", "") + strings.Replace(keda, "Count: 1", "Count: 0", 1), ""},
		"scaled down to nothing": {"one-replica", one("replicas: 0", "", ""), ""},
		"a database has ways of its own": {"one-replica",
			one("replicas: 1", "", "image: registry.example/postgres:18"), ""},
		"a database with an image of somebody": {"one-replica",
			strings.Replace(one("replicas: 1", "", "image: bank/accounts:1"), "8080", "5432", 1), ""},

		"all that the autoscaler leaves": {"max-unavailable-all",
			one("strategy: {rollingUpdate: {maxUnavailable: 1}}", "", "") + keda, "maxUnavailable is 1 of 1 pod"},
		"one of many": {"max-unavailable-all",
			one("replicas: 10\n  strategy: {rollingUpdate: {maxUnavailable: 90%}}", "", ""), ""},

		"liveness that is half as patient again": {"liveness-is-readiness",
			one("", "", "readinessProbe: {httpGet: {path: /, port: 8080}}\n          livenessProbe: {httpGet: {path: /, port: 8080}, failureThreshold: 5}"), ""},
		"the same path of another port": {"liveness-is-readiness",
			one("", "", "readinessProbe: {httpGet: {path: /, port: 8080}}\n          livenessProbe: {httpGet: {path: /, port: 8081}}"), ""},

		"a start-up probe covers readiness at the start": {"no-readiness",
			one("", "", "startupProbe: {httpGet: {path: /, port: 8080}}"), "warning: after its start nobody asks"},

		"a volume that one pod may have": {"volume-blocks-surge",
			one("replicas: 2", "volumes: [{name: v, persistentVolumeClaim: {claimName: v}}]", "") + claim("ReadWriteOncePod"), "error: a rollout starts 1 new pod"},
		"a volume that one node may have": {"volume-blocks-surge",
			one("replicas: 2", "volumes: [{name: v, persistentVolumeClaim: {claimName: v}}]", "") + claim("ReadWriteOnce"), "warning: a rollout starts 1 new pod"},
		"a volume, and no surge": {"volume-blocks-surge",
			one("replicas: 2\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}", "volumes: [{name: v, persistentVolumeClaim: {claimName: v}}]", "") + claim("ReadWriteOnce"), ""},

		"an own image of unicorn may have its STOPSIGNAL": {"quick-stop-signal",
			one("", "", "image: x:1\n          command: [unicorn]"), "warning: Unicorn drops its requests on SIGTERM"},
		"a mirror of the official image": {"quick-stop-signal",
			one("", "", "image: mirror.example/library/nginx:1.29"), ""},

		"a shell that replaces itself": {"shell-entry", one("", "", "command: [sh, -c, 'cd /app && exec ./web']"), ""},
		"a script that traps":          {"shell-entry", one("", "", "command: [sh, -c, 'trap stop TERM; ./web & wait']"), ""},

		"gunicorn's default worker keeps no connection": {"keep-alive-too-short",
			one("", "", "args: [gunicorn, app]") + strings.ReplaceAll(albBefore, "TYPE", "ip"), ""},
		"gunicorn's threads keep them for 2 s": {"keep-alive-too-short",
			one("", "", "args: [gunicorn, --threads=4, app]") + strings.ReplaceAll(albBefore, "TYPE", "ip"), "after 2 s (gunicorn's --keep-alive), and by the Application Load Balancer after 60 s"},
		"an ingress that closes first, as its ConfigMap says": {"keep-alive-too-short",
			one("", "", "args: [uvicorn, app]") + strings.NewReplacer("class: alb", "class: nginx", "alb.ingress.kubernetes.io/target-type", "x").Replace(albBefore) +
				"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ingress-nginx-controller}\ndata: {upstream-keepalive-timeout: '4'}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := said(t, c.rule, c.text)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("%s says %q, want %q", c.rule, got, c.want)
			}
		})
	}
}

func claim(mode string) string {
	return "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: v}\nspec: {accessModes: [" + mode + "]}\n"
}

// said is what one rule says of a text: "SEVERITY: HAZARD", if the severity is not
// that of its page, one a line.
func said(t *testing.T, rule, text string) string {
	t.Helper()
	loaded := lint.Load(lint.NewFile("web.yaml", []byte(text)))
	for _, p := range loaded.Problems {
		t.Fatalf("%s\n%s", p, text)
	}
	var lines []string
	for _, p := range Rules().Run(loaded.Objects, linttest.Facts(), func(r string) bool { return r == rule }, func(f lint.Finding) {
		line := f.Hazard
		if f.Severity != "" {
			line = string(f.Severity) + ": " + line
		}
		lines = append(lines, line)
	}) {
		t.Fatalf("%s\n%s", p, text)
	}
	return strings.Join(lines, "\n")
}

// What the command line says counts where the manifest says nothing.
func TestFactsOfTheCommandLine(t *testing.T) {
	loaded := lint.Load(lint.NewFile("web.yaml", []byte(one("", "", "lifecycle: {preStop: {sleep: {seconds: 6}}}"))))
	facts := lint.Facts{Propagation: 8 * time.Second, Drain: 25 * time.Second, Slowest: 26 * time.Second}
	var got []string
	Rules().Run(loaded.Objects, facts, func(r string) bool {
		return r == "prestop-too-short" || r == "grace-exceeded" || r == "grace-too-short"
	}, func(f lint.Finding) { got = append(got, f.Rule) })
	if s := strings.Join(got, " "); s != "grace-exceeded grace-too-short prestop-too-short" {
		t.Errorf("found %s", s)
	}
}

// Pods of a Rollout may stand in a Deployment that it refers to, and which then
// runs none by itself.
func TestARolloutHasThePodsOfItsDeployment(t *testing.T) {
	w := world(t, one("replicas: 0", "", "image: x:1")+`---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec:
  replicas: 4
  workloadRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  strategy: {blueGreen: {}}
`)
	if len(w.Workloads) != 1 {
		t.Fatalf("%d workloads, want the Rollout alone", len(w.Workloads))
	}
	x := w.Workloads[0]
	n, ok := x.Replicas()
	if x.Kind != "Rollout" || n != 4 || !ok || len(x.Serving()) != 1 {
		t.Errorf("%s with %d pods of which %d serve", x.Kind, n, len(x.Serving()))
	}
	if at := x.Serving()[0].At("image"); at.Object.Name != "Deployment web" {
		t.Errorf("the container is said to stand in %s", at.Object)
	}
}
