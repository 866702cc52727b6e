package cli

import (
	"testing"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
)

func TestWhere(t *testing.T) {
	for text, want := range map[string]where{
		"machine":              {engine: deploy.EngineProcess},
		"ecs":                  {engine: deploy.EngineECS},
		"kubernetes":           {engine: deploy.EngineKubernetes},
		"kubernetes:prod":      {engine: deploy.EngineKubernetes, context: "prod"},
		"kubernetes:prod/shop": {engine: deploy.EngineKubernetes, context: "prod", namespace: "shop"},
		"kubernetes:/shop":     {engine: deploy.EngineKubernetes, namespace: "shop"},
		"kubernetes:arn:aws:eks:eu-1:1:cluster/prod/shop": {engine: deploy.EngineKubernetes, context: "arn:aws:eks:eu-1:1:cluster/prod", namespace: "shop"},
		"kubernetes:arn:aws:eks:eu-1:1:cluster/prod/":     {engine: deploy.EngineKubernetes, context: "arn:aws:eks:eu-1:1:cluster/prod"},
	} {
		if got, err := parseWhere(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"moon", "ecs:x", "machine:x", "Kubernetes", ":"} {
		if got, err := parseWhere(text); err == nil {
			t.Errorf("%s is taken as %+v", text, got)
		}
	}
}

// What the file says of one engine makes no other release on another.
func TestSettled(t *testing.T) {
	file := func() config.Service {
		return config.Service{Service: deploy.Service{Engine: deploy.EngineKubernetes, Kubernetes: &deploy.Kubernetes{Context: "prod", Namespace: "shop"}, ECS: &deploy.ECS{}}}
	}
	s := file()
	where{engine: deploy.EngineProcess}.settle(&s)
	if s.Engine != "" || s.Kubernetes != nil || s.ECS != nil {
		t.Errorf("on a machine: %+v", s.Service)
	}
	s = file()
	where{engine: deploy.EngineKubernetes, context: "staging"}.settle(&s)
	if s.Engine != deploy.EngineKubernetes || s.ECS != nil || s.Kubernetes.Context != "staging" || s.Kubernetes.Namespace != "shop" {
		t.Errorf("on Kubernetes: %+v, %+v", s.Service, s.Kubernetes)
	}
	if again := file(); again.Kubernetes.Context != "prod" {
		t.Error("the file's own was changed")
	}
}

// A command that needs this machine's agent says so, and asks no cluster.
func TestOnlyHere(t *testing.T) {
	e := &env{flags: &globals{To: "kubernetes"}}
	for _, command := range []string{"pause", "maintenance on", "up", "freeze on", "lock run <command>"} {
		if e.onlyHere(command) == nil {
			t.Errorf("segue %s goes to a cluster", command)
		}
	}
	for _, command := range []string{"deploy <service>", "status", "logs"} {
		if err := e.onlyHere(command); err != nil {
			t.Errorf("segue %s: %v", command, err)
		}
	}
}
