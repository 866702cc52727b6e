package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// MaxLine bounds a line, in bytes. Longer ones are told in pieces.
	MaxLine = 1 << 20

	chunk   = 256 << 10
	maxTail = 64 << 20 // bytes that Tail and the start of Follow look back
)

// Tail returns the last n lines of a log, over its archives and the live file,
// without their ends. It looks back 64 MiB at most. A last line that is not
// finished yet counts.
func Tail(path string, n int) ([]string, error) {
	live, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	defer live.Close()
	var lines []string
	err = withStream(context.Background(), path, live, func(s *stream) error {
		at, err := lastLinesAt(s, n)
		if err != nil || n <= 0 {
			return err
		}
		var sp splitter
		keep := func(line []byte) error {
			lines = append(lines, string(line))
			return nil
		}
		b := make([]byte, chunk)
		for at < s.end() {
			got, err := s.ReadAt(b, at)
			if err != nil && !(errors.Is(err, io.EOF) && got > 0) {
				return err
			}
			at += int64(got)
			_ = sp.feed(b[:got], keep)
		}
		return sp.flush(keep)
	})
	if err != nil {
		return nil, fmt.Errorf("read log %s: %w", path, err)
	}
	return lines[max(0, len(lines)-max(n, 0)):], nil // fewer than pieces, if lines were split
}

// lastLinesAt is where the last n lines begin in the stream. For 0 it is where
// the unfinished line begins, or the end.
func lastLinesAt(s *stream, n int) (int64, error) {
	end, stop := s.end(), max(s.start(), s.end()-maxTail)
	b := make([]byte, chunk)
	for at := end; at > stop; {
		from := max(stop, at-chunk)
		if err := readFull(s, b[:at-from], from); err != nil {
			return 0, err
		}
		for i := at - from - 1; i >= 0; i-- {
			if b[i] != '\n' {
				continue
			}
			if from+i == end-1 && n > 0 { // ends the last line
				continue
			}
			if n <= 1 {
				return from + i + 1, nil
			}
			n--
		}
		at = from
	}
	return stop, nil
}

func readFull(s *stream, b []byte, at int64) error {
	for len(b) > 0 {
		n, err := s.ReadAt(b, at)
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // somebody truncated it
			}
			return err
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

// A splitter makes lines of what it is fed.
type splitter struct{ part []byte }

// feed calls line for each line that b completes. The slice is valid during the
// call only.
func (s *splitter) feed(b []byte, line func([]byte) error) error {
	for {
		end, skip := bytes.IndexByte(b, '\n'), 1
		if room := MaxLine - len(s.part); end > room || end < 0 && len(b) > room {
			end, skip = room, 0
		}
		if end < 0 {
			s.part = append(s.part, b...)
			return nil
		}
		whole := append(s.part, b[:end]...)
		s.part, b = whole[:0], b[end+skip:]
		if err := line(whole); err != nil {
			return err
		}
	}
}

// flush tells the line that was begun, if any.
func (s *splitter) flush(line func([]byte) error) error {
	if len(s.part) == 0 {
		return nil
	}
	return line(s.part)
}
