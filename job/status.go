package job

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Status is how things stand with a job.
type Status struct {
	Name      string      `json:"name"`
	Schedule  string      `json:"schedule,omitempty"` // as in "every 10s"; empty if it is not known
	State     State       `json:"state"`
	Next      time.Time   `json:"next,omitzero"`       // when it is due next; zero: never, or not known
	Running   *Run        `json:"running,omitempty"`   // what runs, or waits for a runner; nil: nothing
	Last      *Run        `json:"last,omitempty"`      // the last that has ended; nil: none
	Suspended *Suspension `json:"suspended,omitempty"` // nil: it is not

	Instances []string      `json:"instances,omitempty"`   // that have the job
	Gone      bool          `json:"gone,omitempty"`        // no instance has it any more; what is known of it is left over
	Overdue   time.Duration `json:"overdue,omitempty"`     // how long it has been due, and not begun; 0: it is not overdue
	Overlong  bool          `json:"overlong,omitempty"`    // Running has taken longer than it should
	AtMostFor time.Duration `json:"at_most_for,omitempty"` // 0: no bound
}

// A State is what becomes of a job when it is due.
type State string

const (
	Idle      State = "idle"      // it begins
	Waiting   State = "waiting"   // a run waits for an instance to take it up: it was handed on, or asked for by hand
	Running   State = "running"   // it is skipped
	Resting   State = "resting"   // it is skipped, as AtLeastFor has not passed
	Suspended State = "suspended" // it is skipped
)

// A Suspension says who has suspended a job.
type Suspension struct {
	By    string    `json:"by,omitempty"`
	Why   string    `json:"why,omitempty"`
	Since time.Time `json:"since"`
}

// String is "by ada since 15:04:05 (the partner's API is down)".
func (s Suspension) String() string {
	text := "since " + s.Since.Local().Format(time.DateTime)
	if s.By != "" {
		text = "by " + s.By + " " + text
	}
	if s.Why != "" {
		text += " (" + s.Why + ")"
	}
	return text
}

// List returns the jobs that instances have or that something is known of, by
// name.
func (c *Control) List(ctx context.Context) ([]Status, error) {
	v, err := c.survey(ctx)
	if err != nil {
		return nil, fmt.Errorf("job: list: %w", err)
	}
	now := time.Now().UTC()
	all := make([]Status, 0, len(v.records))
	for _, name := range v.names() {
		s, err := c.status(ctx, v, name, now)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Status is that of one job; an ErrUnknown if there is no such job.
func (c *Control) Status(ctx context.Context, name string) (Status, error) {
	v, err := c.survey(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("job: status of %q: %w", name, err)
	}
	if !slices.Contains(v.names(), name) {
		return Status{}, fmt.Errorf("job: status of %q: %w", name, v.unknown())
	}
	return c.status(ctx, v, name, time.Now().UTC())
}

// A survey is what the store knows of all jobs.
type survey struct {
	records map[string]record
	owners  map[string][]owner
}

// An owner is an instance that has a job, and what it tells of it.
type owner struct {
	instance
	notice
}

// survey reads all states, and what instances that live tell of their jobs.
func (c *Control) survey(ctx context.Context) (survey, error) {
	v := survey{records: map[string]record{}, owners: map[string][]owner{}}
	for e, err := range c.store.List(ctx, statePrefix) {
		if err != nil {
			return v, err
		}
		r, err := decode(e)
		if err != nil {
			return v, err
		}
		v.records[strings.TrimPrefix(e.Key, statePrefix)] = r
	}
	living := map[string]instance{}
	for e, err := range c.store.List(ctx, instancePrefix) {
		var i instance
		if err == nil {
			err = json.Unmarshal(e.Value, &i)
		}
		if err != nil {
			return v, err
		}
		living[strings.TrimPrefix(e.Key, instancePrefix)] = i
	}
	for e, err := range c.store.List(ctx, jobsPrefix) {
		var notices []notice
		if err == nil {
			err = json.Unmarshal(e.Value, &notices)
		}
		if err != nil {
			return v, err
		}
		if i, lives := living[strings.TrimPrefix(e.Key, jobsPrefix)]; lives {
			for _, n := range notices {
				v.owners[n.Name] = append(v.owners[n.Name], owner{i, n})
			}
		}
	}
	for _, owners := range v.owners { // the youngest first: its release is what is to come
		slices.SortStableFunc(owners, func(a, b owner) int { return b.Since.Compare(a.Since) })
	}
	return v, nil
}

// names are all jobs.
func (v survey) names() []string {
	all := map[string]bool{}
	for name := range v.records {
		all[name] = true
	}
	for name := range v.owners {
		all[name] = true
	}
	return slices.Sorted(maps.Keys(all))
}

func (v survey) unknown() error {
	names := slices.Sorted(maps.Keys(v.owners))
	if len(names) == 0 {
		return fmt.Errorf("%w, or any other job: does the service run, and with this store?", ErrUnknown)
	}
	if len(names) > 5 {
		names = append(names[:5], "…")
	}
	return fmt.Errorf("%w; there are %s", ErrUnknown, strings.Join(names, ", "))
}

// owners are the instances that have a job; an ErrUnknown if none has.
func (c *Control) owners(ctx context.Context, name string) ([]owner, error) {
	v, err := c.survey(ctx)
	if err == nil && len(v.owners[name]) == 0 {
		err = v.unknown()
	}
	return v.owners[name], err
}

func (c *Control) status(ctx context.Context, v survey, name string, now time.Time) (Status, error) {
	r, known := v.records[name]
	owners := v.owners[name]
	s := Status{Name: name, State: r.state(now), Suspended: r.Suspended, Gone: len(owners) == 0}
	if run := r.Run; run != nil && run.Ended.IsZero() {
		s.Running = run
	} else {
		s.Last = run
	}
	if known && s.Last == nil {
		h, _, err := c.book.read(ctx, name)
		if err != nil {
			return s, err
		}
		if n := len(h.Runs); n > 0 {
			s.Last = &h.Runs[n-1]
		}
	}
	for _, o := range owners {
		s.Instances = append(s.Instances, o.Instance)
	}
	slices.Sort(s.Instances)
	if len(owners) > 0 {
		s.told(r, owners, now)
	}
	return s, nil
}

// state is what becomes of the job when it is due.
func (r record) state(now time.Time) State {
	switch r.status {
	case statusOpen:
		return Waiting
	case statusRunning:
		return Running
	case statusSuspended:
		return Suspended
	}
	if r.rest().After(now) {
		return Resting
	}
	return Idle
}

// told adds what instances tell: when the job is due, and whether that has passed.
func (s *Status) told(r record, owners []owner, now time.Time) {
	n := owners[0].notice
	s.Schedule, s.AtMostFor = n.Schedule, n.AtMost
	s.Overlong = s.State == Running && n.Overlong > 0 && now.Sub(s.Running.Started) > n.Overlong
	if s.State == Suspended {
		return
	}
	due := s.due(r, n, owners[len(owners)-1].Since)
	if late := now.Sub(due); !due.IsZero() && s.State != Running && late > n.Overdue {
		s.Overdue = late
	}
	s.Next = n.Next
	if when := n.when(); when != nil && n.Delay == 0 {
		s.Next = when.Next(now)
	} else if n.Delay > 0 {
		s.Next = due
	}
	if s.State == Waiting || s.State == Running && n.Delay > 0 {
		s.Next = time.Time{}
	}
}

// due is the first time for which no run has begun, of which there has been an
// instance that could; zero if that is not known.
func (s *Status) due(r record, n notice, since time.Time) time.Time {
	when := n.when()
	switch {
	case s.State == Waiting:
		return later(r.Run.Slot, since)
	case when == nil:
		return time.Time{}
	case n.Delay > 0 && s.Last == nil:
		return since
	case n.Delay > 0:
		return later(when.Next(later(s.Last.Ended, s.Last.Until)), since)
	}
	for _, t := range []time.Time{r.slot, r.rest()} {
		since = later(since, t)
	}
	if s.Last != nil {
		since = later(since, later(s.Last.Ended, s.Last.Until))
	}
	return when.Next(since)
}
