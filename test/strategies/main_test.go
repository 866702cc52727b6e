package strategies_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(12) // they wait for requests to be answered, and work little
	harness.Main(m)
}
