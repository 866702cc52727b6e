package cli

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/seguehq/segue/internal/control"
)

type lockCmd struct {
	Run    lockRunCmd    `cmd:"" default:"withargs" help:"Run a command under a lock (this word may be left out)."`
	Status lockStatusCmd `cmd:"" help:"Show who has a lock, and who waits for one."`
	Break  lockBreakCmd  `cmd:"" help:"End somebody's lock."`
}

func (c *lockCmd) Help() string {
	return `Examples:
  segue lock --why "the database moves" -- ./move-the-database
  segue lock shop --wait --why "release train" -- sh -c 'make && segue deploy shop'
  segue lock status
  segue lock break shop --why "ann's laptop is asleep"

While COMMAND runs, deploys and restarts of others are refused (exit code 5) and told who, why
and since when; with --wait they wait in turn. COMMAND's own pass. The lock ends with COMMAND, and
at once when segue lock is killed. An agent that is killed or replaced keeps it.`
}

type lockRunCmd struct {
	Service string   `arg:"" optional:"" help:"Only this service. Default: all."`
	Command []string `arg:"" optional:"" help:"After --: the command."`
	Wait    bool     `help:"Wait in turn for other locks, and for rollouts under way, instead of being refused."`
	Why     string   `required:"" help:"Why; who is refused is told." placeholder:"TEXT"`
}

func (c *lockRunCmd) Run(e *env) error {
	service, argv := c.Service, e.behind
	if len(argv) == len(c.Command)+1 { // the parser took the command's first word for the service
		service = ""
	}
	if len(argv) == 0 || service != "" && len(argv) != len(c.Command) {
		return &exitError{exitUsage, "lock: which command? Write `segue lock [SERVICE] --why '…' -- COMMAND`"}
	}
	q := control.LockRequest{Service: service, Who: who(), Why: c.Why, Wait: c.Wait}
	held, lost, release := e.holdLock(q)
	defer release()
	select {
	case err := <-lost:
		return err
	case q.Token = <-held:
	}
	err := runCommand(e, e, argv, nil, lockTokenEnv+"="+q.Token)
	select {
	case gone := <-lost:
		return errors.Join(&exitError{exitFailed, fmt.Sprintf("the command went on without it: %v", gone)}, err)
	default:
	}
	if _, uerr := e.agent().Unlock(context.WithoutCancel(e), control.UnlockRequest{Token: q.Token, Who: q.Who}); uerr != nil {
		fmt.Fprintln(e.err, "segue: the lock ends by itself:", uerr)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return &exitError{exit.ExitCode(), err.Error()}
	}
	return err
}

// holdLock holds a lock until release, also over the end of an agent. held gets
// its token; lost gets why there is none, or none any more.
func (e *env) holdLock(q control.LockRequest) (held <-chan string, lost <-chan error, release func()) {
	tokens, gone := make(chan string, 1), make(chan error, 1)
	over := make(chan struct{})
	ctx, stop := context.WithCancel(context.WithoutCancel(e))
	asking := context.AfterFunc(e, func() { // Ctrl-C: the command ends first, if it has begun
		if len(tokens) == 0 && q.Token == "" {
			stop()
		}
	})
	go func() {
		defer close(over)
		gone <- e.keepLock(ctx, q, tokens)
	}()
	return tokens, gone, func() { asking(); stop(); <-over }
}

// keepLock asks for the lock, and with its token again whenever the agent has
// gone.
func (e *env) keepLock(ctx context.Context, q control.LockRequest, held chan<- string) error {
	var away time.Time
	for {
		err := e.agent().Lock(ctx, q, func(ev control.LockEvent) error {
			switch {
			case ev.Note != "":
				e.say("waiting: %s", ev.Note)
			case q.Token == "":
				q.Token = ev.Token
				held <- ev.Token
			}
			away = time.Time{}
			return nil
		})
		var said *control.Error
		if ctx.Err() != nil || q.Token == "" || errors.As(err, &said) && said.Code != control.CodeFailed {
			return err
		}
		if away.IsZero() {
			away = time.Now()
		}
		if time.Since(away) > patience {
			return fmt.Errorf("the agent has not come back in %s, and the lock is over", patience)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

type lockStatusCmd struct{}

func (c *lockStatusCmd) Run(e *env) error {
	g, err := e.agent().Gates(e)
	if err != nil {
		return err
	}
	return e.print(g, func(w out) {
		for _, l := range g.Locks {
			fmt.Fprintf(w, "%s: %s\n", orAll(l.Service), tellLock(l))
		}
		for _, l := range g.Waiting {
			what := "waits"
			if l.ToDeploy {
				what = "waits to deploy"
			}
			fmt.Fprintf(w, "%s: %s %s: %s\n", orAll(l.Service), l.Who, what, printable(l.Why))
		}
		if len(g.Locks) == 0 {
			fmt.Fprintln(w, "nobody has a lock")
		}
	})
}

func tellLock(l control.Lock) string {
	return fmt.Sprintf("locked by %s since %s: %s", l.Who, l.Began.Local().Format("Mon 15:04:05"), printable(l.Why))
}

type lockBreakCmd struct {
	Service string `arg:"" optional:"" help:"The service that is locked. Default: the lock of all."`
	Why     string `required:"" help:"Why, for the history and for its holder." placeholder:"TEXT"`
}

func (c *lockBreakCmd) Run(e *env) error {
	l, err := e.agent().Unlock(e, control.UnlockRequest{Service: c.Service, Who: who(), Why: c.Why})
	if err != nil {
		return err
	}
	return e.print(l, func(w out) {
		if l.Nothing {
			fmt.Fprintf(w, "%s: there is no such lock; segue lock status shows what there is\n", orAll(c.Service))
			return
		}
		fmt.Fprintf(w, "%s: the lock of %s is broken\n", orAll(l.Service), l.Who)
	})
}
