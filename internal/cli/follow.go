package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// patience is how long a command waits for an agent that has gone to be back.
const patience = 30 * time.Second

// outcome is what --json prints of a rollout.
type outcome struct {
	deploy.Rollout
	Nothing bool `json:"nothing,omitempty"`
}

// nothing tells that a service is already as it is asked to be.
func (e *env) nothing(service string) error {
	return e.print(outcome{Nothing: true}, func(w out) { fmt.Fprintf(w, "%s: nothing to do, all is as asked\n", service) })
}

// over tells how a rollout ended, and ends the command likewise.
func (e *env) over(r deploy.Rollout) error {
	if err := e.print(outcome{Rollout: r}, func(w out) { tellEnd(w, r) }); err != nil {
		return err
	}
	return ended(r.Phase)
}

// follow shows a rollout until its end. An agent that goes meanwhile and comes
// back is followed on: the rollout does not end with it.
func (e *env) follow(agent *control.Client, service string, b control.Begun) error {
	if b.Nothing {
		return e.nothing(service)
	}
	view := e.newView(b.Rollout)
	end, err := e.watch(agent, b.Rollout.ID, !b.Joined, view)
	view.close()
	if stays := (pagesStay{}); errors.As(err, &stays) {
		return e.print(outcome{Rollout: b.Rollout}, func(w out) { tellStay(w, b.Rollout, stays) })
	}
	if errors.Is(err, context.Canceled) {
		return &exitError{exitFailed, fmt.Sprintf("no longer watching; rollout %d goes on. `segue status --watch` shows it, `segue rollback %s` undoes it", b.Rollout.ID, service)}
	}
	if err != nil {
		return err
	}
	b.Rollout.Phase, b.Rollout.Reason, b.Rollout.Ended, b.Rollout.Migrated = end.End, end.Reason, end.At, end.Migrated
	if err := e.print(outcome{Rollout: b.Rollout}, func(w out) { tellEnd(w, b.Rollout) }); err != nil {
		return err
	}
	if b.Joined {
		return nil // it was to be undone
	}
	return ended(end.End)
}

func tellEnd(w out, r deploy.Rollout) {
	took := round(r.Ended.Sub(r.Began))
	if r.Kind == deploy.KindContract && r.Phase == deploy.RolledBack {
		fmt.Fprintf(w, "%s: the contract of %s has failed after %s; it can be tried again, and release %d serves on\nreason: %s\n", r.Service, deploy.Migrations(r.Brings), took, r.To, printable(r.Reason))
		return
	}
	if r.Phase == deploy.RolledBack {
		back := fmt.Sprintf("release %d is back", r.From)
		if r.From == 0 {
			back = "nothing of it is left running"
		}
		fmt.Fprintf(w, "%s: rolled back after %s; %s\nreason: %s\n", r.Service, took, back, printable(r.Reason))
		if r.Expanded() {
			fmt.Fprintf(w, "the database keeps what %s added, with which both releases work; `segue migrate rollback` takes it back\n", deploy.Migrations(r.Brings))
		}
		return
	}
	switch r.Kind {
	case deploy.KindDown:
		fmt.Fprintf(w, "%s: down after %s\n", r.Service, took)
	case deploy.KindScale:
		fmt.Fprintf(w, "%s: %s of release %d after %s\n", r.Service, plural(r.Replicas, "instance"), r.To, took)
	case deploy.KindContract:
		fmt.Fprintf(w, "%s: the contract of %s is done after %s", r.Service, deploy.Migrations(r.Brings), took)
		if strings.Contains(r.Did, deploy.NothingRemoved) {
			fmt.Fprintf(w, "; %s\n", deploy.NothingRemoved)
		} else {
			fmt.Fprintln(w, "; releases without it cannot come back")
		}
	default:
		fmt.Fprintf(w, "%s: release %d serves with %s after %s\n", r.Service, r.To, plural(r.Replicas, "instance"), took)
	}
}

// pagesStay ends the watching of a rollout that has done what it was begun for.
type pagesStay struct{ at time.Time }

func (pagesStay) Error() string { return "the new release has taken over" }

func tellStay(w out, r deploy.Rollout, s pagesStay) {
	fmt.Fprintf(w, "%s: release %d serves with %s after %s; one instance of release %d stays for its pages (skew.stay)\n",
		r.Service, r.To, plural(r.Replicas, "instance"), round(s.at.Sub(r.Began)), r.From)
}

// watch passes a rollout's events to the view and returns the last one; or, where
// that is enough, a pagesStay when nothing but that is left.
func (e *env) watch(agent *control.Client, id int64, enough bool, view *view) (end control.Event, err error) {
	var since int64
	var gone time.Time
	for {
		err = agent.Watch(e, id, since, func(ev control.Event) error {
			gone = time.Time{}
			since = max(since, ev.Seq)
			if ev.End != "" {
				end = ev
			}
			view.show(ev)
			if s := ev.Step; enough && s != nil && s.Verb == deploy.StepStage && s.Note == deploy.PagesStay {
				return pagesStay{s.At}
			}
			return nil
		})
		if errors.As(err, new(pagesStay)) {
			return end, err
		}
		if err == nil || e.Err() != nil || !isAway(err) {
			return end, errors.Join(err, e.Err())
		}
		if gone.IsZero() {
			gone = time.Now()
			view.note("the agent has gone; the rollout goes on when it is back")
		}
		if time.Since(gone) > patience {
			return end, &exitError{exitFailed, fmt.Sprintf("the agent has not come back in %s; start it, and rollout %d goes on (`segue status`)", patience, id)}
		}
		if err := pause(e, 100*time.Millisecond); err != nil {
			return end, err
		}
	}
}

// isAway reports whether an error means that there is no agent at the moment.
func isAway(err error) bool {
	var said *control.Error
	return !errors.As(err, &said) || said.Code == control.CodeFailed
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
