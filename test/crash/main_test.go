package crash_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(8) // they wait for each other's death
	harness.Main(m)
}
