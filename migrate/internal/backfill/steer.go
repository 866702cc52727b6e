package backfill

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A stretch is what a batch has done.
type stretch struct {
	rows      int
	statement time.Duration // that its statement took, without finding the stretch and committing it
	last      bool          // nothing is left
}

// work is what is steered.
type work interface {
	// batch does the next stretch, of about so many rows. again is set if an error
	// may pass: the batch was not done, or it does not matter whether it was.
	batch(ctx context.Context, rows int) (done stretch, again bool, err error)
}

// senses tell how others fare. They are used by one goroutine, beside the work.
type senses interface {
	probe(ctx context.Context) error
	look(ctx context.Context) (view, error)
	// blockers tells whom the work waits for just now; empty: nobody, or it is not known.
	blockers(ctx context.Context) string
}

// A helm takes a work to its end at a pace that others bear.
type helm struct {
	work   work
	senses senses // nil: there are none
	pace   *pace
	report *report
	// patience bounds for how long it goes on without getting any further.
	patience time.Duration

	mu       sync.Mutex
	began    time.Time // the batch that is under way; zero: none is
	blockers string    // of it, or of the last one
}

// run returns when the work is done, ctx is done, or an error does not pass; what it
// has started has ended by then.
func (h *helm) run(ctx context.Context) error {
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer stop()
	if h.senses != nil {
		h.look(ctx)
		watch.Go(func() { h.watch(watching) })
	}
	failures, progress := 0, time.Now()
	for {
		next := h.pace.next(time.Now())
		h.report.tell(next.why)
		if next.rows == 0 {
			if err := sleep(ctx, next.wait); err != nil {
				return err
			}
			continue
		}
		began := h.begin()
		done, again, err := h.work.batch(ctx, next.rows)
		now, blockers := h.ended()
		switch {
		case err == nil:
			failures, progress = 0, now
			h.pace.batch(now, done.rows, done.statement, now.Sub(began))
			h.report.add(done.rows, now)
			if done.last {
				h.report.end()
				return nil
			}
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !again:
			return err
		case now.Sub(progress) > h.patience:
			return fmt.Errorf("no batch has succeeded for %v: %w", h.patience, err)
		default:
			h.pace.conflict(now, pauseAfter(failures), "a batch is tried again: "+err.Error()+blockers)
			failures++
		}
	}
}

func (h *helm) begin() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.began = time.Now()
	return h.began
}

// ended tells when, and who was in the way of the batch that has ended.
func (h *helm) ended() (at time.Time, blockers string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.began = time.Time{}
	if h.blockers != "" {
		blockers = "; in its way: " + h.blockers
	}
	h.blockers = ""
	return time.Now(), blockers
}

// waits finds out who is in the way of a batch that takes long.
func (h *helm) waits(ctx context.Context) {
	h.mu.Lock()
	began := h.began
	h.mu.Unlock()
	if began.IsZero() || time.Since(began) < slowBatch {
		return
	}
	who := h.senses.blockers(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if who != "" && h.began.Equal(began) {
		h.blockers = who
	}
}

// pauseAfter grows with each failure in a row, from 20 ms to 2 s.
func pauseAfter(failures int) time.Duration {
	return min(20*time.Millisecond<<min(failures, 10), 2*time.Second)
}

// How often is looked, and at what.
const (
	lookEvery = 500 * time.Millisecond
	slowBatch = 200 * time.Millisecond // that may be waiting for a lock
)

// watch probes and looks, until it is called off. An error of its own is no reason
// to end: it then knows less.
func (h *helm) watch(ctx context.Context) {
	looked := time.Now()
	for failures := 0; ctx.Err() == nil; {
		spacing, probes := h.pace.probes()
		if !probes {
			spacing = slowBatch
		}
		if sleep(ctx, spacing) != nil {
			return
		}
		if time.Since(looked) >= lookEvery {
			h.look(ctx)
			looked = time.Now()
		}
		h.waits(ctx)
		if !probes {
			continue
		}
		h.pace.ask(time.Now())
		if err := h.senses.probe(ctx); err != nil {
			failures++
			h.pace.unanswered(failures > 3)
			continue
		}
		failures = 0
		h.pace.answer(time.Now())
	}
}

func (h *helm) look(ctx context.Context) {
	v, err := h.senses.look(ctx)
	if err != nil {
		v = view{others: true} // for all that is known
	}
	h.pace.seen(v)
}

// sleep waits, unless it is called off.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
