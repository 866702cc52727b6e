package kubernetes

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

func TestARouteIsTakenUpWhenEveryGatewaySaysSoOfItsNewestForm(t *testing.T) {
	yes := metav1.Condition{Type: "Accepted", Status: "True", ObservedGeneration: 2}
	no := metav1.Condition{Type: "ResolvedRefs", Status: "False", ObservedGeneration: 2, Reason: "BackendNotFound", Message: "no such Service"}
	old := metav1.Condition{Type: "ResolvedRefs", Status: "False", ObservedGeneration: 1, Reason: "BackendNotFound", Message: "no such Service"}
	type says = []metav1.Condition
	for _, c := range []struct {
		name    string
		parents []says
		ok      bool
		refused string
	}{
		{"no Gateway has seen it", nil, false, ""},
		{"its only one has taken it up", []says{{yes}}, true, ""},
		{"one of two has not seen the newest form", []says{{yes}, {yes, old}}, false, ""},
		{"one of two refuses it", []says{{yes}, {yes, no}}, false, "HTTPRoute shop: BackendNotFound: no such Service"},
	} {
		t.Run(c.name, func(t *testing.T) {
			route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Name: "shop", Generation: 2}}
			for _, conditions := range c.parents {
				route.Status.Parents = append(route.Status.Parents, gatewayv1.RouteParentStatus{Conditions: conditions})
			}
			ok, err := accepted(route)
			refused := ""
			if err != nil {
				refused = err.Error()
			}
			if ok != c.ok || refused != c.refused {
				t.Errorf("accepted: %v, %q; want %v, %q", ok, refused, c.ok, c.refused)
			}
		})
	}
}
