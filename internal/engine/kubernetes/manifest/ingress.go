package manifest

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seguehq/segue/internal/deploy"
)

// ownClass is how segue.yaml says: the class that the cluster has by default.
const ownClass = "default"

func ingress(spec *deploy.Service, o Options, b Backend) *networkingv1.Ingress {
	front := settings(spec).Front
	in := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: meta(spec, o, spec.Name),
	}
	if front.Ingress != ownClass {
		in.Spec.IngressClassName = new(front.Ingress)
	}
	var hosts []string
	for _, g := range hostGroups(spec) {
		for _, host := range g.hosts {
			in.Spec.Rules = append(in.Spec.Rules, networkingv1.IngressRule{Host: host,
				IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: ingressPaths(spec, g.paths, b)}}})
			if host != "" {
				hosts = append(hosts, host)
			}
		}
	}
	if front.TLSSecret != "" {
		in.Spec.TLS = []networkingv1.IngressTLS{{Hosts: hosts, SecretName: front.TLSSecret}}
	}
	return in
}

func ingressPaths(spec *deploy.Service, paths []string, b Backend) []networkingv1.HTTPIngressPath {
	var list []networkingv1.HTTPIngressPath
	for _, path := range paths {
		list = append(list, networkingv1.HTTPIngressPath{
			Path: path, PathType: new(networkingv1.PathTypePrefix),
			Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: b.Service, Port: networkingv1.ServiceBackendPort{Number: listenPorts(spec)[0]}}},
		})
	}
	return list
}
