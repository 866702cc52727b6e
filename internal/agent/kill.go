package agent

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
)

// recorder is what the agent writes in the journal.
type recorder interface {
	Begin(ctx context.Context, r *deploy.Rollout) (deploy.Step, error)
	Start(ctx context.Context, rollout int64, i *deploy.Instance) (deploy.Step, error)
	Append(ctx context.Context, s *deploy.Step) error
	SetProcess(ctx context.Context, id string, pid int, born uint64, port int) error
}

// killEnv names the instant at which an agent kills itself with SIGKILL, for
// the crash tests: "ROLLOUT:N:before" or "ROLLOUT:N:after" the N-th thing that
// this rollout writes in the journal. A test cannot hit every such instant
// from outside.
const killEnv = "SEGUE_TEST_KILL"

// recordWith returns the journal, or with killEnv one that is deadly.
func recordWith(j *journal.Journal) recorder {
	d := &deadly{Journal: j}
	if n, _ := fmt.Sscanf(os.Getenv(killEnv), "%d:%d:%s", &d.rollout, &d.at, &d.when); n != 3 {
		return j
	}
	return d
}

type deadly struct {
	*journal.Journal
	rollout int64
	at      int
	when    string

	mu      sync.Mutex
	n       int
	current int64 // the rollout that wrote last; SetProcess does not say whose it is
}

const sameRollout = -1

func (d *deadly) around(rollout int64, write func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if rollout == sameRollout {
		rollout = d.current
	}
	d.current = rollout
	if rollout != d.rollout {
		return write()
	}
	d.n++
	d.die("before")
	err := write()
	d.die("after")
	return err
}

func (d *deadly) die(when string) {
	if d.n == d.at && d.when == when {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (d *deadly) Begin(ctx context.Context, r *deploy.Rollout) (s deploy.Step, err error) {
	return s, d.around(d.rollout-1, func() error {
		s, err = d.Journal.Begin(ctx, r)
		if r.ID == d.rollout {
			d.n++
			d.die("after")
		}
		return err
	})
}

func (d *deadly) Start(ctx context.Context, rollout int64, i *deploy.Instance) (s deploy.Step, err error) {
	return s, d.around(rollout, func() error {
		s, err = d.Journal.Start(ctx, rollout, i)
		return err
	})
}

func (d *deadly) Append(ctx context.Context, s *deploy.Step) error {
	return d.around(s.Rollout, func() error { return d.Journal.Append(ctx, s) })
}

func (d *deadly) SetProcess(ctx context.Context, id string, pid int, born uint64, port int) error {
	return d.around(sameRollout, func() error { return d.Journal.SetProcess(ctx, id, pid, born, port) })
}
