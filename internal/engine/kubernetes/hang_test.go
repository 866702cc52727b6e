package kubernetes

import (
	"strings"
	"testing"
)

func TestPodsWithTheSameTroubleAreToldTogether(t *testing.T) {
	pods := []Pod{
		{Name: "shop-1-a", UID: "u1", Current: true, State: Pulling, Why: "ErrImagePull: for pod shop-1-a"},
		{Name: "shop-1-b", UID: "u2", Current: true, State: Pulling, Why: "ErrImagePull: for pod shop-1-b"},
		{Name: "shop-1-c", UID: "u3", Current: true, State: Scheduling, Why: "Insufficient cpu"},
		{Name: "shop-1-d", UID: "u4", Current: true, State: Probing},
		{Name: "shop-1-e", UID: "u5", Current: true, State: Draining, Why: "EvictionByEvictionAPI"},
		{Name: "shop-0-f", UID: "u6", State: Starting, Why: "of an older template"},
	}
	var told []string
	for _, tr := range troubles(pods) {
		told = append(told, tr.String())
	}
	want := "2 pods (shop-1-a and others): pulling: ErrImagePull: for pod shop-1-a\nshop-1-c: scheduling: Insufficient cpu"
	if got := strings.Join(told, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
