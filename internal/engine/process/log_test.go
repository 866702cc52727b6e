package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/deploy"
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

func TestNoLineIsLostWhileRotating(t *testing.T) {
	const lines = 150_000
	for name, dir := range places(t) {
		t.Run(name, func(t *testing.T) {
			c := command(t, self(), "helper", "lines", strconv.Itoa(lines))
			c.LogFile = filepath.Join(dir, "shop.log")
			e := engine(t)
			p, err := e.Prepare(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			followed := make(chan error, 1)
			var o ordered
			end := errors.New("end")
			go func() {
				followed <- Follow(context.Background(), c.LogFile, 10, func(b []byte) error {
					if err := o.line(b); err != nil {
						return err
					}
					if o.next == lines {
						return end
					}
					return nil
				})
			}()
			if err := p.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			var r Rotator
			want := deploy.Logs{MaxSize: 256 << 10, Keep: 1000}
			rounds := 0
			for running := true; running; rounds++ {
				select {
				case <-p.Done():
					running = false
				default:
				}
				if err := r.Rotate(t.Context(), c.LogFile, want); err != nil {
					t.Fatal(err)
				}
				tail, err := Tail(c.LogFile, 50)
				if err != nil {
					t.Fatal(err)
				}
				inOrder(t, tail)
			}
			if !p.Exit().OK() {
				t.Fatal(p.Exit())
			}
			checkLines(t, whole(t, c.LogFile), lines)
			if err := <-followed; !errors.Is(err, end) {
				t.Errorf("follower, at line %d: %v", o.next, err)
			}
			final, _, err := listArchives(c.LogFile)
			st, _ := os.Stat(c.LogFile)
			if err != nil || len(final) < 10 {
				t.Error(len(final), err)
			}
			if used := st.Sys().(*syscall.Stat_t).Blocks * 512; used > want.MaxSize+64<<10 {
				t.Errorf("the live file still takes %d bytes", used)
			}
			t.Logf("%d archives in %d rounds, apparent size %d", len(final), rounds, st.Size())
		})
	}
}

// inOrder checks a tail, whose last line may not be finished.
func inOrder(t *testing.T, tail []string) {
	t.Helper()
	if len(tail) < 2 {
		return
	}
	first, err := strconv.Atoi(strings.Fields(tail[0])[0])
	if err != nil {
		t.Fatal(err)
	}
	o := ordered{first}
	for _, l := range tail[:len(tail)-1] {
		if err := o.line([]byte(l)); err != nil {
			t.Fatal(err)
		}
	}
}

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

func TestRotatorThatDiesAtAnyStep(t *testing.T) {
	died := errors.New("died")
	for name, dir := range places(t) {
		for _, step := range []string{"copied", "punched", "named", "collapsed"} {
			for _, force := range []ability{unknown, punches} {
				t.Run(fmt.Sprint(name, " ", step, " ", force), func(t *testing.T) {
					dir, err := os.MkdirTemp(dir, "x")
					if err != nil {
						t.Fatal(err)
					}
					path, lines := filled(t, dir, 3000), 3000
					want := deploy.Logs{MaxSize: 64 << 10, Keep: 1000}
					var at int64
					for skip := range 4 {
						r := Rotator{force: force, step: func(done string) error {
							if done != step {
								return nil
							}
							if skip--; skip >= 0 {
								return nil
							}
							return died
						}}
						if err := r.Rotate(t.Context(), path, want); err != nil && !errors.Is(err, died) {
							t.Fatal(err)
						}
						checkLines(t, whole(t, path), lines)
						// Where a follower stands must mean the same as before.
						live, _ := os.Open(path)
						if err := withStream(t.Context(), path, live, func(s *stream) error {
							if s.start() != 0 || s.end() < at {
								return fmt.Errorf("from %d to %d, was to %d", s.start(), s.end(), at)
							}
							at = s.end()
							return nil
						}); err != nil {
							t.Fatal(err)
						}
						live.Close()
						appendLines(t, path, lines, lines+500)
						lines += 500
						checkLines(t, whole(t, path), lines)
					}
					r := Rotator{force: force}
					if err := r.Rotate(t.Context(), path, want); err != nil {
						t.Fatal(err)
					}
					checkLines(t, whole(t, path), lines)
					if _, pending, err := listArchives(path); pending != nil || err != nil {
						t.Error(pending, err)
					}
				})
			}
		}
	}
}

// helperRotate rotates a log as fast as it can.
func helperRotate(args []string) {
	var r Rotator
	for i := 0; ; i++ {
		must(0, r.Rotate(context.Background(), args[0], deploy.Logs{MaxSize: 16 << 10, Keep: 100000}))
		if i%10 == 0 {
			fmt.Println(i)
		}
	}
}

func TestRotatorsKilled(t *testing.T) {
	const lines = 60_000
	c := command(t, self(), "helper", "lines", strconv.Itoa(lines))
	p := start(t, engine(t), c)
	for running := true; running; {
		a := runAgent(t, "rotate", c.LogFile)
		a.line(t)
		for range rand.IntN(3) {
			a.line(t)
		}
		a.kill9()
		select {
		case <-p.Done():
			running = false
		default:
		}
	}
	checkLines(t, whole(t, c.LogFile), lines)
	appendLines(t, c.LogFile, lines, lines+500)
	var r Rotator
	if err := r.Rotate(t.Context(), c.LogFile, deploy.Logs{MaxSize: 16 << 10, Keep: 3}); err != nil {
		t.Fatal(err)
	}
	final, _, err := listArchives(c.LogFile)
	if err != nil || len(final) > 3 {
		t.Error(len(final), err)
	}
}

func TestKeep(t *testing.T) {
	for _, keep := range []int{0, 1, 2, 5} {
		path := filled(t, t.TempDir(), 3000)
		all := whole(t, path)
		var r Rotator
		if err := r.Rotate(t.Context(), path, deploy.Logs{MaxSize: 32 << 10, Keep: keep}); err != nil {
			t.Fatal(err)
		}
		left := whole(t, path)
		if !bytes.HasSuffix(all, left) || len(left) < keep*32<<10 || len(left) > (keep+1)*32<<10 {
			t.Errorf("keep %d: %d bytes are left", keep, len(left))
		}
		// The position in the stream survives even with no archive left.
		live, _ := os.Open(path)
		_ = withStream(t.Context(), path, live, func(s *stream) error {
			if s.end() != int64(len(all)) {
				t.Errorf("keep %d: the stream ends at %d, not %d", keep, s.end(), len(all))
			}
			return nil
		})
		live.Close()
		if err := RemoveLog(path); err != nil {
			t.Error(err)
		}
		if names, _ := os.ReadDir(filepath.Dir(path)); len(names) > 0 {
			t.Error("left:", names)
		}
	}
}

func TestFileSystemThatCannot(t *testing.T) {
	path := filled(t, t.TempDir(), 3000)
	ctx, cancel := context.WithCancel(t.Context())
	var told []string
	r := Rotator{Every: time.Millisecond, force: neither, Warn: func(p string, err error) { told = append(told, p+err.Error()) }}
	rounds := 0
	r.Run(ctx, func() map[string]deploy.Logs {
		if rounds++; rounds == 5 {
			cancel()
		}
		return map[string]deploy.Logs{path: {MaxSize: 4096, Keep: 1}, path + "no": {MaxSize: 1}}
	})
	if len(told) != 1 || !strings.Contains(told[0], "neither") {
		t.Error(told)
	}
	checkLines(t, whole(t, path), 3000)
}

func TestNoRoomForAnArchive(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("only root can make a small disk: ", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	path := filled(t, dir, 4500)
	st, _ := os.Stat(path)
	var r Rotator
	err := r.Rotate(t.Context(), path, deploy.Logs{MaxSize: st.Size() - 4096, Keep: 2})
	if !errors.Is(err, unix.ENOSPC) {
		t.Error(err)
	}
	checkLines(t, whole(t, path), 4500)
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Error("left:", names)
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	long := strings.Repeat("y", MaxLine+10)
	for text, want := range map[string][]string{
		"":           nil,
		"a":          {"a"},
		"a\n":        {"a"},
		"a\n\n":      {"a", ""},
		"a\nb\nc\n":  {"b", "c"},
		"a\nb\nc":    {"b", "c"},
		"\n\n\n":     {"", ""},
		"a\n" + long: {long[:MaxLine], "yyyyyyyyyy"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Tail(path, 2)
		if err != nil || strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
			t.Errorf("%.20q: got %.40q, %v", text, got, err)
		}
	}
	if got, err := Tail(path, 0); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	if _, err := Tail(path+"no", 1); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestFollow(t *testing.T) {
	path := filled(t, t.TempDir(), 10)
	ctx, cancel := context.WithCancelCause(t.Context())
	got := make(chan string)
	done := make(chan error, 1)
	go func() {
		done <- Follow(ctx, path, 2, func(b []byte) error { got <- string(b[:2]); return nil })
	}()
	if a, b := <-got, <-got; a != "8 " || b != "9 " {
		t.Error(a, b)
	}
	appendLines(t, path, 10, 11)
	if a := <-got; a != "10" {
		t.Error(a)
	}
	if err := os.Truncate(path, 0); err != nil { // by somebody who wants the disk back
		t.Fatal(err)
	}
	eventually(t, "the follower has seen it", func() bool {
		appendLines(t, path, 11, 12)
		select {
		case a := <-got:
			return a == "11"
		default:
			return false
		}
	})
	go func() {
		for range got {
		}
	}()
	why := errors.New("enough")
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Error(err)
	}
}

func TestFollowUntilRemoved(t *testing.T) {
	path := filled(t, t.TempDir(), 3)
	seen := make(chan struct{})
	done := make(chan error, 1)
	var lines []string
	go func() {
		done <- Follow(t.Context(), path, 100, func(b []byte) error {
			if lines = append(lines, string(b)); len(lines) == 3 {
				close(seen)
			}
			return nil
		})
	}()
	<-seen
	if err := RemoveLog(path); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || len(lines) != 3 {
		t.Error(lines, err)
	}
	if err := Follow(t.Context(), path, 0, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzSplitter(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), 2)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		var got []string
		var s splitter
		keep := func(l []byte) error { got = append(got, string(l)); return nil }
		for r, piece := bytes.NewReader(b), make([]byte, max(1, size%64)); ; {
			n, err := r.Read(piece)
			if err == io.EOF {
				break
			}
			_ = s.feed(piece[:n], keep)
		}
		_ = s.flush(keep)
		want := strings.TrimSuffix(string(b), "\n")
		if joined := strings.Join(got, "\n"); joined != want {
			t.Errorf("got %q, want %q", joined, want)
		}
	})
}
