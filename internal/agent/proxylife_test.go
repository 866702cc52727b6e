package agent

import (
	"maps"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

// TestProxyIsTunedAsTheAgentIs: Go's settings reach the proxy, and nothing else
// of the agent's environment does by this way.
func TestProxyIsTunedAsTheAgentIs(t *testing.T) {
	got := tuning([]string{"GOMEMLIMIT=1GiB", "GODEBUG=a=1,b=2", "GOFLAGS=-race", "SECRET=x"})
	want := deploy.Environment{"GOMEMLIMIT": "1GiB", "GODEBUG": "a=1,b=2"}
	if !maps.Equal(got, want) {
		t.Errorf("the proxy gets %v, want %v", got, want)
	}
}
