package messagetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/message"
)

// A tally counts how often each of n numbered messages was handled.
type tally struct {
	mu      sync.Mutex
	changed *sync.Cond
	times   []int
	handled int // different ones
}

func newTally(n int) *tally {
	y := &tally{times: make([]int, n)}
	y.changed = sync.NewCond(&y.mu)
	return y
}

func (y *tally) note(n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.times[n]++; y.times[n] == 1 {
		y.handled++
	}
	y.changed.Broadcast()
}

// count has receivers handle what comes, until stop is called. They end as a
// drained instance does: what was received is handled, then the group is left.
func (y *tally) count(t *testing.T, receivers ...*receiver) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, r := range receivers {
		running.Go(func() {
			defer r.close()
			for {
				d, err := r.Receive(ctx)
				for _, d := range d {
					y.note(number(t, d))
					if err := r.Ack(t.Context(), d); err != nil && !errors.Is(err, message.ErrLapsed) {
						t.Errorf("acknowledge: %v", err)
					}
				}
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("receive: %v", err)
					return
				}
			}
		})
	}
	return func() { cancel(); running.Wait() }
}

// wait waits until all were handled.
func (y *tally) wait(t *testing.T) { t.Helper(); y.atLeast(t, len(y.times)) }

// atLeast waits until so many different ones were handled.
func (y *tally) atLeast(t *testing.T, n int) {
	t.Helper()
	timeout := time.AfterFunc(patience, func() { y.mu.Lock(); defer y.mu.Unlock(); y.changed.Broadcast() })
	defer timeout.Stop()
	deadline := time.Now().Add(patience)
	y.mu.Lock()
	defer y.mu.Unlock()
	for y.handled < n {
		if time.Now().After(deadline) {
			t.Fatalf("%d messages were handled within %v, want %d; missing: %v", y.handled, patience, n, y.missing())
		}
		y.changed.Wait()
	}
}

func (y *tally) missing() (numbers []int) {
	for n, times := range y.times {
		if times == 0 && len(numbers) < 20 {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// once sees that none was handled twice.
func (y *tally) once(t *testing.T) {
	t.Helper()
	y.mu.Lock()
	defer y.mu.Unlock()
	for n, times := range y.times {
		if times > 1 {
			t.Errorf("message %d was handled %d times", n, times)
		}
	}
}
