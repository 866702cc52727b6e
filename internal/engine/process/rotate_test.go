package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

func TestNoLineIsLostWhileRotating(t *testing.T) {
	const lines = 90_000
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
				// All that is there already: the writer may be quicker than this goroutine.
				followed <- Follow(context.Background(), c.LogFile, lines, func(b []byte) error {
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
	const lines = 25_000
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
