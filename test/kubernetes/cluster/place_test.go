//go:build kubernetes

// Package cluster_test tries the engine's half that talks to the API server on a
// real one.
package cluster_test

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

func TestMain(m *testing.M) {
	harness.SideBySide(4) // they wait more than they work
	kubelab.Main(m)
}

// place is a namespace of the cluster, and ours of it.
type place struct {
	*kubernetes.Cluster
	w   *kubelab.World
	ctx context.Context
}

func newPlace(t *testing.T) *place {
	t.Helper()
	w := kubelab.New(t)
	return &place{w: w, Cluster: open(t, kubernetes.Place{Kubeconfig: w.Kubeconfig}), ctx: bounded(t)}
}

func open(t *testing.T, p kubernetes.Place) *kubernetes.Cluster {
	t.Helper()
	c, err := kubernetes.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bounded ends before the test's time does, so that it can say what it waited for.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// shop is a Deployment of the test service, with an environment of pairs.
func (p *place) shop(replicas int32, env ...string) *appsv1.Deployment {
	pods := map[string]string{kubernetes.LabelName: "shop", kubernetes.LabelDeployment: "shop"}
	d := &appsv1.Deployment{}
	d.Name, d.Labels = "shop", labels()
	d.Spec.Replicas = &replicas
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: pods}
	d.Spec.Template.Labels = pods
	d.Spec.Template.Spec.Containers = []corev1.Container{{
		Name: "shop", Image: p.w.ServiceImage(), Env: variables(append(env, "PORT", "8080")),
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/health", Port: intstr.FromInt32(8080)}}},
		Lifecycle:      &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3}}},
	}}
	return d
}

func (p *place) service() *corev1.Service {
	s := &corev1.Service{}
	s.Name, s.Labels = "shop", labels()
	s.Spec.Selector = map[string]string{kubernetes.LabelName: "shop"}
	s.Spec.Ports = []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}
	return s
}

func labels() map[string]string {
	return map[string]string{kubernetes.LabelName: "shop", kubernetes.LabelManagedBy: kubernetes.Manager}
}

func variables(pairs []string) []corev1.EnvVar {
	var all []corev1.EnvVar
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, corev1.EnvVar{Name: pairs[i], Value: pairs[i+1]})
	}
	return all
}

// look is a View that ends with the test.
func (p *place) look() *kubernetes.View {
	p.w.T.Helper()
	v, err := p.Look(p.ctx, "shop")
	if err != nil {
		p.w.T.Fatal(err)
	}
	p.w.T.Cleanup(v.Close)
	return v
}

// until waits for a picture, and says what the last one was if it does not come.
func (p *place) until(v *kubernetes.View, what string, done func(kubernetes.Picture) bool) kubernetes.Picture {
	p.w.T.Helper()
	var last kubernetes.Picture
	err := v.Until(p.ctx, func(now kubernetes.Picture) (bool, error) {
		last = now
		return done(now), nil
	})
	if err != nil {
		p.w.T.Fatalf("%s: %v; it is %+v", what, err, last)
	}
	return last
}

func settled(p kubernetes.Picture) bool {
	d, _ := p.Deployment("shop")
	return d.Settled
}

// running has the shop run, with its Service.
func (p *place) running(replicas int32, env ...string) *kubernetes.View {
	p.w.T.Helper()
	if _, err := p.Apply(p.ctx, p.service(), p.shop(replicas, env...)); err != nil {
		p.w.T.Fatal(err)
	}
	v := p.look()
	p.until(v, "the shop runs", settled)
	return v
}
