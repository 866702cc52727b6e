package lock_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seguehq/segue/internal/servertest"
)

// A wallClock is that of a server, which the test sets.
type wallClock struct {
	*testing.T
	offset string   // the file that says how far it is set
	env    []string // of the server
}

// newWallClock makes a library that is loaded into the server.
func newWallClock(t *testing.T) *wallClock {
	t.Helper()
	dir, err := os.MkdirTemp("", "segue-clock-") // not the test's own folder: PostgreSQL runs as another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(dir, "clock.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-O", "-o", library, "testdata/clock.c").CombinedOutput(); err != nil {
		t.Fatalf("gcc (scripts/need gcc): %v\n%s", err, out)
	}
	c := &wallClock{t, filepath.Join(dir, "offset"), nil}
	c.env = []string{"LD_PRELOAD=" + library, "CLOCK_OFFSET=" + c.offset}
	c.set(0)
	return c
}

// set sets the clock to so many seconds after the right time.
func (c *wallClock) set(seconds int64) {
	c.Helper()
	f, err := os.OpenFile(c.offset, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		c.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(seconds)), 0); err != nil {
		c.Fatal(err)
	}
}

// A clock that is set forward ends all leases: somebody else is granted the lock
// while the holder cannot know yet. It is fencing that holds then. One that is set
// back must not make a dead holder's lease last until then.
func TestTheServersClockJumps(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(t *testing.T, env ...string) server{
		"redis":    func(t *testing.T, env ...string) server { return servertest.Redis(t, env...) },
		"postgres": func(t *testing.T, env ...string) server { return servertest.Postgres(t, env...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newWallClock(t)
			s := serve(t, clock.env...)
			w := newWorld(t, false, s.URL)
			workers := []*worker{w.start(), w.start(), w.start()}
			for _, k := range workers {
				k.served(0)
			}
			since := workers[0].loses("overtaken by a clock that was set forward", func() { clock.set(3600) })
			workers[0].noticed(since)
			workers[1].loses("killed when the clock was set back", func() {
				clock.set(-3600)
				workers[1].kill()
			})
			workers[1] = w.start()
			w.end(workers)
			w.judgeBut("look")
		})
	}
}
