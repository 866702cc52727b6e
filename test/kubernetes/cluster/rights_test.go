//go:build kubernetes

package cluster_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

// The page's Role is held to what it promises.
func TestTheRoleOfTheDocumentationIsEnoughToDeploy(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	page, err := os.ReadFile("../../../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, role, found := strings.Cut(string(page), "kind: Role\n")
	role, _, _ = strings.Cut(role, "```")
	if !found {
		t.Fatal("the page has no Role")
	}
	p.w.Apply("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n" + strings.Replace(role, "namespace: shop", "namespace: "+p.w.Namespace, 1))
	p.w.Kubectl("create", "serviceaccount", "deployer")
	p.w.Kubectl("create", "rolebinding", "deployer", "--role=segue", "--serviceaccount="+p.w.Namespace+":deployer")
	deployer := open(t, kubernetes.Place{Kubeconfig: p.as(p.w.Kubectl("create", "token", "deployer"))})

	for release, hook := range []string{"", "hooks: { before: [ /task ] }"} {
		r, err := deployer.Deploy(p.ctx, p.order(release+1, hook), func(e kubernetes.Event) { t.Log(e.Kind, e.Text, e.Reason) })
		if err != nil || r.Phase != deploy.Done {
			t.Fatalf("release %d: %s: %s: %v", release+1, r.Phase, r.Reason, err)
		}
	}
	err = deployer.Logs(p.ctx, kubernetes.LogQuery{Service: "shop", Lines: 1}, func(kubernetes.LogLine) error { return nil })
	if err != nil {
		t.Errorf("its logs: %v", err)
	}
	if _, err := deployer.Status(p.ctx, "shop"); err != nil {
		t.Errorf("its status: %v", err)
	}
	if _, err := deployer.Down(p.ctx, kubernetes.Request{Service: "shop", Purge: true}, func(kubernetes.Event) {}); err != nil {
		t.Errorf("it is taken down: %v", err)
	}
}

// order is a deploy of the test service whose environment tells its releases
// apart; more are keys of segue.yaml.
func (p *place) order(release int, more string) kubernetes.Order {
	p.w.T.Helper()
	image := p.w.Image("shop", map[string]string{
		"app": kubelab.Static(p.w.T, "./test/service"), "task": kubelab.Static(p.w.T, "./test/kubernetes/programs/task"),
	})
	f, err := config.Parse("segue.yaml", []byte(fmt.Sprintf(`
service: shop
listen: 0.0.0.0:8080
release: { files: [segue.yaml], command: /app }
replicas: 2
drain: { timeout: 1s }
stop: { timeout: 1s }
env: { RELEASE: "%d" }
engine: kubernetes
kubernetes: { image: %q, deregistration: 1s }
probes: { readiness: { http: /health, every: 1s } }
%s`, release, image, more)), p.w.Dir, nil)
	if err != nil {
		p.w.T.Fatal(err)
	}
	s := f.Services[0]
	return kubernetes.Order{Spec: s.Service, Env: s.Env, Image: s.Kubernetes.Image, Dir: p.w.Dir, Who: "ann@test"}
}
