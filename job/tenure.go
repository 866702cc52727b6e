package job

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/boottime"
	"github.com/seguehq/segue/store"
)

// A tenure is a time in which the process was present without a gap. Once lost it
// does not come back: the next has another ID.
type tenure struct {
	id       string
	revision store.Revision // of its entry; of the goroutine that writes that
	gone     chan struct{}  // closed when it is lost

	mu    sync.Mutex
	until boottime.Instant // its end, by this process's clock
	end   *time.Timer
	lost  error
}

var errExpired = errors.New("the process was suspended, or the store did not answer, for longer than the lease")

// lasts notes that it lasts for a lease from an instant at which the store had not
// yet been asked. A fiftieth is left for clocks that do not go alike.
func (t *tenure) lasts(asked boottime.Instant, lease time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	until := asked.Add(lease - lease/50)
	if t.lost != nil || boottime.Now() >= t.until && t.end != nil {
		return // it came too late
	}
	t.stopTimer()
	t.until = until
	t.end = time.AfterFunc(max(until.Sub(boottime.Now()), 0), func() { t.ended(until) })
}

// ended is called by the timer.
func (t *tenure) ended(until boottime.Instant) {
	t.mu.Lock()
	current := t.until == until
	t.mu.Unlock()
	if current {
		t.lose(errExpired)
	}
}

func (t *tenure) lose(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.lost = fmt.Errorf("%w: %w", ErrLost, why)
		close(t.gone)
	}
}

// look finds out by the clock whether it is lost: a process that was suspended
// learns of it before any timer has run.
func (t *tenure) look() error {
	t.mu.Lock()
	late := t.lost == nil && boottime.Now() >= t.until
	lost := t.lost
	t.mu.Unlock()
	if late {
		t.lose(errExpired)
		return t.look()
	}
	return lost
}

// pause waits until it is to be extended: when two thirds are left, and ten times
// as often when that has not worked. It returns false when there is nothing more
// to extend.
func (t *tenure) pause(ctx context.Context, lease time.Duration) bool {
	t.mu.Lock()
	wait := max(t.until.Sub(boottime.Now())-lease*2/3, lease/30)
	t.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return t.look() == nil
	case <-t.gone:
	case <-ctx.Done():
	}
	return false
}

// stop ends it for this process.
func (t *tenure) stop() {
	t.lose(errors.New("the process has stopped its jobs"))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopTimer()
}

func (t *tenure) stopTimer() {
	if t.end != nil {
		t.end.Stop()
	}
}
