package agent

import (
	"context"
	"os"

	"github.com/seguehq/segue/internal/clock"
)

// clockEnv is the address of a clock.Leader, for tests of whole processes: a
// deploy window is not waited for.
const clockEnv = "SEGUE_TEST_CLOCK"

// setClock chooses the agent's clock.
func (a *Agent) setClock(ctx context.Context) error {
	a.clock = a.o.Clock
	if a.clock != nil {
		return nil
	}
	a.clock = clock.System{}
	addr := os.Getenv(clockEnv)
	if addr == "" {
		return nil
	}
	c, follow, err := clock.Follow(ctx, addr)
	if err != nil {
		return err
	}
	a.clock = c
	a.tasks.Go(func() { follow(ctx) })
	return nil
}
