package harness

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/internal/clock"
)

var clocks atomic.Int64 // for a name of each test's own

// Clock gives the agents that are started after it a clock that shows now until
// the test moves it: they decide by it what depends on the time of day. When Set
// or Advance returns, they show the new time.
func (w *World) Clock(now time.Time) *clock.Leader {
	w.T.Helper()
	addr := fmt.Sprintf("@segue-test-clock-%d-%d", os.Getpid(), clocks.Add(1)) // an abstract name: gone with the process
	c, err := clock.Lead(addr, now)
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() {
		c.Close()
		w.clockAddr = "" // an agent that is started only to end everything follows nobody
	})
	w.clockAddr = addr
	return c
}
