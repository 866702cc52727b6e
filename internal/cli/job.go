package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/store"
)

type jobCmd struct {
	Ls      jobLsCmd      `cmd:"" aliases:"list" help:"List the jobs: what runs, what is overdue, when each is due next."`
	Run     jobRunCmd     `cmd:"" help:"Have an instance run a job now, and wait for it."`
	Suspend jobSuspendCmd `cmd:"" help:"Keep a job from being run, everywhere, until resume."`
	Resume  jobResumeCmd  `cmd:"" help:"End a suspension."`
	History jobHistoryCmd `cmd:"" help:"List a job's last runs: where, when, how long, and how each ended."`
}

func (c *jobCmd) Help() string {
	return `Examples:
  segue job ls
  segue job run sync-orders
  segue job suspend sync-orders --why "the order system moves" && segue job resume sync-orders
  segue job history sync-orders -n 5
  segue job ls --check            # exit code 1 if a job is overdue, overlong, or failed last
  STORE=redis://… segue job ls --store-from STORE

The jobs are those that services run with Segue's package job. What is known of them is in the
services' store: the one that segue.yaml says, or the file that the agent keeps for them. It needs
neither agent nor instances.`
}

// findJob does something in the one store that knows of a job.
func findJob(e *env, f *storeFlags, name string, do func(*job.Control) error) error {
	return f.find(e, func(ctx context.Context, s store.Store) (bool, error) {
		_, err := job.NewControl(s).Status(ctx, name)
		if errors.Is(err, job.ErrUnknown) {
			return false, nil
		}
		return err == nil, err
	}, fmt.Sprintf("there is no job %q; `segue job ls` lists those there are", name),
		fmt.Sprintf("several services have a job %q", name),
		func(s storeIn) error { return do(job.NewControl(s.Store)) })
}

type jobLsCmd struct {
	storeFlags
	Check bool `help:"Exit code 1 if a job is overdue or overlong, or its last run has failed: for monitoring."`
}

func (c *jobLsCmd) Run(e *env) error {
	all, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	var jobs []jobOf
	for _, s := range all {
		list, err := job.NewControl(s.Store).List(e)
		if err != nil {
			return fmt.Errorf("the store of %s: %w", s.name(), err)
		}
		for _, j := range list {
			jobs = append(jobs, jobOf{Services: s.services, Status: j})
		}
	}
	if err := e.print(jobs, func(w out) { writeJobs(w, jobs, time.Now()) }); err != nil || !c.Check {
		return err
	}
	return c.judge(jobs)
}

func (c *jobLsCmd) judge(jobs []jobOf) error {
	bad := 0
	for _, j := range jobs {
		if j.Overdue > 0 || j.Overlong || j.failed() {
			bad++
		}
	}
	if bad == 0 {
		return nil
	}
	return &exitError{exitFailed, fmt.Sprintf("%s overdue, overlong or failed", plural(bad, "job"))}
}

type jobRunCmd struct {
	Name string `arg:"" help:"The job."`
	storeFlags
	NoWait bool `help:"Do not wait for its end."`
}

func (c *jobRunCmd) Run(e *env) error {
	return findJob(e, &c.storeFlags, c.Name, func(ctl *job.Control) error {
		id, err := ctl.Run(e, c.Name, who())
		switch {
		case errors.Is(err, job.ErrSuspended), errors.Is(err, job.ErrRunning):
			return c.refused(e, ctl, err)
		case err != nil:
			return err
		}
		if c.NoWait {
			return e.print(map[string]string{"job": c.Name, "id": id}, func(w out) { fmt.Fprintf(w, "%s: an instance runs it now\n", c.Name) })
		}
		return c.wait(e, ctl, id)
	})
}

// refused says in the words of the command why a run has not begun.
func (c *jobRunCmd) refused(e *env, ctl *job.Control, refusal error) error {
	st, err := ctl.Status(e, c.Name)
	switch {
	case err != nil:
		return refusal
	case st.Suspended != nil:
		return &exitError{exitFailed, fmt.Sprintf("%s is %s; `segue job resume %s` ends that", c.Name, suspendedBy(*st.Suspended), c.Name)}
	case st.Running != nil && !st.Running.Started.IsZero():
		return &exitError{exitFailed, fmt.Sprintf("%s runs already, on %s since %s; `segue job history %s -f` tells when it ends", c.Name, st.Running.Runner.Instance, clock(st.Running.Started), c.Name)}
	}
	return refusal
}

// wait waits for the end of the run, and says meanwhile what it waits for.
func (c *jobRunCmd) wait(e *env, ctl *job.Control, id string) error {
	told, stop := context.WithCancel(e)
	var telling sync.WaitGroup
	if f, ok := tty(e.err); ok && !e.flags.JSON {
		telling.Go(func() { c.tell(told, ctl, &liveLine{w: f}) })
	}
	r, err := ctl.Wait(e, c.Name, id)
	stop()
	telling.Wait()
	if err != nil {
		return err
	}
	if err := e.print(r, func(w out) { fmt.Fprintf(w, "%s: %s\n", c.Name, tellRun(r)) }); err != nil {
		return err
	}
	if r.Outcome != job.Done {
		return &exitError{exitFailed, ""}
	}
	return nil
}

// tell shows where the run is, until it is told to stop.
func (c *jobRunCmd) tell(ctx context.Context, ctl *job.Control, line *liveLine) {
	defer line.clear()
	for {
		st, err := ctl.Status(ctx, c.Name)
		switch {
		case err != nil || st.Running == nil:
		case st.Running.Started.IsZero():
			line.show(fmt.Sprintf("%s: waits for an instance to take it up", c.Name))
		default:
			line.show(fmt.Sprintf("%s: runs on %s for %s", c.Name, st.Running.Runner.Instance, ago(round(time.Since(st.Running.Started)))))
		}
		if pause(ctx, 500*time.Millisecond) != nil {
			return
		}
	}
}

type jobSuspendCmd struct {
	Name string `arg:"" help:"The job."`
	storeFlags
	Why string `required:"" help:"Why; whoever looks is told." placeholder:"TEXT"`
}

func (c *jobSuspendCmd) Run(e *env) error {
	return findJob(e, &c.storeFlags, c.Name, func(ctl *job.Control) error {
		if err := ctl.Suspend(e, c.Name, who(), c.Why); err != nil {
			return err
		}
		st, err := ctl.Status(e, c.Name)
		if err != nil {
			return err
		}
		return e.print(st, func(w out) {
			fmt.Fprintf(w, "%s: suspended; no run begins before `segue job resume %s`\n", c.Name, c.Name)
			if r := st.Running; r != nil && !r.Started.IsZero() {
				fmt.Fprintf(w, "  the run on %s goes on to its end\n", r.Runner.Instance)
			}
		})
	})
}

type jobResumeCmd struct {
	Name string `arg:"" help:"The job."`
	storeFlags
}

func (c *jobResumeCmd) Run(e *env) error {
	return findJob(e, &c.storeFlags, c.Name, func(ctl *job.Control) error {
		before, err := ctl.Status(e, c.Name)
		if err != nil {
			return err
		}
		if err := ctl.Resume(e, c.Name, who()); err != nil {
			return err
		}
		st, err := ctl.Status(e, c.Name)
		if err != nil {
			return err
		}
		return e.print(st, func(w out) {
			what := "resumed"
			if before.Suspended == nil {
				what = "it was not suspended"
			}
			fmt.Fprintf(w, "%s: %s%s\n", c.Name, what, tellNext("; it is due next ", st.Next, time.Now()))
		})
	})
}

type jobHistoryCmd struct {
	Name string `arg:"" help:"The job."`
	storeFlags
	Number int  `short:"n" default:"20" help:"How many runs, newest first; 0 is all that are kept."`
	Follow bool `short:"f" help:"Go on showing runs as they end."`
}

func (c *jobHistoryCmd) Run(e *env) error {
	return findJob(e, &c.storeFlags, c.Name, func(ctl *job.Control) error {
		runs, err := ctl.History(e, c.Name, c.Number)
		if err != nil {
			return err
		}
		if err := e.print(runs, func(w out) { writeTable(w, func(t out) { writeRuns(t, runs, true) }) }); err != nil || !c.Follow {
			return err
		}
		err = ctl.Follow(e, c.Name, func(r job.Run) error {
			return e.print(r, func(w out) { writeTable(w, func(t out) { writeRuns(t, []job.Run{r}, false) }) })
		})
		if e.Err() != nil {
			return nil
		}
		return err
	})
}
