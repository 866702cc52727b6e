package job_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
)

// A trial is worker processes on one store, and their ledger.
type trial struct {
	*testing.T
	url, ledger string
	workers     map[int]*worker
	last        int
}

func (tr *trial) start() *worker {
	tr.Helper()
	tr.last++
	w := startWorker(tr.T, tr.last, tr.url, tr.ledger)
	tr.workers[tr.last] = w
	return w
}

func (tr *trial) read() (lines []line) {
	tr.Helper()
	data, err := os.ReadFile(tr.ledger)
	if err != nil && !os.IsNotExist(err) {
		tr.Fatal(err)
	}
	for text := range bytes.Lines(data) {
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			tr.Fatalf("the ledger says %q: %v", text, err)
		}
		lines = append(lines, l)
	}
	return lines
}

// until waits until the ledger has a line, from a position on, that is such, and
// returns it. A file tells no one that it was written.
func (tr *trial) until(from int, what string, is func(line) bool) line {
	tr.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		lines := tr.read()
		for _, l := range lines[min(from, len(lines)):] {
			if is(l) {
				return l
			}
		}
		if time.Now().After(deadline) {
			tr.Fatalf("waited a minute in vain for %s; the last lines: %v", what, lines[max(0, len(lines)-5):])
		}
	}
}

// running is the worker that has just begun a run.
func (tr *trial) running(name string) *worker {
	tr.Helper()
	l := tr.until(len(tr.read()), "a run of "+name, func(l line) bool {
		return l.Job == name && (l.What == "begin" || l.What == "step") && tr.workers[l.Worker] != nil
	})
	return tr.workers[l.Worker]
}

// ticks waits until the job has begun n more times.
func (tr *trial) ticks(n int) {
	tr.Helper()
	for range n {
		tr.until(len(tr.read()), "the next tick", func(l line) bool { return l.Job == "tick" && l.What == "begin" })
	}
}

// faults are what happens to whoever runs something.
func (tr *trial) faults(restart func()) {
	tr.Helper()
	for range 3 {
		tr.start()
	}
	tr.ticks(3)
	s, err := servertest.Open(tr.Context(), tr.url)
	if err != nil {
		tr.Fatal(err)
	}
	tr.Cleanup(func() { _ = s.Close() })
	control := job.NewControl(s)
	id := tr.ask(control)
	// Whoever runs it may be the next to die, and without a checkpoint it is over then.
	tr.until(0, "a second step", func(l line) bool { return l.Job == "long" && l.Step == 2 })

	killed := tr.running("tick")
	delete(tr.workers, killed.number)
	killed.kill()
	tr.start()
	tr.ticks(3)

	asleep := tr.running("long")
	asleep.signal(syscall.SIGSTOP)
	time.Sleep(5 * workerLease / 2) // that is the fault
	asleep.signal(syscall.SIGCONT)
	tr.ticks(3)
	if restart != nil {
		restart()
		tr.ticks(3)
	}

	drained := tr.running("long")
	delete(tr.workers, drained.number)
	drained.stop()
	killed = tr.running("long")
	delete(tr.workers, killed.number)
	killed.kill()
	tr.running("long")
	if err := os.WriteFile(enough(tr.ledger), nil, 0o600); err != nil {
		tr.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(tr.Context(), time.Minute)
	defer cancel()
	run, err := control.Wait(ctx, "long", id)
	if err != nil || run.Outcome != job.Done || run.Part < 2 {
		tr.Errorf("the long run: %+v, %v", run, err)
	}
	tr.ticks(2)
	for _, w := range tr.workers {
		w.stop()
	}
}

// ask has the long job run.
func (tr *trial) ask(control *job.Control) string {
	tr.Helper()
	id, err := control.Run(tr.Context(), "long", "the test")
	if err != nil {
		tr.Fatal(err)
	}
	return id
}

// A tenancy is a run, or a part of one, as the ledger has it.
type tenancy struct {
	run         string
	slot        int64
	begun, last int64 // when it is known to have been the worker's
}

// judge goes by the ledger alone: nobody ran a job while another did, no time was
// run twice, and no step of the long run was left out, or repeated without need.
func (tr *trial) judge() {
	tr.Helper()
	for _, name := range []string{"tick", "long"} {
		runs := tr.tenancies(name)
		for n := 1; n < len(runs); n++ {
			if runs[n].begun < runs[n-1].last {
				tr.Errorf("%s: %s began %v before %s was over", name, runs[n].run, time.Duration(runs[n-1].last-runs[n].begun), runs[n-1].run)
			}
		}
		slots := map[int64]string{}
		for _, r := range runs {
			if other, twice := slots[r.slot]; twice && name == "tick" {
				tr.Errorf("%s was run for %d by %s and by %s", name, r.slot, other, r.run)
			}
			slots[r.slot] = r.run
		}
		tr.Logf("%s: %d runs", name, len(runs))
	}
	tr.judgeSteps()
}

func (tr *trial) tenancies(name string) (runs []tenancy) {
	at := map[string]int{}
	for _, l := range tr.read() {
		if l.Job != name {
			continue
		}
		n, known := at[l.Run]
		if !known {
			n = len(runs)
			at[l.Run] = n
			runs = append(runs, tenancy{run: l.Run, slot: l.Slot, begun: l.At})
		}
		runs[n].begun, runs[n].last = min(runs[n].begun, l.At), max(runs[n].last, l.At)
	}
	slices.SortFunc(runs, func(a, b tenancy) int { return cmp.Compare(a.begun, b.begun) })
	return runs
}

// judgeSteps wants each step once, but that one before whose checkpoint a worker
// was lost may come a second time, with the next.
func (tr *trial) judgeSteps() {
	lines := slices.DeleteFunc(tr.read(), func(l line) bool { return l.Job != "long" || l.What == "begin" })
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.At, b.At) })
	last, run, repeated, ended := 0, "", 0, false
	for _, l := range lines {
		switch {
		case l.What == "end" && l.Step == last:
			ended = true
		case l.Step == last+1:
		case l.Step == last && l.Run != run:
			repeated++
		default:
			tr.Errorf("after step %d came %d, in %s after %s", last, l.Step, l.Run, run)
		}
		last, run = l.Step, l.Run
	}
	if !ended || repeated > 2 { // one was killed, and one was asleep
		tr.Errorf("it came to step %d, and repeated %d", last, repeated)
	}
}

func TestFaultsLetNoTimeBeRunTwice(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(t *testing.T) *servertest.Server{
		"redis":    func(t *testing.T) *servertest.Server { return servertest.Redis(t) },
		"postgres": func(t *testing.T) *servertest.Server { return servertest.Postgres(t) },
		"sqlite":   nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tr := &trial{T: t, url: "sqlite://" + filepath.Join(dir, "store.db"), ledger: filepath.Join(dir, "ledger"), workers: map[int]*worker{}}
			var restart func()
			if serve != nil {
				s := serve(t)
				tr.url, restart = s.URL(), func() { s.Kill(t); s.Start(t) }
			}
			tr.faults(restart)
			tr.judge()
		})
	}
}
