package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A clock counts from the machine's start, also while it sleeps. Nobody sets it.
type clock struct {
	boot string // which start
}

func newClock() (clock, error) {
	const path = "/proc/sys/kernel/random/boot_id"
	id, err := os.ReadFile(path)
	if err != nil {
		return clock{}, fmt.Errorf("the clock: %w; is /proc mounted?", err)
	}
	return clock{strings.TrimSpace(string(id))}, nil
}

// now is in microseconds.
func (clock) now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic(err) // Linux has it since 2.6.39
	}
	return t.Nano() / 1000
}

// A queue is a file in which the writers of all processes wait for their turn,
// and by which they wake those who watch. It only makes waiting fair: it is
// SQLite's own locks that keep writers apart, with a turn or without.
//
// Two ranges are locked: of those who wait, one stands next, at byte 0, and waits
// for byte 1. So who has just had a turn and wants another has to stand behind
// him. The kernel unlocks what a process had that is killed. For one that is
// suspended nobody waits long: fairness ends until it goes on. A long queue is
// something else: those in it see each turn end, by the number that each has.
type queue struct {
	*os.File
	fd       int
	patience time.Duration // waitInLine

	mu       sync.Mutex
	standing chan struct{} // a goroutine of ours stands in the queue; closed when it is our turn
	wanted   bool          // what it waits for
	stuck    int64         // the turn that did not end when we stepped aside
	closed   bool
}

// waitInLine is how long nothing must move for one to take it that somebody in the
// queue is suspended. A turn takes microseconds, or some ten milliseconds if the
// disk has to be waited for, and more where too many want the processor.
const waitInLine = 250 * time.Millisecond

// looks is how often one looks in that time whether something has moved.
const looks = 5

func openQueue(path string) (*queue, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &queue{File: f, fd: int(f.Fd()), patience: waitInLine}, nil
}

// lock tells whether it is our turn. If not, the queue is of no use at present.
func (q *queue) lock() bool {
	if q.tryLock() {
		return true
	}
	turn := q.stand()
	if turn == nil {
		return false
	}
	t := time.NewTicker(q.patience / looks)
	defer t.Stop()
	last := q.now()
	for same := 0; same < looks; {
		select {
		case <-turn:
			return true
		case <-t.C:
		}
		same++
		if now := q.now(); now != last {
			last, same = now, 0
		}
	}
	return !q.stepAside(last)
}

// stand has a goroutine stand in the queue, as its waiting cannot be interrupted,
// and returns what is closed when it is our turn. If one stands there still and
// nothing has moved since, it returns nil: somebody before it does not go on.
func (q *queue) stand() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.standing != nil && q.now() == q.stuck {
		return nil
	}
	q.wanted = true
	if q.standing == nil {
		q.standing = make(chan struct{})
		go func() {
			q.set(0, 1, unix.F_WRLCK)
			q.set(1, number(), unix.F_WRLCK)
			q.set(0, 1, unix.F_UNLCK)
			q.arrive()
		}()
	}
	return q.standing
}

// arrive is at the head of the queue, perhaps late.
func (q *queue) arrive() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.wanted {
		q.unlock()
	}
	close(q.standing)
	q.standing = nil
	if q.closed {
		_ = q.Close()
	}
}

// stepAside tells whether the turn was given up; if not, it has just come.
func (q *queue) stepAside(stuck int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wanted, q.stuck = false, stuck
	return q.standing != nil
}

func (q *queue) unlock() { q.set(1, toTheEnd, unix.F_UNLCK) }

// tryLock is lock if nobody has the turn or waits for it.
func (q *queue) tryLock() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.standing != nil || q.fcntl(unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 1}) != nil {
		return false
	}
	free := q.fcntl(unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 1, Len: number()}) == nil
	q.set(0, 1, unix.F_UNLCK)
	return free
}

// toTheEnd is the length of a range without end, for fcntl.
const toTheEnd = 0

// number is that of a turn: how many bytes are locked from byte 1 on.
func number() int64 { return 1 + rand.Int64N(1<<61) }

// now is the number of the turn that is somebody else's at present, or 0.
func (q *queue) now() int64 {
	turn := unix.Flock_t{Type: unix.F_WRLCK, Start: 1, Len: 1}
	if err := q.fcntl(unix.F_OFD_GETLK, &turn); err != nil || turn.Type == unix.F_UNLCK {
		return 0
	}
	return turn.Len
}

// set locks or unlocks a range of bytes, and waits until it can.
func (q *queue) set(at, length int64, how int16) {
	for q.fcntl(unix.F_OFD_SETLKW, &unix.Flock_t{Type: how, Start: at, Len: length}) == unix.EINTR {
	}
}

// fcntl asks the kernel about a range of bytes, for this opening of the file.
func (q *queue) fcntl(cmd int, lock *unix.Flock_t) error {
	return unix.FcntlFlock(uintptr(q.fd), cmd, lock)
}

// wake wakes all who watch, in whatever process.
func (q *queue) wake() { _, _ = q.WriteAt([]byte{1}, 0) } // they look anyway, later

// close leaves a file to the goroutine that is in the queue still.
func (q *queue) close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.standing != nil {
		return nil
	}
	return q.Close()
}

// woken returns a channel that holds something when somebody has called wake, or
// nil if the machine cannot tell. It works until ctx is done.
func (q *queue) woken(ctx context.Context, tasks *sync.WaitGroup) <-chan struct{} {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil // a user has 128 of them
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, q.Name(), unix.IN_MODIFY); err != nil {
		events.Close()
		return nil
	}
	woken := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { events.SetReadDeadline(time.Unix(1, 0)) })
	tasks.Go(func() {
		defer events.Close()
		defer stop()
		for buf := make([]byte, 4096); ; {
			if _, err := events.Read(buf); err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
			select {
			case woken <- struct{}{}:
			default:
			}
		}
	})
	return woken
}
