package shedlock_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/store"
	"github.com/seguehq/segue/store/memory"
)

// A service in Java and two instances of one in Go have the same job, due every
// second: each time one of the three does it.
func TestServicesInJavaAndGoShareAJob(t *testing.T) {
	for _, name := range []string{"postgres", "mariadb", "redis", "mongodb"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := databases[name](t)
			l := ledger{t: t, dir: t.TempDir()}
			data := memory.New()
			d.java.want("yes", "work", "sync-orders", ms(period), ms(takes), l.dir)
			begun := time.Now()
			t.Cleanup(func() {
				if t.Failed() {
					l.tell(data.Handle())
				}
			})
			for i := range 2 {
				l.instance(data.Handle(), fmt.Sprint("go-", i), d.guard)
			}
			servertest.Eventually(t, "both sides have done it three times, and Go was refused", func() bool {
				return l.count("java") >= 3 && l.count("go") >= 3 && refusals(t, data.Handle()) > 0
			})
			slots := int(time.Since(begun)/period) + 2
			d.java.want("yes", "rest")
			java, both := l.count("java"), l.count("java")+l.count("go")
			if n := l.count("overlap in java") + l.count("overlap in go"); n > 0 || both > slots {
				t.Errorf("%d runs overlapped, and there were %d runs in %d slots", n, both, slots)
			}
			t.Logf("%d runs, %d of them in Java, in at most %d slots; Go was refused %d times", both, java, slots, refusals(t, data.Handle()))
		})
	}
}

const (
	period = time.Second
	takes  = 100 * time.Millisecond
)

// A ledger is a folder in which whoever runs makes a file that nobody else may have
// made, and writes down that it ran.
type ledger struct {
	t   *testing.T
	dir string
}

// instance runs an instance in Go until the test ends.
func (l ledger) instance(s store.Store, name string, g job.Guard) {
	jobs := job.New(s, job.As(name), job.Lease(2*time.Second))
	jobs.Add("sync-orders", job.Every(period), l.run, job.WithGuard(g), job.AtMostFor(time.Minute), job.AtLeastFor(period/2))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := jobs.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			l.t.Errorf("%s: %v", name, err)
		}
	})
	l.t.Cleanup(func() { cancel(); running.Wait() })
}

func (l ledger) run(context.Context) error {
	mark, found := filepath.Join(l.dir, "running"), "go"
	f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, os.ErrExist):
		found = "overlap in go"
	case err != nil:
		return err
	default:
		_ = f.Close() // it is empty
	}
	if err := l.write(found); err != nil {
		return err
	}
	time.Sleep(takes) // it works
	return os.Remove(mark)
}

func (l ledger) write(line string) error {
	f, err := os.OpenFile(filepath.Join(l.dir, "ledger"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return errors.Join(err, f.Close())
}

// count is how many lines say so.
func (l ledger) count(line string) int {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, "ledger"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	n := 0
	for is := range strings.Lines(string(data)) {
		if strings.TrimSpace(is) == line {
			n++
		}
	}
	return n
}

// tell says what has happened.
func (l ledger) tell(s store.Store) {
	l.t.Logf("Java ran %d times, Go %d times", l.count("java"), l.count("go"))
	runs, err := job.NewControl(s).History(context.Background(), "sync-orders", 50)
	for _, r := range runs {
		l.t.Logf("%v: %s %s %s, started %v", r.Slot, r.Runner.Instance, r.Outcome, r.Why, r.Started)
	}
	if err != nil {
		l.t.Log(err)
	}
}

// refusals is how many runs of the Go side its history says were Java's.
func refusals(t *testing.T, s store.Store) int {
	t.Helper()
	runs, err := job.NewControl(s).History(t.Context(), "sync-orders", 50)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range runs {
		if r.Outcome == job.Skipped && strings.HasPrefix(r.Why, "guarded by ") {
			n++
		}
	}
	return n
}
