package kubernetes

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/seguehq/segue/internal/lint"
)

// A Front is a load balancer that the files tell of. It learns of a pod's end
// later than the cluster does.
type Front struct {
	Name string       // as messages call it
	At   *lint.Object // what makes it: an Ingress or a Service

	Learns time.Duration // until it sends no new requests to a pod that is leaving; 0: as the cluster does
	Direct bool          // it sends to pods, not to nodes
	Idle   time.Duration // how long it keeps an unused connection to the pod; 0 is unknown

	Deregistration   time.Duration // how long it may go on with requests in flight; 0 is unknown
	atDeregistration []any
}

// How long load balancers outside the cluster were seen to go on sending to a
// pod that had been taken out; see doc/prestop-too-short.md.
const (
	albLearns    = 20 * time.Second
	nlbLearns    = 120 * time.Second
	googleLearns = 10 * time.Second
)

// awsDeregistration is AWS' default deregistration delay.
const awsDeregistration = 300 * time.Second

// frontsOf finds what stands before a workload's Services.
func (w *World) frontsOf(x *Workload) []Front {
	var fronts []Front
	for _, s := range x.Services {
		if f, ok := frontOfService(s); ok {
			fronts = append(fronts, f)
		}
		for _, i := range w.Ingresses {
			if near(i.Is.Namespace, s.Is.Namespace) && ingressLeadsTo(&i.Is, s.Is.Name) {
				fronts = append(fronts, w.frontOfIngress(i, s))
			}
		}
	}
	return fronts
}

func ingressLeadsTo(i *networkingv1.Ingress, service string) bool {
	is := func(b *networkingv1.IngressBackend) bool {
		return b != nil && b.Service != nil && b.Service.Name == service
	}
	if is(i.Spec.DefaultBackend) {
		return true
	}
	for _, r := range i.Spec.Rules {
		if r.HTTP == nil {
			continue
		}
		for k := range r.HTTP.Paths {
			if is(&r.HTTP.Paths[k].Backend) {
				return true
			}
		}
	}
	return false
}

const (
	albPrefix = "alb.ingress.kubernetes.io/"
	negKey    = "cloud.google.com/neg"
	nlbPrefix = "service.beta.kubernetes.io/aws-load-balancer-"
)

func (w *World) frontOfIngress(i *Thing[networkingv1.Ingress], s *Service) Front {
	notes := i.Is.Annotations
	f := Front{Name: "the ingress controller", At: i.Object}
	switch class := ingressClass(&i.Is); {
	case class == "alb" || notes[albPrefix+"scheme"] != "" || notes[albPrefix+"target-type"] != "":
		f.Name, f.Idle = "the Application Load Balancer", 60*time.Second
		if d, ok := attribute(notes[albPrefix+"load-balancer-attributes"], "idle_timeout.timeout_seconds"); ok {
			f.Idle = d
		}
		if notes[albPrefix+"target-type"] == "ip" {
			key := albPrefix + "target-group-attributes"
			f.Direct, f.Learns = true, albLearns
			f.deregister(notes[key], key)
		}
	case class == "gce" || class == "gce-internal" || class == "" && hasNEG(s):
		f.Name, f.Idle = "Google's load balancer", 600*time.Second
		if hasNEG(s) {
			f.Direct, f.Learns = true, googleLearns
		}
	case strings.Contains(class, "nginx"):
		f.Name, f.Idle = "ingress-nginx", w.nginxIdle()
	}
	return f
}

// nginxIdle is how long ingress-nginx keeps an idle connection to a pod: what its
// ConfigMap says, if that is among the files.
func (w *World) nginxIdle() time.Duration {
	for _, c := range w.ConfigMaps {
		if n, err := strconv.Atoi(c.Is.Data["upstream-keepalive-timeout"]); err == nil {
			return time.Duration(n) * time.Second
		}
	}
	return 60 * time.Second
}

func ingressClass(i *networkingv1.Ingress) string {
	if i.Spec.IngressClassName != nil {
		return *i.Spec.IngressClassName
	}
	return i.Annotations["kubernetes.io/ingress.class"]
}

// hasNEG says that Google's load balancer knows the Service's pods themselves.
func hasNEG(s *Service) bool {
	var neg struct {
		Ingress bool `json:"ingress"`
	}
	return json.Unmarshal([]byte(s.Is.Annotations[negKey]), &neg) == nil && neg.Ingress
}

func frontOfService(s *Service) (Front, bool) {
	if s.Is.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return Front{}, false
	}
	f := Front{Name: "the load balancer", At: s.Object}
	notes := s.Is.Annotations
	kind, target := notes[nlbPrefix+"type"], notes[nlbPrefix+"nlb-target-type"]
	if kind == "nlb-ip" || target == "ip" {
		key := nlbPrefix + "target-group-attributes"
		f.Name, f.Direct, f.Learns = "the Network Load Balancer", true, nlbLearns
		f.deregister(notes[key], key)
	}
	return f, true
}

func (f *Front) deregister(attributes, key string) {
	f.Deregistration, f.atDeregistration = awsDeregistration, []any{"metadata", "annotations", key}
	if d, ok := attribute(attributes, "deregistration_delay.timeout_seconds"); ok {
		f.Deregistration = d
	}
}

// attribute is one of a list of the form a=1,b=2, in seconds.
func attribute(list, key string) (time.Duration, bool) {
	for _, pair := range strings.Split(list, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && k == key {
			return time.Duration(n) * time.Second, true
		}
	}
	return 0, false
}

// Learns is how long it takes until nobody sends new requests to a pod that is
// leaving, and who is the last.
func (x *Workload) Learns() (d time.Duration, last string) {
	d, last = x.world.Facts.Propagation, "kube-proxy"
	for _, f := range x.Fronts {
		if f.Learns > d {
			d, last = f.Learns, f.Name
		}
	}
	return d, last
}

// routed says that an Ingress or a route of a Gateway leads to a Service: a proxy
// that balances requests, not connections.
func (w *World) routed(s *Service) bool {
	for _, i := range w.Ingresses {
		if near(i.Is.Namespace, s.Is.Namespace) && ingressLeadsTo(&i.Is, s.Is.Name) {
			return true
		}
	}
	for _, r := range w.Routes {
		for _, rule := range r.Is.Spec.Rules {
			for _, b := range rule.BackendRefs {
				namespace := r.Is.Namespace
				if b.Namespace != "" {
					namespace = b.Namespace
				}
				if (b.Kind == "" || b.Kind == "Service") && b.Name == s.Is.Name && near(namespace, s.Is.Namespace) {
					return true
				}
			}
		}
	}
	return false
}
