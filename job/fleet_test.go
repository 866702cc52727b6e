package job_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/store"
)

// A fleet is instances that share a store in memory, in the time of a synctest
// bubble, and what they have done.
type fleet struct {
	*testing.T
	open    func() store.Store
	control *job.Control

	mu      sync.Mutex
	entries []entry // in the order of their beginnings
	running map[string]int
	alarms  []job.Alarm
}

// An entry is what the test has seen of a run: no word of the package's own is
// taken for it.
type entry struct {
	instance, job string
	slot          time.Duration // since the bubble's beginning
	begun, ended  time.Duration
	err           error
}

// inBubble runs a test in a bubble, which begins at a full hour.
func inBubble(t *testing.T, test func(f *fleet)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{T: t, open: servertest.Memory(), running: map[string]int{}}
		s := f.open()
		f.control = job.NewControl(s)
		t.Cleanup(func() { _ = s.Close() })
		test(f)
	})
}

// epoch is when bubbles begin.
func epoch() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func since() time.Duration { return time.Since(epoch()) }

// A member is an instance of the fleet.
type member struct {
	*fleet
	name  string
	store store.Store
	jobs  *job.Jobs
	ended chan error
	stop  context.CancelFunc
	kill  context.CancelFunc // its deadline has come
}

// member makes an instance. It runs nothing before start.
func (f *fleet) member(name string, options ...job.Option) *member {
	s := f.open()
	return f.memberOn(s, name, options...)
}

func (f *fleet) memberOn(s store.Store, name string, options ...job.Option) *member {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	if testing.Verbose() {
		quiet = slog.New(slog.NewTextHandler(f.Output(), nil)).With("instance", name)
	}
	told := func(a job.Alarm) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.alarms = append(f.alarms, a)
	}
	options = append([]job.Option{job.As(name), job.Log(quiet), job.OnAlarm(told)}, options...)
	return &member{fleet: f, name: name, store: s, jobs: job.New(s, options...), ended: make(chan error, 1)}
}

// add adds a job whose runs the test writes down.
func (m *member) add(name string, when job.Schedule, do job.Func, settings ...job.Setting) *member {
	m.jobs.Add(name, when, func(ctx context.Context) error {
		m.mu.Lock()
		if m.running[name]++; m.running[name] > 1 {
			m.Errorf("%v: two runs of %q side by side", since(), name)
		}
		n := len(m.entries)
		m.entries = append(m.entries, entry{instance: m.name, job: name, slot: job.Current(ctx).Slot.Sub(epoch()), begun: since(), ended: -1})
		m.mu.Unlock()
		var err error
		defer func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.running[name]--
			m.entries[n].ended, m.entries[n].err = since(), err
		}()
		err = do(ctx)
		return err
	}, settings...)
	return m
}

// start starts the instance, until the test or stop ends it.
func (m *member) start() *member {
	c := m.jobs.Component()
	if err := c.Start(m.Context()); err != nil {
		m.Fatal(err)
	}
	stopping, stop := context.WithCancel(context.Background())
	deadline, kill := context.WithCancel(context.Background())
	m.stop, m.kill = stop, kill
	go func() {
		<-stopping.Done()
		m.ended <- c.Stop(deadline)
		close(m.ended)
	}()
	m.Cleanup(func() {
		stop()
		defer time.AfterFunc(minute, kill).Stop() // what does not heed it comes to its end before
		<-m.ended
		if err := m.store.Close(); err != nil {
			m.Error(err)
		}
	})
	return m
}

// gone stops the instance and waits until it has.
func (m *member) gone() {
	m.Helper()
	m.stop()
	if err := <-m.ended; err != nil {
		m.Errorf("%s: %v", m.name, err)
	}
}

// runs are the runs of a job so far.
func (f *fleet) runs(name string) []entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	var of []entry
	for _, e := range f.entries {
		if e.job == name {
			of = append(of, e)
		}
	}
	return of
}

// slots are the times for which a job was run.
func (f *fleet) slots(name string) (slots []time.Duration) {
	for _, e := range f.runs(name) {
		slots = append(slots, e.slot)
	}
	return slots
}

func (f *fleet) wantSlots(name string, want ...time.Duration) {
	f.Helper()
	if got := f.slots(name); !slices.Equal(got, want) {
		f.Errorf("%q ran for %v, want %v", name, got, want)
	}
}

// history is that of a job in words, the first run first.
func (f *fleet) history(name string) (words []string) {
	f.Helper()
	runs, err := f.control.History(context.Background(), name, 0)
	if err != nil {
		f.Fatal(err)
	}
	slices.Reverse(runs)
	for _, r := range runs {
		w := fmt.Sprintf("%v %s", r.Slot.Sub(epoch()).Truncate(time.Second), r.Outcome)
		if r.Skipped > 0 {
			w += fmt.Sprintf(" %d", r.Skipped)
		}
		words = append(words, w)
	}
	return words
}

func (f *fleet) wantHistory(name string, want ...string) {
	f.Helper()
	if got := f.history(name); !slices.Equal(got, want) {
		f.Errorf("history of %q:\n got %q\nwant %q", name, got, want)
	}
}

func (f *fleet) status(name string) job.Status {
	f.Helper()
	s, err := f.control.Status(context.Background(), name)
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// takes is a Func that takes a while, and does not heed its context.
func takes(d time.Duration) job.Func {
	return func(context.Context) error { time.Sleep(d); return nil }
}

// heeds is a Func that takes a while, or until its context is done.
func heeds(d time.Duration) job.Func {
	return func(ctx context.Context) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// passes lets time pass in the bubble.
func passes(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var errBroken = errors.New("broken")

const (
	second = time.Second
	minute = time.Minute
)
