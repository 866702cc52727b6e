// Package migrate_test holds the promise about databases: an old and a new release
// use one database at the same time, whatever changes between them, and neither a
// deploy, nor the way back, nor the way forward again, loses a request or a row.
package migrate_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) {
	harness.SideBySide(4)
	harness.Main(m)
}
