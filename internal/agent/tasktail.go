package agent

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"time"
)

// A tail tells what comes to be in a log from now on. It is for people who
// watch: of a log that grows fast it tells the last of each moment, and of one
// that is rotated it may miss some.
type tail struct {
	path string
	at   int64
	part []byte // of a line whose end is not written yet

	last []string // lines that were written, for an error
}

const (
	tailEvery = 200 * time.Millisecond
	tailLines = 5   // that are told of each moment
	tailLast  = 8   // that an error has
	tailWidth = 300 // bytes that are told of a line
)

func tailOf(path string) *tail {
	t := &tail{path: path}
	if st, err := os.Stat(path); err == nil {
		t.at = st.Size()
	}
	return t
}

// tellUntil tells lines until what writes them is done, or ctx ends.
func (t *tail) tellUntil(ctx context.Context, done <-chan struct{}, told func(line string)) {
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			t.tell(told)
			if len(t.part) > 0 {
				t.line(t.part, told)
			}
			return
		case <-tick.C:
			t.tell(told)
		}
	}
}

func (t *tail) tell(told func(line string)) {
	f, err := os.Open(t.path)
	if err != nil {
		return // there is nothing to tell, then
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil {
		t.at = min(t.at, st.Size())
		t.at = max(t.at, st.Size()-64<<10)
	}
	text, _ := io.ReadAll(io.NewSectionReader(f, t.at, 64<<10)) // what could be read is told
	t.at += int64(len(text))
	lines := bytes.Split(append(t.part, text...), []byte("\n"))
	last := len(lines) - 1
	t.part = bytes.Clone(lines[last])
	for n, line := range lines[:last] {
		if n < last-tailLines {
			t.line(line, func(string) {})
		} else {
			t.line(line, told)
		}
	}
}

func (t *tail) line(text []byte, told func(line string)) {
	if len(text) == 0 {
		return
	}
	line := string(text[:min(len(text), tailWidth)])
	t.last = append(t.last, line)
	t.last = t.last[max(0, len(t.last)-tailLast):]
	told(line)
}

// String is the last that was written, for errors.
func (t *tail) String() string {
	t.tell(func(string) {})
	if len(t.last) == 0 {
		return "; it wrote nothing"
	}
	return "; last in its log:\n    " + strings.Join(t.last, "\n    ")
}
