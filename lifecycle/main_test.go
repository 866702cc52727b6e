package lifecycle

import (
	"os"
	"testing"
)

// The runtime makes what it needs for signals at the first use, which must not
// be within the fake time of a test.
func TestMain(m *testing.M) {
	_, release := subscribe()
	release()
	os.Exit(m.Run())
}
