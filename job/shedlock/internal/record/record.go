// Package record has what the records of all databases have in common: who holds
// them, under which names, for how long, and what becomes of a lock that is lost.
package record

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/seguehq/segue/job"
)

// ErrLost is shedlock.ErrLost.
var ErrLost = errors.New("shedlock: the lock had ended before it was unlocked")

// MaxLockedBy is how long a name under which locks are taken may be: with what
// tells one grant from another it fits the 255 characters of ShedLock's table.
const MaxLockedBy = 200

// Host is the name of this host, and "unknown" if it has none, as in ShedLock.
func Host() string {
	if host, err := os.Hostname(); err == nil {
		return host
	}
	return "unknown"
}

// LockedBy checks a name under which locks are to be taken. It panics, since it
// stands in the program.
func LockedBy(name string) string {
	if name == "" || utf8.RuneCountInString(name) > MaxLockedBy || !plain(name) {
		panic(fmt.Sprintf("shedlock: locks cannot be held by %q: give a name of 1 to %d characters", name, MaxLockedBy))
	}
	return name
}

// Identity is what a grant is known by: who has it, and a random UUID, as in the
// values that ShedLock writes to Redis.
func Identity(lockedBy string) string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562, section 5.4
	return fmt.Sprintf("%s:%x-%x-%x-%x-%x", lockedBy, b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Check refuses names and durations that are none. ShedLock's times have
// milliseconds: what is less would be no lock.
func Check(name string, atMost time.Duration) error {
	switch {
	case name == "":
		return errors.New("shedlock: a lock needs a name")
	case !plain(name):
		return fmt.Errorf("shedlock: %q is no name of a lock: it is to be UTF-8 without NUL", name)
	case atMost < time.Millisecond:
		return fmt.Errorf("shedlock: lock %q for %v: it is 1ms at least", name, atMost)
	}
	return nil
}

func plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// A Grant is one lock that a driver is asked for: Take asks, and says who has it if
// it is refused. The other two say false if the record is not, or no longer, that of
// the grant.
type Grant interface {
	Take(ctx context.Context, atMost time.Duration) (ok bool, by string, err error)
	Extend(ctx context.Context, atMost time.Duration) (bool, error)
	Unlock(ctx context.Context, atLeast time.Duration) (bool, error)
}

// Lock is job.Guard's, for a grant that is known by id.
func (d *Doubts) Lock(ctx context.Context, name string, atMost time.Duration, id string, g Grant) (l job.GuardLock, ok bool, by string, err error) {
	ok, by, err = d.take(ctx, atMost, id, g)
	if !ok && err == nil {
		if ok, err = d.settle(ctx, by); ok {
			ok, by, err = d.take(ctx, atMost, id, g)
		}
	}
	switch {
	case err != nil:
		return nil, false, "", fmt.Errorf("shedlock: lock %q: %w", name, err)
	case !ok:
		return nil, false, by, nil
	}
	return &lock{name: name, grant: g}, true, "", nil
}

type lock struct {
	name  string
	grant Grant
	ended atomic.Bool // unlocked, or known to be lost
}

// Extend makes the lock end atMost from now, whether that is later or earlier.
func (l *lock) Extend(ctx context.Context, atMost time.Duration) (bool, error) {
	if err := Check(l.name, atMost); err != nil {
		return false, err
	}
	if l.ended.Load() {
		return false, nil
	}
	ok, err := l.grant.Extend(ctx, atMost)
	if err != nil {
		return false, fmt.Errorf("shedlock: extend %q: %w", l.name, err)
	}
	if !ok {
		l.ended.Store(true)
	}
	return ok, nil
}

// Unlock ends the lock, and may be called again if it fails.
func (l *lock) Unlock(ctx context.Context, atLeast time.Duration) error {
	if l.ended.Load() {
		return fmt.Errorf("%w: %q", ErrLost, l.name)
	}
	ok, err := l.grant.Unlock(ctx, max(0, atLeast))
	if err != nil {
		return fmt.Errorf("shedlock: unlock %q: %w", l.name, err)
	}
	l.ended.Store(true)
	if !ok {
		return fmt.Errorf("%w: %q", ErrLost, l.name)
	}
	return nil
}
