package ecs

import (
	"strings"
	"testing"
)

func TestAServiceIsDeployedRolledBackAndTakenDown(t *testing.T) {
	w := newWorld(t)
	has(t, w.Must(0, "plan"), "made anew, with 3 tasks")
	has(t, w.Must(0, "deploy", "--why", "first"), "release 1 is registered", "steady state", "release 1")
	has(t, w.Must(0, "deploy"), "nothing to do")
	w.image("registry.example.com/shop:2")
	has(t, w.Must(0, "plan"), "containerDefinitions.shop.image: registry.example.com/shop:1 → registry.example.com/shop:2")
	has(t, w.Must(0, "deploy", "--why", "second"), "release 2")
	has(t, w.Must(0, "status"), "shop: release 2, 3 of 3 tasks running")
	has(t, w.Must(0, "rollback"), "release 1")
	has(t, w.Must(0, "status"), "shop: release 1")
	has(t, w.Must(0, "history"), "rollback", "first", "second")
	has(t, w.Must(0, "releases"), "registry.example.com/shop:2", "second")
	has(t, w.Must(0, "scale", "5"), "5 instances")
	has(t, w.Must(0, "restart"), "release 1")
	has(t, w.Must(0, "down"), "down after")
	has(t, w.Must(0, "status"), "shop: down")
	for _, c := range w.server.Calls("") {
		if strings.Contains(strings.Join(texts(c.Input), " "), "hush") {
			t.Errorf("%s has a value of the environment", c.Action)
		}
	}
}

// texts are all texts in a document.
func texts(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case map[string]any:
		for _, inner := range v {
			out = append(out, texts(inner)...)
		}
	case []any:
		for _, inner := range v {
			out = append(out, texts(inner)...)
		}
	}
	return out
}

func TestABadReleaseEndsWithCode3AndItsReason(t *testing.T) {
	w := newWorld(t)
	w.Must(0, "deploy")
	w.image("registry.example.com/shop:bad")
	w.server.Spoil(2, "Task failed ELB health checks in (target-group shop)", 137)
	has(t, w.Must(3, "deploy"), "failed ELB health checks", "exit code 137 (killed)", "ecs.security_groups", "rolled back", "circuit breaker")
	has(t, w.Must(0, "status"), "shop: release 1")
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	w := newWorld(t)
	w.server.Refuse("RegisterTaskDefinition", "AccessDeniedException", "User: ann is not authorized to perform: ecs:RegisterTaskDefinition")
	has(t, w.Must(1, "deploy"), "ecs:RegisterTaskDefinition on shop", "IAM policy")
	has(t, w.Must(1, "rollback"), "has no service shop")
	w.Write("segue.yaml", strings.Replace(file, "cluster: prod", "cluster: nowhere", 1))
	has(t, w.Must(1, "deploy"), "ClusterNotFoundException", "aws ecs create-cluster")
	w.Write("segue.yaml", strings.Replace(file, "    strategy: {type: rolling, surge: 1}", "    stop: {timeout: 3m}", 1))
	has(t, w.Must(2, "deploy"), "stop.timeout", "Fargate kills a task 2m0s after its signal")
	w.Env = append(w.Env, "AWS_REGION=", "AWS_DEFAULT_REGION=")
	w.Write("segue.yaml", file)
	has(t, w.Must(1, "deploy"), "AWS_REGION")
}
