package manifest

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seguehq/segue/internal/deploy"
)

// Selector finds all of the service's pods; those of one Deployment, if it is
// given.
func Selector(spec *deploy.Service, deployment string) map[string]string {
	if deployment == "" {
		return map[string]string{LabelName: spec.Name}
	}
	return selector(spec, Options{Deployment: deployment})
}

// Service leads from the service's addresses to the pods that match the selector;
// nil for a worker. Of the service's own name, it is what a cloud's load balancer
// is made for, if one is asked for. Its namespace is left empty.
func Service(spec *deploy.Service, name string, selector map[string]string) *corev1.Service {
	if spec.Worker() {
		return nil
	}
	s := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: meta(spec, Options{}, name),
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: maps.Clone(selector), Ports: servicePorts(spec)},
	}
	if settings(spec).Front.LoadBalancer && name == spec.Name {
		s.Spec.Type = corev1.ServiceTypeLoadBalancer
		s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	}
	return s
}

// servicePorts are those of the service's addresses, which all lead to $PORT.
func servicePorts(spec *deploy.Service) []corev1.ServicePort {
	var ports []corev1.ServicePort
	for _, n := range listenPorts(spec) {
		name := portName(spec)
		if len(listenPorts(spec)) > 1 {
			name = fmt.Sprintf("%s-%d", name, n)
		}
		p := corev1.ServicePort{Name: name, Port: n, TargetPort: intstr.FromString(portName(spec)), Protocol: corev1.ProtocolTCP}
		if speaks := appProtocol(spec); speaks != "" {
			p.AppProtocol = new(speaks)
		}
		ports = append(ports, p)
	}
	return ports
}

// listenPorts are those of the service's addresses, without repetition: of two
// addresses with one port a Service makes no difference.
func listenPorts(spec *deploy.Service) []int32 {
	var ports []int32
	for _, address := range spec.Listen {
		if p := portOf(address); !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	return ports
}

// portName tells meshes and probes what is spoken at the port.
func portName(spec *deploy.Service) string {
	switch spec.Proxy.Protocol {
	case deploy.H2C:
		return "http2"
	case deploy.TCP:
		return "tcp"
	}
	return "http"
}

// appProtocol is how gateways are told of HTTP/2 with prior knowledge (KEP-3726),
// which they would not try by themselves.
func appProtocol(spec *deploy.Service) string {
	switch spec.Proxy.Protocol {
	case deploy.H2C:
		return "kubernetes.io/h2c"
	case deploy.TCP:
		return ""
	}
	return "http"
}
