package skew_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(4) // they wait for time to pass, and work little
	harness.Main(m)
}
