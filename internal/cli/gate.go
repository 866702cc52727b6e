package cli

import (
	"errors"
	"os"
	"time"

	"github.com/seguehq/segue/internal/control"
)

// gateFlags are those of commands that windows, freezes and locks hold up.
type gateFlags struct {
	Now        bool `help:"Go against deploy windows and freezes; say why with --why." xor:"window"`
	WaitWindow bool `help:"Wait until windows and freezes allow it." xor:"window"`
}

// lockTokenEnv lets what runs under a lock through it.
const lockTokenEnv = "SEGUE_LOCK_TOKEN"

func (g gateFlags) permit() control.Permit {
	return control.Permit{Now: g.Now, Token: os.Getenv(lockTokenEnv)}
}

// pass asks, before anything is built, whether the service may be deployed, and
// waits for that if it is to, also over the end of an agent.
func (e *env) pass(agent *control.Client, q control.PassRequest) error {
	told, waits := "", false
	var gone time.Time
	for {
		err := agent.Pass(e, q, func(note string) error {
			gone, waits = time.Time{}, true
			if note != told {
				told = note
				e.say("%s: %s", q.Service, note)
			}
			return nil
		})
		if err == nil || e.Err() != nil || !waits || !isAway(err) {
			return err
		}
		if gone.IsZero() {
			gone = time.Now()
		}
		if time.Since(gone) > patience {
			return err
		}
		if err := pause(e, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// passing calls change, and once more when the gate was closed in between to
// somebody who waits for it.
func (e *env) passing(agent *control.Client, q control.PassRequest, change func() (control.Begun, error)) (control.Begun, error) {
	for {
		b, err := change()
		var no *control.Error
		if !errors.As(err, &no) || (no.Code != control.CodeClosed || !q.WaitWindow) && (no.Code != control.CodeLocked || !q.Wait) {
			return b, err
		}
		if err := e.pass(agent, q); err != nil {
			return b, err
		}
	}
}
