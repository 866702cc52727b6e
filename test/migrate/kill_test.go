package migrate_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
	"github.com/seguehq/segue/test/migrate/shape"
)

// TestKilledInEveryPhase takes the shop through every kind of change, and at a random
// moment of each phase kills who is doing it with SIGKILL, by turns the process that
// changes the database and the agent. Whoever comes next goes on where it was:
// nothing is lost or wrong, and nothing is done twice.
//
// With SEGUE_SOAK=1 on all tracks, one change at a time.
func TestKilledInEveryPhase(t *testing.T) {
	t.Parallel()
	for n, k := range tracks {
		if n > 0 && !harness.Soak() {
			return
		}
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, k)
			phases := []string{"expand", "backfill"}
			for round := 0; s.at < shape.Last; round++ {
				to := min(s.at+together(), shape.Last)
				kinds := k.kinds(t, s.at+1, to)
				s.write(to)
				phase := phases[round%len(phases)]
				s.killed(phase, victims[round/2%2], "deploy")
				s.at = to
				s.check(kinds + ": deployed, " + phase + " killed")
				s.killed("contract", victims[round%2], contract...)
				s.check(kinds + ": contracted, killed")
			}
			s.close()
		})
	}
}

// victims are who is killed while a phase is carried out.
var victims = []string{"the phase's process", "the agent"}

// killed runs a command until it is done, and kills who works for it the first time
// that it is in a phase. A command whose agent has died goes on with the next; one
// whose phase has died fails, and is run again.
func (s *site) killed(phase, victim string, command ...string) {
	s.T.Helper()
	running := s.Background(command...)
	if pid := s.comes(phase, running); pid != 0 {
		moment := time.Duration(rand.Int64N(int64(400 * time.Millisecond)))
		s.showsNoPassword()
		s.T.Logf("%s: %s is killed after %s", phase, victim, moment.Round(time.Millisecond))
		<-time.After(moment)
		if victim == victims[0] {
			_ = syscall.Kill(pid, syscall.SIGKILL) // fails when it has ended
		} else {
			s.agent.Kill()
			s.agent = s.Agent()
		}
	}
	if r := running.Ran(); r.Code != 0 {
		s.T.Logf("segue %v: %s", command, r)
		s.Must(0, command...)
	}
}

// comes waits for the process of a phase, and returns 0 when the command has ended
// without one.
func (s *site) comes(phase string, running *harness.Command) (pid int) {
	s.T.Helper()
	s.Until("there is a process of "+phase, func() bool {
		select {
		case <-running.Over():
			return true
		default:
		}
		if pids := s.Processes("migrate " + phase + " --dir"); len(pids) > 0 {
			pid = pids[0]
		}
		return pid != 0
	})
	return pid
}
