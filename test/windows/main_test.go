package windows_test

import (
	"os"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	_ = os.Setenv("TZ", "UTC") // of the agents, who tell times as they are there
	harness.Main(m)
}
