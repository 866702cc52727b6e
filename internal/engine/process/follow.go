package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Follow calls w with the last n lines of a log and then with each new one, in
// order and without its end, across rotations, until ctx ends (it returns the
// cause), w returns an error (it returns that), or the log is removed (nil). A
// line is told when it is complete, or longer than MaxLine. The slice is valid
// during the call only. A follower so slow that archives go before it has read
// them goes on with the oldest that is left.
func Follow(ctx context.Context, path string, n int, w func(line []byte) error) error {
	live, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("follow log: %w", err)
	}
	defer live.Close()
	wake := newWaker(ctx, path)
	defer wake.close()
	f := follower{path: path, live: live, buf: make([]byte, chunk)}
	err = withStream(ctx, path, live, func(s *stream) (err error) {
		f.at, err = lastLinesAt(s, n)
		return err
	})
	for err == nil {
		var got int
		if got, err = f.read(ctx); err != nil {
			break
		}
		if got > 0 {
			if err := f.lines.feed(f.buf[:got], w); err != nil {
				return err
			}
			continue
		}
		if f.removed() {
			return f.lines.flush(w)
		}
		err = wake.wait(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("follow log %s: %w", path, err)
}

type follower struct {
	path  string
	live  *os.File
	at    int64 // in the stream
	buf   []byte
	lines splitter
}

// read takes the next piece, of whichever file it is in by now.
func (f *follower) read(ctx context.Context) (n int, err error) {
	err = withStream(ctx, f.path, f.live, func(s *stream) error {
		if f.at > s.end() { // somebody truncated the live file
			f.at = s.parts[len(s.parts)-1].from
		}
		f.at = max(f.at, s.start())
		if f.at == s.end() {
			return nil
		}
		n, err = s.ReadAt(f.buf, f.at)
		f.at += int64(n)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	})
	return n, err
}

// removed reports whether the path leads to our file no more.
func (f *follower) removed() bool {
	ours, err := f.live.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(f.path)
	return errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(ours, there)
}

// A waker waits for a file to change: told by inotify, or where that cannot be
// had (its watches are a scarce good), by looking now and then.
type waker struct {
	events *os.File // nil: no inotify
	undo   func() bool
}

const (
	lookAgain = 250 * time.Millisecond // without inotify
	lookAtAll = 5 * time.Second        // with it, in case it misses something (a network file system)
)

func newWaker(ctx context.Context, path string) *waker {
	w := &waker{undo: func() bool { return true }}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return w
	}
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY|unix.IN_ATTRIB|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF); err != nil {
		unix.Close(fd)
		return w
	}
	w.events = os.NewFile(uintptr(fd), "inotify")
	w.undo = context.AfterFunc(ctx, func() { _ = w.events.SetReadDeadline(time.Unix(1, 0)) })
	return w
}

func (w *waker) close() {
	w.undo()
	if w.events != nil {
		w.events.Close()
	}
}

// wait returns when the file may have changed since the last time.
func (w *waker) wait(ctx context.Context) error {
	if w.events == nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookAgain):
			return nil
		}
	}
	_ = w.events.SetReadDeadline(time.Now().Add(lookAtAll))
	if ctx.Err() != nil { // it ended before the deadline was moved
		return context.Cause(ctx)
	}
	_, err := w.events.Read(make([]byte, 4096))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return err
}
