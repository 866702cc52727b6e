package clock

import (
	"context"
	"sync"
	"time"
)

// A Fake shows what it was set to, until it is set again. Use NewFake.
type Fake struct {
	mu    sync.Mutex
	now   time.Time
	moved chan struct{} // closed when it is set
}

// NewFake returns a clock that shows now.
func NewFake(now time.Time) *Fake { return &Fake{now: now.Round(0), moved: make(chan struct{})} }

func (f *Fake) Now() time.Time {
	now, _ := f.look()
	return now
}

func (f *Fake) look() (time.Time, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now, f.moved
}

// Set lets the clock show now, which may be earlier than before.
func (f *Fake) Set(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = now.Round(0)
	close(f.moved)
	f.moved = make(chan struct{})
}

// Advance sets it on by d.
func (f *Fake) Advance(d time.Duration) { f.Set(f.Now().Add(d)) }

func (f *Fake) Wait(ctx context.Context, until time.Time) error {
	for {
		now, moved := f.look()
		if ctx.Err() == nil && !now.Before(until) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-moved:
		}
	}
}
