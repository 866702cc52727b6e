//go:build kubernetes

package story_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/kubernetes"
)

func TestRollingDeploysInPlaceAndUndoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deploys(w.order("one", ""), deploy.Done)
	w.serves(1, 3)
	w.deploys(w.order("two", ""), deploy.Done)
	w.serves(2, 3)
	if _, err := w.cluster.Deploy(w.context(), w.order("two", ""), w.show); !errors.Is(err, kubernetes.ErrNothing) {
		t.Errorf("an unchanged release: %v", err)
	}
	if names := w.get("deployments", "-o", "name"); names != "deployment.apps/shop" {
		t.Errorf("Deployments: %s", names)
	}
}

func TestReleaseThatDoesNotGetReadyIsRolledBackWithItsReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deploys(w.order("one", ""), deploy.Done)
	bad := with(w.order("two", "strategy: { type: rolling, progress_deadline: 15s }"), "SICK", "yes")
	r := w.deploys(bad, deploy.RolledBack)
	w.serves(1, 3)
	if !strings.Contains(r.Reason, "503") {
		t.Errorf("the reason does not tell of the probe: %s", r.Reason)
	}
}
