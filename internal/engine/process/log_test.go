package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// helperLines appends N numbered lines of various lengths as fast as it can, as
// an instance does: to its stdout, one write each.
func helperLines(args []string) {
	pad := strings.Repeat("x", 300)
	for i := range must(strconv.Atoi(args[0])) {
		must(fmt.Fprintf(os.Stdout, "%d %s\n", i, pad[:i*7%300]))
	}
}

// ordered checks that numbered lines come without a gap.
type ordered struct{ next int }

func (o *ordered) line(b []byte) error {
	num, pad, _ := strings.Cut(string(b), " ")
	n, err := strconv.Atoi(num)
	if err != nil || n != o.next || len(pad) != n*7%300 {
		return fmt.Errorf("line %d is %q", o.next, b)
	}
	o.next++
	return nil
}

// whole reads archives and live file one after the other.
func whole(t *testing.T, path string) []byte {
	t.Helper()
	live, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	var all []byte
	err = withStream(t.Context(), path, live, func(s *stream) error {
		all = make([]byte, s.end()-s.start())
		return readFull(s, all, s.start())
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func checkLines(t *testing.T, b []byte, want int) {
	t.Helper()
	var o ordered
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		if err := o.line(sc.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if o.next != want {
		t.Fatalf("%d lines, want %d", o.next, want)
	}
}

// places gives folders on the file systems that the machine has, with what can
// be done there.
func places(t *testing.T) map[string]string {
	dirs := map[string]string{"disk": t.TempDir()}
	if dir, err := os.MkdirTemp("/dev/shm", "segue-test"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		dirs["memory"] = dir
	}
	return dirs
}

// inOrder checks a tail, whose last line may not be finished.
// filled makes a log of numbered lines.
func filled(t *testing.T, dir string, lines int) string {
	t.Helper()
	path := filepath.Join(dir, "shop.log")
	appendLines(t, path, 0, lines)
	return path
}

func appendLines(t *testing.T, path string, from, to int) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for i := from; i < to; i++ {
		fmt.Fprintf(w, "%d %s\n", i, strings.Repeat("x", i*7%300))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}

// helperRotate rotates a log as fast as it can.
