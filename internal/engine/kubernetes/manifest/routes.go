package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/seguehq/segue/internal/deploy"
)

// A Backend is a Service that gets requests by the objects of Routes.
type Backend struct {
	Service string
	Weight  int           // its share of the requests that no Match takes, in relation to the others' weights
	Match   *deploy.Match // these requests, and no others; Weight counts for nothing
	Mirror  int           // per cent of the requests of which it gets copies; Weight counts for nothing
}

// Routes lead from what stands in front (an HTTPRoute of a gateway, or an Ingress)
// to the backends; without any, to the service's own Service. None where nothing
// stands in front. Several HTTPRoutes are made where hosts have different paths. An
// Ingress knows no shares: more than one backend is an error there.
func Routes(spec *deploy.Service, o Options, backends ...Backend) ([]runtime.Object, error) {
	if len(backends) == 0 {
		backends = []Backend{{Service: spec.Name, Weight: 1}}
	}
	front := settings(spec).Front
	switch {
	case spec.Worker() || front.Gateway == "" && front.Ingress == "":
		return nil, nil
	case spec.Proxy.Protocol == deploy.TCP:
		return nil, fmt.Errorf("service %s: HTTPRoute and Ingress lead requests of HTTP, and it speaks tcp; use front: {load_balancer: true}", spec.Name)
	case front.Ingress != "" && len(backends) > 1:
		return nil, fmt.Errorf("service %s: an Ingress does not divide requests; use front: {gateway: …}, or leave canaries to the share of pods", spec.Name)
	case front.Ingress != "":
		return []runtime.Object{ingress(spec, o, backends[0])}, nil
	}
	var list []runtime.Object
	for i, g := range hostGroups(spec) {
		name := spec.Name
		if i > 0 {
			name = fmt.Sprintf("%s-%d", spec.Name, i+1)
		}
		list = append(list, httpRoute(spec, o, name, g, backends))
	}
	return list, nil
}

// A hostGroup are hosts with the same paths.
type hostGroup struct{ hosts, paths []string }

// hostGroups sorts the routes' paths by their hosts. No host stands for all.
func hostGroups(spec *deploy.Service) []hostGroup {
	routes := spec.Routes
	if len(routes) == 0 {
		routes = []deploy.Route{{}}
	}
	var hosts []string
	paths := map[string][]string{}
	for _, r := range routes {
		if _, ok := paths[r.Host]; !ok {
			hosts = append(hosts, r.Host)
		}
		path := r.Path
		if path == "" {
			path = "/"
		}
		if !slices.Contains(paths[r.Host], path) {
			paths[r.Host] = append(paths[r.Host], path)
		}
	}
	var groups []hostGroup
	for _, host := range hosts {
		i := slices.IndexFunc(groups, func(g hostGroup) bool {
			return host != "" && g.hosts[0] != "" && slices.Equal(g.paths, paths[host])
		})
		if i < 0 {
			groups = append(groups, hostGroup{[]string{host}, paths[host]})
			continue
		}
		groups[i].hosts = append(groups[i].hosts, host)
	}
	return groups
}

func httpRoute(spec *deploy.Service, o Options, name string, g hostGroup, backends []Backend) *gatewayv1.HTTPRoute {
	r := &gatewayv1.HTTPRoute{
		TypeMeta:   metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: "HTTPRoute"},
		ObjectMeta: meta(spec, o, name),
	}
	parent := gatewayv1.ParentReference{Name: gatewayv1.ObjectName(settings(spec).Front.Gateway)}
	if namespace, gateway, ok := strings.Cut(string(parent.Name), "/"); ok {
		parent.Name, parent.Namespace = gatewayv1.ObjectName(gateway), new(gatewayv1.Namespace(namespace))
	}
	r.Spec.ParentRefs = []gatewayv1.ParentReference{parent}
	for _, host := range g.hosts {
		if host != "" {
			r.Spec.Hostnames = append(r.Spec.Hostnames, gatewayv1.Hostname(host))
		}
	}
	for _, b := range backends {
		if b.Match != nil {
			r.Spec.Rules = append(r.Spec.Rules, gatewayv1.HTTPRouteRule{
				Matches: matches(g.paths, b.Match), BackendRefs: []gatewayv1.HTTPBackendRef{backendRef(spec, b, 1)}})
		}
	}
	r.Spec.Rules = append(r.Spec.Rules, shared(spec, g.paths, backends))
	return r
}

// shared is the rule of the requests that no match takes. Rules with a header come
// before it by themselves, as the API's order of precedence has it.
func shared(spec *deploy.Service, paths []string, backends []Backend) gatewayv1.HTTPRouteRule {
	rule := gatewayv1.HTTPRouteRule{Matches: matches(paths, nil)}
	for _, b := range backends {
		switch {
		case b.Match != nil:
		case b.Mirror > 0:
			rule.Filters = append(rule.Filters, gatewayv1.HTTPRouteFilter{
				Type: gatewayv1.HTTPRouteFilterRequestMirror,
				RequestMirror: &gatewayv1.HTTPRequestMirrorFilter{
					BackendRef: backendRef(spec, b, 1).BackendObjectReference, Percent: new(int32(b.Mirror))},
			})
		default:
			rule.BackendRefs = append(rule.BackendRefs, backendRef(spec, b, b.Weight))
		}
	}
	return rule
}

func backendRef(spec *deploy.Service, b Backend, weight int) gatewayv1.HTTPBackendRef {
	return gatewayv1.HTTPBackendRef{BackendRef: gatewayv1.BackendRef{
		BackendObjectReference: gatewayv1.BackendObjectReference{Name: gatewayv1.ObjectName(b.Service), Port: new(listenPorts(spec)[0])},
		Weight:                 new(int32(weight)),
	}}
}

func matches(paths []string, m *deploy.Match) []gatewayv1.HTTPRouteMatch {
	var list []gatewayv1.HTTPRouteMatch
	for _, path := range paths {
		match := gatewayv1.HTTPRouteMatch{Path: &gatewayv1.HTTPPathMatch{Type: new(gatewayv1.PathMatchPathPrefix), Value: new(path)}}
		if m != nil {
			match.Headers = []gatewayv1.HTTPHeaderMatch{headerMatch(m)}
		}
		list = append(list, match)
	}
	return list
}

// headerMatch needs a gateway that matches by regular expressions for a cookie,
// and for a header of any value: the API leaves that to the implementation.
func headerMatch(m *deploy.Match) gatewayv1.HTTPHeaderMatch {
	name, pattern := m.Header, ".*"
	switch {
	case m.Header != "" && m.Value != "":
		return gatewayv1.HTTPHeaderMatch{Type: new(gatewayv1.HeaderMatchExact), Name: gatewayv1.HTTPHeaderName(m.Header), Value: m.Value}
	case m.Cookie != "":
		name, pattern = "Cookie", cookiePattern(m)
	}
	return gatewayv1.HTTPHeaderMatch{Type: new(gatewayv1.HeaderMatchRegularExpression), Name: gatewayv1.HTTPHeaderName(name), Value: pattern}
}

// cookiePattern finds the cookie wherever it stands among others (RFC 6265,
// section 4.2.1).
func cookiePattern(m *deploy.Match) string {
	value := "[^;]*"
	if m.Value != "" {
		value = regexp.QuoteMeta(m.Value)
	}
	return "^(.*; ?)?" + regexp.QuoteMeta(m.Cookie) + "=" + value + "(;.*)?$"
}
