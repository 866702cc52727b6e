//go:build kubernetes

package cluster_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

func TestWhatWouldChangeIsToldBeforeItDoes(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	told := func(changes []kubernetes.Change, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, c := range changes {
			lines = append(lines, fmt.Sprint(c.Ref, " ", c.Op))
			for _, d := range c.Diff {
				lines = append(lines, d.String())
			}
		}
		return strings.Join(lines, "\n")
	}
	secret := &corev1.Secret{StringData: map[string]string{"PASSWORD": "tiger"}}
	secret.Name, secret.Labels = "shop-env", labels()

	first := "Service shop created\nDeployment shop created\nSecret shop-env created"
	if got := told(p.Compare(p.ctx, p.service(), p.shop(1), secret)); got != first {
		t.Errorf("before the first time:\n%s", got)
	}
	if got := told(p.Apply(p.ctx, p.service(), p.shop(1), secret)); got != first {
		t.Errorf("the first time:\n%s", got)
	}
	if got, want := told(p.Apply(p.ctx, p.service(), p.shop(1))), "Service shop same\nDeployment shop same"; got != want {
		t.Errorf("the second time:\n%s", got)
	}
	secret.StringData["PASSWORD"] = "lion"
	want := "Deployment shop changed\n~ spec.replicas: 1 → 2\n" + `+ spec.template.spec.containers[shop].env[COLOUR]: {"name":"COLOUR","value":"blue"}` +
		"\nSecret shop-env changed\n~ data.PASSWORD: (not shown) → (not shown)"
	for _, try := range []string{"compared", "compared again"} {
		if got := told(p.Compare(p.ctx, p.shop(2, "COLOUR", "blue"), secret)); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", try, got, want)
		}
	}
	if got := told(p.Apply(p.ctx, p.shop(2, "COLOUR", "blue"), secret)); got != want {
		t.Errorf("applied:\n%s\nwant\n%s", got, want)
	}
}

func TestWhatSomebodyElseHasSetIsNotTakenAway(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if _, err := p.Apply(p.ctx, p.shop(1)); err != nil {
		t.Fatal(err)
	}
	p.w.Kubectl("scale", "deployment/shop", "--replicas=3")
	_, err := p.Apply(p.ctx, p.shop(2))
	var conflict *kubernetes.ConflictError
	if !errors.As(err, &conflict) || len(conflict.Fields) != 1 || conflict.Fields[0].Path != "spec.replicas" || !strings.HasPrefix(conflict.Fields[0].Manager, "kubectl") {
		t.Fatalf("got %v, want spec.replicas held by kubectl", err)
	}
	changes, err := p.ApplyForced(p.ctx, p.shop(2))
	if err != nil || !slices.Equal(changes[0].Diff, []kubernetes.Difference{{Path: "spec.replicas", Old: "3", New: "2"}}) {
		t.Errorf("taken over: %v, %v", changes, err)
	}
}

func TestWhatIsDeletedIsGoneWithAllThatItOwns(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	v := p.running(2)
	owned, err := p.Owned(p.ctx, "shop")
	if want := []kubernetes.Ref{{Kind: "Deployment", Name: "shop"}, {Kind: "Service", Name: "shop"}}; err != nil || !slices.Equal(owned, want) {
		t.Fatalf("segue's own are %v, %v; want %v", owned, err, want)
	}
	if err := errors.Join(p.Delete(p.ctx, owned...), p.Gone(p.ctx, owned...)); err != nil {
		t.Fatal(err)
	}
	p.until(v, "nothing is left", func(p kubernetes.Picture) bool { return len(p.Deployments)+len(p.Pods) == 0 })
	if err := p.Delete(p.ctx, owned...); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

// as is a kubeconfig of somebody who has a token.
func (p *place) as(token string) string {
	p.w.T.Helper()
	return changed(p.w, func(c *api.Config) {
		for _, user := range c.AuthInfos {
			*user = api.AuthInfo{Token: token}
		}
	})
}

// changed is the place's kubeconfig with a change.
func changed(w *kubelab.World, change func(*api.Config)) string {
	w.T.Helper()
	config, err := clientcmd.LoadFromFile(w.Kubeconfig)
	if err != nil {
		w.T.Fatal(err)
	}
	change(config)
	file := filepath.Join(w.T.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		w.T.Fatal(err)
	}
	return file
}

func TestAMissingRightIsNamedWithTheRuleThatWouldGiveIt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.Apply(p.ctx, p.shop(1))
	p.w.Kubectl("create", "serviceaccount", "reader")
	p.w.Kubectl("create", "role", "reader", "--verb=get,list,watch", "--resource=deployments,pods")
	p.w.Kubectl("create", "rolebinding", "reader", "--role=reader", "--serviceaccount="+p.w.Namespace+":reader")
	reader := open(t, kubernetes.Place{Kubeconfig: p.as(p.w.Kubectl("create", "token", "reader"))})

	_, err := reader.Apply(p.ctx, p.shop(2))
	if err == nil || !strings.Contains(err.Error(), `{apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"]}`) {
		t.Errorf("a reader applies: %v", err)
	}
	_, err = reader.Look(p.ctx, "shop")
	if err == nil || !strings.Contains(err.Error(), `verbs: ["list"]`) && !strings.Contains(err.Error(), `verbs: ["watch"]`) {
		t.Errorf("a reader looks at what it may not see: %v", err)
	}
	// Events are no more than words.
	p.w.Kubectl("create", "role", "more", "--verb=get,list,watch", "--resource=replicasets,endpointslices,jobs")
	p.w.Kubectl("create", "rolebinding", "more", "--role=more", "--serviceaccount="+p.w.Namespace+":reader")
	p.w.Until("it may look", func() bool {
		v, err := reader.Look(p.ctx, "shop")
		if err != nil {
			return false
		}
		v.Close()
		return true
	})

	stranger := open(t, kubernetes.Place{Kubeconfig: p.as("nobody's")})
	if _, err := stranger.Apply(p.ctx, p.shop(2)); err == nil || !strings.Contains(err.Error(), "log in again") {
		t.Errorf("a stranger applies: %v", err)
	}
	nowhere := open(t, kubernetes.Place{Kubeconfig: p.w.Kubeconfig, Namespace: "not-there"})
	if _, err := nowhere.Apply(p.ctx, p.shop(2)); err == nil || !strings.Contains(err.Error(), "kubectl create namespace not-there") {
		t.Errorf("a namespace that is not there: %v", err)
	}
}
