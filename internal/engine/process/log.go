package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A log is one stream of bytes, kept in several files: the live one, which the
// instance appends to, and archives of what came before. An archive is named
// for where it ends in the stream, so that the name and the size tell which
// part it holds, and the newest tells where the live file begins:
//
//	shop-1-1.log.0000000000131072      bytes 65536 to 131072
//	shop-1-1.log                       the bytes from 131072 on
//
// The live file may begin with a hole, where archived bytes have been given
// back to the file system (see Rotator); its first data counts as its beginning.
type stream struct {
	parts []part
	live  *os.File
	size  int64 // of the live file, with its hole
}

// A part of the stream lies in one file.
type part struct {
	from, to int64 // in the stream
	file     string
	raw      int64 // where from is in the file
}

func (s *stream) start() int64 { return s.parts[0].from }
func (s *stream) end() int64   { return s.parts[len(s.parts)-1].to }

// archive is a file beside the live one.
type archive struct {
	file string
	end  int64 // in the stream
	size int64
	cut  int64 // of the live file; 0 once the archive is final
}

const cutMark = ".cut-" // in the name of an archive whose bytes may be in the live file still

func archiveName(live string, end int64) string { return fmt.Sprintf("%s.%016d", live, end) }

// listArchives returns the final archives of a log in order, and the one that
// is not final, if there is one.
func listArchives(live string) (final []archive, pending *archive, err error) {
	dir, prefix := filepath.Dir(live), filepath.Base(live)+"."
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range names {
		rest, ok := strings.CutPrefix(n.Name(), prefix)
		if !ok {
			continue
		}
		num, cut, notYet := strings.Cut(rest, cutMark)
		a := archive{file: filepath.Join(dir, n.Name())}
		if a.end, err = strconv.ParseInt(num, 10, 64); err != nil || len(num) < 16 {
			continue // somebody else's
		}
		info, err := n.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // pruned just now
		}
		if err != nil {
			return nil, nil, err
		}
		a.size = info.Size()
		if !notYet {
			final = append(final, a)
		} else if a.cut, err = strconv.ParseInt(cut, 10, 64); err == nil {
			pending = &a
		}
	}
	slices.SortFunc(final, func(a, b archive) int { return int(a.end - b.end) })
	return final, pending, nil
}

// openStream finds the parts of a log. The caller holds a lock on live.
func openStream(path string, live *os.File) (*stream, error) {
	st, err := live.Stat()
	if err != nil {
		return nil, err
	}
	head, err := firstData(live, st.Size())
	if err != nil {
		return nil, err
	}
	final, pending, err := listArchives(path)
	if err != nil {
		return nil, err
	}
	var base int64
	if pending != nil {
		base = pending.end - pending.size
		if head >= pending.cut { // its bytes are out of the live file already
			final = append(final, *pending)
		}
	}
	s := &stream{live: live, size: st.Size()}
	for _, a := range final {
		if a.size > 0 {
			s.parts = append(s.parts, part{a.end - a.size, a.end, a.file, 0})
		}
		base = max(base, a.end)
	}
	s.parts = append(s.parts, part{base, base + st.Size() - head, "", head})
	return s, nil
}

// firstData is the length of the hole at the head of a file.
func firstData(f *os.File, size int64) (head int64, err error) {
	err = control(f, func(fd int) (err error) {
		head, err = unix.Seek(fd, 0, unix.SEEK_DATA)
		return err
	})
	if errors.Is(err, unix.ENXIO) {
		return size, nil
	}
	if errors.Is(err, unix.EINVAL) { // a file system without holes
		return 0, nil
	}
	return head, err
}

// ReadAt reads from one part; it returns less than asked at a part's end.
func (s *stream) ReadAt(b []byte, at int64) (int, error) {
	for _, p := range s.parts {
		if at < p.from || at >= p.to {
			continue
		}
		b = b[:min(int64(len(b)), p.to-at)]
		if p.file == "" {
			return s.live.ReadAt(b, p.raw+at-p.from)
		}
		f, err := os.Open(p.file)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		return f.ReadAt(b, at-p.from)
	}
	return 0, io.EOF
}

// withStream runs f while the log is not being rotated.
func withStream(ctx context.Context, path string, live *os.File, f func(*stream) error) error {
	if err := lockWait(ctx, live, unix.LOCK_SH); err != nil {
		return err
	}
	defer lock(live, unix.LOCK_UN)
	s, err := openStream(path, live)
	if err != nil {
		return err
	}
	return f(s)
}

// lockWait takes a flock, asking again until ctx ends. Locks here are held for
// a few reads, or one rotation.
func lockWait(ctx context.Context, f *os.File, how int) error {
	for {
		err := lock(f, how|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// control calls f with the descriptor, leaving its mode as it is.
func control(file *os.File, f func(fd int) error) error {
	rc, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := rc.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// RemoveLog removes a log with its archives. A log that isn't there is no error.
func RemoveLog(path string) error {
	final, pending, err := listArchives(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if pending != nil {
		final = append(final, *pending)
	}
	final = append(final, archive{file: path + tmpSuffix}, archive{file: path})
	var errs []error
	for _, a := range final {
		if err := os.Remove(a.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
