package ramp_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(2)
	harness.Main(m)
}
