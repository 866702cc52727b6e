package job_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/store"
)

// A chaos is instances on one store that come, drain, are cut off and come back by
// chance, while somebody suspends the jobs, resumes them, and asks for runs; and
// what the Funcs have seen of it.
type chaos struct {
	*testing.T
	open    func(t *testing.T) store.Store
	control *job.Control
	started int

	returned chan struct{} // holds one when a run has returned

	mu   sync.Mutex
	runs []stay
}

// ran is how many jobs have run.
func (c *chaos) ran() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := map[string]bool{}
	for _, s := range c.runs {
		names[s.job] = true
	}
	return len(names)
}

// A stay is the time in which a run was somebody's, by its own context.
type stay struct {
	job, id     string
	part        int
	slot        time.Time
	byHand      bool
	begun, last time.Time
}

// work notes when it was looked at the context, and then found not done: at that
// time the run was ours.
func (c *chaos) work(name string, d time.Duration) job.Func {
	return func(ctx context.Context) error {
		run := job.Current(ctx)
		s := stay{job: name, id: run.ID, part: run.Part, slot: run.Slot, byHand: run.By != ""}
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			if !s.begun.IsZero() {
				c.runs = append(c.runs, s)
			}
			select {
			case c.returned <- struct{}{}:
			default:
			}
		}()
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
			at := time.Now()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if s.begun.IsZero() {
				s.begun = at
			}
			s.last = at
			if err := job.Checkpoint(ctx, at); name == "handed" && err != nil {
				return err
			}
		}
		return nil
	}
}

// instance is one that lives until it is stopped.
func (c *chaos) instance() (l *link, stop func()) {
	c.started++
	l = &link{Store: c.open(c.T)}
	jobs := job.New(l, job.As(fmt.Sprint("i", c.started)), job.Lease(300*time.Millisecond), job.Log(slog.New(slog.NewTextHandler(io.Discard, nil))))
	jobs.Add("quick", job.Every(40*time.Millisecond), c.work("quick", 10*time.Millisecond))
	jobs.Add("handed", job.Every(100*time.Millisecond), c.work("handed", 150*time.Millisecond), job.Retry(3))
	jobs.Add("delayed", job.Delay(30*time.Millisecond), c.work("delayed", 20*time.Millisecond), job.CatchUp())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := jobs.Run(ctx); err != nil {
			c.Error(err)
		}
	}()
	return l, func() { cancel(); <-ended }
}

func TestWhateverHappensNoTimeIsRunTwiceAndNoneSideBySide(t *testing.T) {
	t.Parallel()
	lasts := 3 * time.Second
	if os.Getenv("SEGUE_SOAK") != "" {
		lasts = time.Minute
	}
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		c := &chaos{T: t, open: open, control: job.NewControl(open(t)), returned: make(chan struct{}, 1)}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		c.live(rand.New(rand.NewPCG(seed, 1)), lasts)
		c.judge()
	})
}

// live lets things happen.
func (c *chaos) live(r *rand.Rand, lasts time.Duration) {
	type one struct {
		link *link
		stop func()
	}
	var all []one
	add := func() {
		l, stop := c.instance()
		all = append(all, one{l, stop})
	}
	for range 3 {
		add()
	}
	names := []string{"quick", "handed", "delayed"}
	for c.ran() < len(names) { // a busy machine takes its time to begin
		select {
		case <-c.returned:
		case <-time.After(time.Minute):
			c.Fatal("not all jobs have run within a minute")
		}
	}
	for end := time.Now().Add(lasts); time.Now().Before(end); time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond) {
		name := names[r.IntN(len(names))]
		switch n := r.IntN(len(all)); r.IntN(10) {
		case 0: // it drains, and another comes
			add()
			all[n].stop()
			all = slices.Delete(all, n, n+1)
		case 1, 2: // its link is cut, for longer than a lease or not
			all[n].link.isCut.Store(true)
		case 3, 4, 5:
			all[n].link.isCut.Store(false)
		case 6:
			_ = c.control.Suspend(c.Context(), name, "the test", "") // it may not be known yet
		case 7, 8:
			for _, name := range names {
				_ = c.control.Resume(c.Context(), name, "the test")
			}
		case 9:
			_, _ = c.control.Run(c.Context(), name, "the test") // it may run
		}
	}
	for _, o := range all {
		o.link.isCut.Store(false)
		o.stop()
	}
}

func (c *chaos) judge() {
	c.Helper()
	slices.SortFunc(c.runs, func(a, b stay) int { return a.begun.Compare(b.begun) })
	last, slots, count := map[string]stay{}, map[string]bool{}, map[string]int{}
	for _, s := range c.runs {
		if before, ok := last[s.job]; ok && s.begun.Before(before.last) {
			c.Errorf("%+v began %v before %+v was over", s, before.last.Sub(s.begun), before)
		}
		slot := fmt.Sprint(s.job, s.slot, s.part)
		if slots[slot] && !s.byHand {
			c.Errorf("%+v: the second run for that time", s)
		}
		last[s.job], slots[slot] = s, true
		count[s.job]++
	}
	c.Logf("%d instances, runs: %v", c.started, count)
}
