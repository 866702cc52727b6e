// Package jobs replaces a fleet that has jobs while they run: each time is run
// once, none side by side, and what takes longer than an instance lives is handed
// on, whatever becomes of instances and agent.
package jobs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/job"
	"github.com/seguehq/segue/store/sqlite"
	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A fleet is three instances with jobs.
type fleet struct {
	*harness.World
	store, ledger string
	control       *job.Control
	killed        map[int]bool // process IDs
}

func newFleet(t *testing.T) *fleet {
	w := harness.New(t)
	f := &fleet{World: w, store: filepath.Join(t.TempDir(), "store.db"), ledger: filepath.Join(t.TempDir(), "ledger"), killed: map[int]bool{}}
	if err := os.WriteFile(f.ledger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.Copy(harness.Build(t, "jobs", "./test/jobs/service"), "bin/service")
	s, err := sqlite.Open(t.Context(), f.store)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	f.control = job.NewControl(s)
	return f
}

func (f *fleet) release(n int) {
	f.Write("segue.yaml", fmt.Sprintf(`service: web
listen: 127.0.0.1:%d
release: { files: [bin], command: bin/service }
replicas: 3
strategy: { surge: 3 }
probes: { startup: { http: /ready, every: 50ms, failures: 200 }, readiness: { http: /ready } }
env: { SEGUE_STORE: %q, LEDGER: %q, N: %d }
`, f.Port, "sqlite://"+f.store, f.ledger, n))
}

// A line is what an instance has done, and when.
type line struct {
	what, run string
	slot      int64 // Unix nanoseconds, as at
	step, pid int
	at        int64
}

func (f *fleet) read() (lines []line) {
	f.T.Helper()
	text, err := os.ReadFile(f.ledger)
	if err != nil {
		f.T.Fatal(err)
	}
	for s := range strings.Lines(string(text)) {
		var l line
		if _, err := fmt.Sscan(s, &l.what, &l.run, &l.slot, &l.step, &l.pid, &l.at); err != nil {
			f.T.Fatalf("%q: %v", s, err)
		}
		lines = append(lines, l)
	}
	return lines
}

func (f *fleet) count(what string) (n int) {
	for _, l := range f.read() {
		if l.what == what {
			n++
		}
	}
	return n
}

// more waits until the jobs have got further: some of the times, and some steps.
func (f *fleet) more(times, steps int) {
	f.T.Helper()
	t, s := f.count("begin")+times, f.count("step")+steps
	f.Until("the jobs get further", func() bool { return f.count("begin") >= t && f.count("step") >= s })
}

// kill kills the instance that has done something last.
func (f *fleet) kill(what string) {
	f.T.Helper()
	from := f.count(what)
	f.Until("somebody does it", func() bool { return f.count(what) > from })
	lines := f.read()
	n := len(lines) - 1
	for lines[n].what != what {
		n--
	}
	f.killed[lines[n].pid] = true
	if err := syscall.Kill(lines[n].pid, syscall.SIGKILL); err != nil {
		f.T.Error(err)
	}
}

func TestDeployed(t *testing.T) {
	f := newFleet(t)
	f.release(1)
	agent := f.Agent()
	f.Must(0, "deploy")
	requests := f.Drill(20)
	f.more(1, 0)
	id, err := f.control.Run(t.Context(), "long", "the test")
	if err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= 3; n++ {
		f.release(n)
		f.Must(0, "deploy")
		f.more(1, 5)
	}
	f.release(4)
	deploy := f.Background("deploy")
	f.Until("the fourth release is being deployed", func() bool { return f.count("up") > 9 })
	agent.Kill()
	f.more(1, 5) // nobody need be there for that
	f.Agent()
	if r := deploy.Ran(); r.Code != 0 {
		t.Errorf("deploy, while the agent was killed: %v", r)
	}
	requests.None()
	f.kill("step")
	f.more(1, 5)
	f.kill("begin")
	f.more(2, 5)
	f.enough(id)
	f.judge()
}

// enough ends the long job, and waits for that.
func (f *fleet) enough(id string) {
	f.T.Helper()
	if err := os.WriteFile(f.ledger+".enough", nil, 0o600); err != nil {
		f.T.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(f.T.Context(), time.Minute)
	defer cancel()
	run, err := f.control.Wait(ctx, "long", id)
	if err != nil || run.Outcome != job.Done || run.Part < 4 {
		f.T.Errorf("the long run: %+v, %v; it was to be handed on three times, and taken up once", run, err)
	}
}

// judge goes by the ledger alone.
func (f *fleet) judge() {
	f.T.Helper()
	lines := f.read()
	f.judgeTimes(lines)
	f.judgeSteps(lines)
}

// judgeTimes wants each second once, one after another, and no second left out for
// a deploy: only for a runner that was killed.
func (f *fleet) judgeTimes(lines []line) {
	f.T.Helper()
	var running, last line
	slots, missed := map[int64]bool{}, 0
	for _, l := range lines {
		switch l.what {
		case "begin":
			if running.run != "" && !f.killed[running.pid] {
				f.T.Errorf("%+v began while %+v was running", l, running)
			}
			if slots[l.slot] {
				f.T.Errorf("%+v: the second run for that time", l)
			}
			if last.slot != 0 && !f.killed[last.pid] {
				missed += int((l.slot-last.slot)/int64(time.Second)) - 1
			}
			running, last, slots[l.slot] = l, l, true
		case "end":
			if l.run != running.run {
				f.T.Errorf("%+v has ended, when %+v was running", l, running)
			}
			running = line{}
		}
	}
	f.T.Logf("%d times were run, %d left out", len(slots), missed)
	if len(slots) < 5 || missed > len(slots)/3 { // a machine that is busy may take longer than a second
		f.T.Errorf("%d times were run, %d left out", len(slots), missed)
	}
}

// judgeSteps wants all steps in their order, and only that one twice, after whose
// checkpoint its runner was killed.
func (f *fleet) judgeSteps(lines []line) {
	f.T.Helper()
	last, hands := line{}, 0
	for _, l := range lines {
		switch {
		case l.what != "step":
			continue
		case l.step == last.step+1, l.step == last.step && f.killed[last.pid]:
		default:
			f.T.Errorf("%+v came after %+v", l, last)
		}
		if l.pid != last.pid {
			hands++
		}
		last = l
	}
	f.T.Logf("%d steps, by %d instances", last.step, hands)
	if hands < 5 {
		f.T.Errorf("it was in the hands of %d instances", hands)
	}
}
