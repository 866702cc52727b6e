package manifest

import (
	"regexp"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/seguehq/segue/internal/deploy"
)

func behind(f deploy.Front, routes ...deploy.Route) *deploy.Service {
	return change(web(), func(s *deploy.Service) { s.Kubernetes.Front, s.Routes = f, routes })
}

// A canary's header comes before its weight, and copies go beside both.
func TestRouteDividesRequests(t *testing.T) {
	s := behind(deploy.Front{Gateway: "infra/public"}, deploy.Route{Host: "a.example.com", Path: "/x"})
	list, err := Routes(s, Options{Namespace: "shop"}, Backend{Service: "shop", Weight: 90}, Backend{Service: "shop-canary", Weight: 10},
		Backend{Service: "shop-canary", Match: &deploy.Match{Header: "X-Tester", Value: "yes"}}, Backend{Service: "copies", Mirror: 5})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	r := list[0].(*gatewayv1.HTTPRoute)
	if p := r.Spec.ParentRefs[0]; p.Name != "public" || *p.Namespace != "infra" || r.Namespace != "shop" {
		t.Errorf("the route %s/%s is attached to %v", r.Namespace, r.Name, p)
	}
	if len(r.Spec.Rules) != 2 {
		t.Fatalf("%d rules", len(r.Spec.Rules))
	}
	testers, all := r.Spec.Rules[0], r.Spec.Rules[1]
	if h := testers.Matches[0].Headers[0]; *h.Type != gatewayv1.HeaderMatchExact || h.Name != "X-Tester" || h.Value != "yes" || testers.BackendRefs[0].Name != "shop-canary" {
		t.Errorf("testers go by %v to %v", h, testers.BackendRefs)
	}
	if b := all.BackendRefs; len(b) != 2 || *b[0].Weight != 90 || *b[1].Weight != 10 || *b[1].Port != 8080 || *all.Matches[0].Path.Value != "/x" {
		t.Errorf("all others go to %v", b)
	}
	if m := all.Filters[0].RequestMirror; *m.Percent != 5 || m.BackendRef.Name != "copies" {
		t.Errorf("copies go to %v", m)
	}
}

// Hosts with the same paths are in one route; no host stands for all of them,
// and is never beside one.
func TestHostsWithTheSamePathsShareARoute(t *testing.T) {
	for name, c := range map[string]struct {
		routes []deploy.Route
		want   string
	}{
		"no routes":    {nil, "[ /]"},
		"paths":        {[]deploy.Route{{Path: "/a"}, {Path: "/b"}, {Path: "/a"}}, "[ /a,/b]"},
		"hosts":        {[]deploy.Route{{Host: "a"}, {Host: "b"}}, "[a,b /]"},
		"differing":    {[]deploy.Route{{Host: "a"}, {Host: "b", Path: "/x"}, {Host: "c"}}, "[a,c /] [b /x]"},
		"all and some": {[]deploy.Route{{Host: "a"}, {}, {Host: "b"}}, "[a,b /] [ /]"},
	} {
		var got []string
		for _, g := range hostGroups(behind(deploy.Front{Gateway: "g"}, c.routes...)) {
			got = append(got, "["+strings.Join(g.hosts, ",")+" "+strings.Join(g.paths, ",")+"]")
		}
		if is := strings.Join(got, " "); is != c.want {
			t.Errorf("%s: %s, want %s", name, is, c.want)
		}
	}
}

func TestACookieIsFoundAmongOthers(t *testing.T) {
	for header, want := range map[string]bool{
		"beta=1": true, "a=b; beta=1": true, "beta=1; a=b": true, "a=b;beta=1;c=d": true,
		"beta=2": false, "alphabeta=1": false, "a=beta=1": false, "beta=10": false, "": false,
	} {
		h := headerMatch(&deploy.Match{Cookie: "beta", Value: "1"})
		if got := regexp.MustCompile(h.Value).MatchString(header); got != want {
			t.Errorf("%q: %t", header, got)
		}
	}
	if h := headerMatch(&deploy.Match{Cookie: "beta"}); !regexp.MustCompile(h.Value).MatchString("x=y; beta=anything; z=1") {
		t.Errorf("%s finds no cookie of any value", h.Value)
	}
}

func TestIngressHasAllRoutes(t *testing.T) {
	s := behind(deploy.Front{Ingress: "nginx", TLSSecret: "cert"}, deploy.Route{Host: "a"}, deploy.Route{Host: "a", Path: "/x"}, deploy.Route{Path: "/y"})
	list, err := Routes(s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := list[0].(*networkingv1.Ingress)
	if len(in.Spec.Rules) != 2 || len(in.Spec.Rules[0].HTTP.Paths) != 2 || in.Spec.Rules[1].Host != "" || *in.Spec.IngressClassName != "nginx" ||
		len(in.Spec.TLS[0].Hosts) != 1 || in.Spec.TLS[0].SecretName != "cert" {
		t.Errorf("%+v", in.Spec)
	}
	own, err := Routes(behind(deploy.Front{Ingress: "default"}), Options{})
	if err != nil || own[0].(*networkingv1.Ingress).Spec.IngressClassName != nil {
		t.Errorf("the cluster's own class is named: %v %v", own, err)
	}
}

func TestWhatCannotBeRoutedIsRefused(t *testing.T) {
	tcp := behind(deploy.Front{Gateway: "g"})
	tcp.Proxy.Protocol = deploy.TCP
	if _, err := Routes(tcp, Options{}); err == nil || !strings.Contains(err.Error(), "load_balancer") {
		t.Errorf("tcp: %v", err)
	}
	two := []Backend{{Service: "a", Weight: 1}, {Service: "b", Weight: 1}}
	if _, err := Routes(behind(deploy.Front{Ingress: "nginx"}), Options{}, two...); err == nil || !strings.Contains(err.Error(), "gateway") {
		t.Errorf("an Ingress with weights: %v", err)
	}
	for name, s := range map[string]*deploy.Service{"a worker": worker(), "nothing in front": web()} {
		if list, err := Routes(s, Options{}); len(list) > 0 || err != nil {
			t.Errorf("%s: %v %v", name, list, err)
		}
	}
}
