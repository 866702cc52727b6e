//go:build !linux

package sqlite

import (
	"context"
	"sync"
	"time"
)

// A clock is the one on the wall: that is all there is for every system.
type clock struct {
	boot string
}

func newClock() (clock, error) { return clock{"any"}, nil }

// now is in microseconds.
func (clock) now() int64 { return time.Now().UnixMicro() }

// A queue would make waiting fair. Here SQLite makes writers wait.
type queue struct{}

func openQueue(string) (*queue, error) { return &queue{}, nil }

func (*queue) lock() bool    { return false }
func (*queue) tryLock() bool { return false }
func (*queue) unlock()       {}
func (*queue) wake()         {}
func (*queue) close() error  { return nil }

// woken says that nothing can wake those who watch.
func (*queue) woken(context.Context, *sync.WaitGroup) <-chan struct{} { return nil }
