package job

import (
	"fmt"
	"time"
)

// A Setting changes one job.
type Setting func(*settings)

type settings struct {
	atMost, atLeast, overlong, overdue time.Duration
	retries                            int
	catchUp                            bool
	guard                              Guard
}

func usual() settings { return settings{overdue: time.Minute} }

// AtMostFor calls a run off, with the cause ErrTooLong, when it has taken this
// long: see Extend. A Func that goes on nevertheless still keeps others from
// beginning. Without it a run may take as long as its process lives.
func AtMostFor(d time.Duration) Setting {
	positive("AtMostFor", d)
	return func(s *settings) { s.atMost = d }
}

// AtLeastFor keeps everybody from beginning the next run until this long after the
// beginning of one, however soon that has ended. Times at which it is due until
// then are skipped.
func AtLeastFor(d time.Duration) Setting {
	positive("AtLeastFor", d)
	return func(s *settings) { s.atLeast = d }
}

// OverlongAfter is how long a run takes when it is called overlong. Without it,
// four fifths of AtMostFor; without that, never.
func OverlongAfter(d time.Duration) Setting {
	positive("OverlongAfter", d)
	return func(s *settings) { s.overlong = d }
}

// OverdueAfter is how long after a time at which it was due a job is called
// overdue, if no run has begun. A minute without it.
func OverdueAfter(d time.Duration) Setting {
	positive("OverdueAfter", d)
	return func(s *settings) { s.overdue = d }
}

func positive(what string, d time.Duration) {
	if d <= 0 {
		panic(fmt.Sprintf("job: %s(%v): it takes more than 0", what, d))
	}
}

// CatchUp has a job run once, for the last of the times at which it was due while
// nobody was there to run it. Without it they are skipped.
func CatchUp() Setting { return func(s *settings) { s.catchUp = true } }

// Retry has a run begin again, up to n times, that was cut off before its first
// Checkpoint: its process died, or had to stop before the run had ended. One that
// has checkpoints is taken up from the last of them without it. A run that returned
// an error has ended: the next is at the next time.
func Retry(n int) Setting { return func(s *settings) { s.retries = n } }

// WithGuard has each run take a second lock, that others know of.
func WithGuard(g Guard) Setting { return func(s *settings) { s.guard = g } }
