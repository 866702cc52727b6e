package kubernetes

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

func TestACanaryByPodsHasAsManyAsItsShareTakes(t *testing.T) {
	spec := &deploy.Service{Name: "shop", Strategy: deploy.Strategy{Type: deploy.Canary, Steps: []deploy.CanaryStep{{Weight: 5}, {Weight: 50}, {Weight: 80}}}}
	rec := &Record{Rollout: deploy.Rollout{Kind: deploy.KindDeploy, From: 1, To: 2, Before: 10, Replicas: 10}}
	var have []string
	for _, st := range stagesOf(spec, rec) {
		if strings.HasSuffix(st.Name, "%") && st.Old > 0 {
			have = append(have, fmt.Sprintf("%s: %d pods, %d %%", st.Name, st.New, share(&st)))
		}
	}
	want := []string{"canary 5 %: 1 pods, 9 %", "canary 50 %: 10 pods, 50 %", "canary 80 %: 10 pods, 50 %", "canary 100 %: 10 pods, 100 %"}
	if !slices.Equal(have, want) {
		t.Errorf("have %q\nwant %q", have, want)
	}
}

func TestTheSecondDeploymentNeverHasTheNameOfTheFirst(t *testing.T) {
	for _, c := range []struct{ serving, want string }{{"shop", "shop-r8"}, {"shop-r7", "shop-r8"}, {"shop-r8", "shop"}} {
		if have := besideName("shop", 8, c.serving); have != c.want {
			t.Errorf("beside %s: %s, want %s", c.serving, have, c.want)
		}
	}
}
