package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seguehq/segue/store"
)

// HistoryKept is how many runs of each job are remembered.
const HistoryKept = 50

// A Run is one run of a job, or a part of one that was handed on, or times at which
// none began.
type Run struct {
	ID      string    `json:"id"`             // the same for all parts of a run
	Slot    time.Time `json:"slot"`           // when it was to begin
	Part    int       `json:"part,omitempty"` // 0, or how often it was taken up by another
	Runner  Runner    `json:"runner,omitzero"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"` // zero: it has not
	Outcome Outcome   `json:"outcome,omitempty"`
	Why     string    `json:"why,omitempty"`    // the error; what it was skipped for; who took it over
	By      string    `json:"by,omitempty"`     // who has asked for it; empty: the schedule
	GoesOn  bool      `json:"goesOn,omitempty"` // another part of it follows

	Rest time.Time `json:"rest,omitzero"` // until when AtLeastFor keeps the next from beginning

	Skipped int       `json:"skipped,omitempty"` // of Outcome Skipped: how many times (10,000: or more), the first at Slot
	Until   time.Time `json:"until,omitzero"`    // and the last at Until
}

// A Runner is the process that runs a job.
type Runner struct {
	Instance string `json:"instance"`          // $SEGUE_INSTANCE, or host:pid
	Service  string `json:"service,omitempty"` // $SEGUE_SERVICE
	Release  string `json:"release,omitempty"` // $SEGUE_RELEASE
}

// An Outcome is how a run has ended.
type Outcome string

const (
	Done     Outcome = "done"
	Failed   Outcome = "failed"    // the Func returned an error, or panicked
	TooLong  Outcome = "too long"  // it was called off, at AtMostFor
	Stopped  Outcome = "stopped"   // it was called off, as its process had to stop
	HandedOn Outcome = "handed on" // at a checkpoint; another goes on
	Died     Outcome = "died"      // its process did, or did not reach the store for a lease
	Skipped  Outcome = "skipped"   // it has not begun
)

// A book is the histories of jobs.
type book struct{ store store.Store }

// A chapter is the history of one job.
type chapter struct {
	Schedule string `json:"schedule,omitempty"` // by which the last of the runs was begun
	Runs     []Run  `json:"runs"`               // the last one last
}

// read reads a job's history, which may be empty.
func (b book) read(ctx context.Context, name string) (c chapter, revision store.Revision, err error) {
	e, err := b.store.Get(ctx, historyPrefix+name)
	if errors.Is(err, store.ErrNotFound) {
		return c, store.Absent, nil
	}
	if err == nil {
		err = json.Unmarshal(e.Value, &c)
	}
	if err != nil {
		return c, 0, fmt.Errorf("job: history of %q: %w", name, err)
	}
	return c, e.Revision, nil
}

// note adds runs to a job's history, and before them the times of its schedule at
// which nobody has begun one.
func (b book) note(ctx context.Context, name string, when Schedule, runs ...Run) error {
	for {
		c, revision, err := b.read(ctx, name)
		if err != nil {
			return err
		}
		c.add(when, runs)
		value, err := json.Marshal(c)
		if err != nil {
			return err
		}
		_, err = b.store.Put(ctx, store.Write{Key: historyPrefix + name, Value: value, Expect: revision})
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (c *chapter) add(when Schedule, runs []Run) {
	if when != nil {
		c.missed(when, runs[0])
		c.Schedule = scheduleText(when)
	}
	for _, r := range runs {
		if n := len(c.Runs); n > 0 && r.Outcome == Skipped && c.Runs[n-1].Outcome == Skipped && c.Runs[n-1].Why == r.Why {
			c.Runs[n-1].absorb(r)
			continue
		}
		c.Runs = append(c.Runs, r)
	}
	c.Runs = c.Runs[max(len(c.Runs)-HistoryKept, 0):]
}

// absorb counts times that were skipped for the same reason as one entry.
func (r *Run) absorb(next Run) {
	r.Skipped = max(r.Skipped, 1) + max(next.Skipped, 1)
	r.Until = later(next.Slot, next.Until)
}

// missed adds the times between the last run and the next at which nobody was there.
func (c *chapter) missed(when Schedule, next Run) {
	if _, byRecord := when.(delay); byRecord || len(c.Runs) == 0 || c.Schedule != scheduleText(when) || next.By != "" {
		return
	}
	var since, rest time.Time
	for _, r := range c.Runs {
		for _, t := range []time.Time{r.Slot, r.Ended, r.Until} {
			since = later(since, t)
		}
		rest = later(rest, r.Rest)
	}
	until := next.Slot.Add(-1)
	if next.Part > 0 {
		c.skip(when, since, next.Started.Add(-1), "the run before was not yet taken up")
		return
	}
	if rest = earlier(rest.Add(-1), until); rest.After(since) {
		c.skip(when, since, rest, "AtLeastFor had not passed")
		since = rest
	}
	c.skip(when, since, until, "no instance began it")
}

// skip notes the times of a schedule after one and not after another as skipped.
func (c *chapter) skip(when Schedule, after, until time.Time, why string) {
	if n, first, last := between(when, after, until); n > 0 {
		c.Runs = append(c.Runs, Run{Slot: first, Until: last, Skipped: n, Outcome: Skipped, Why: why})
	}
}

// scheduleText is a schedule in words.
func scheduleText(s Schedule) string {
	if text, ok := s.(fmt.Stringer); ok {
		return text.String()
	}
	return fmt.Sprintf("%T", s)
}
