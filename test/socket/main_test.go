package socket_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(4)
	harness.Main(m)
}
