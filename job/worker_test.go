package job_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/job"
)

// workerEnv makes the test binary an instance on the store that it names.
const workerEnv = "SEGUE_JOB_WORKER"

func TestMain(m *testing.M) {
	if at := os.Getenv(workerEnv); at != "" {
		if err := work(at); err != nil {
			log.Fatalf("worker %s: %v", os.Getenv("WORKER"), err)
		}
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil { // these tests wait more than they work
		log.Fatal(err)
	}
	os.Exit(m.Run())
}

const (
	workerLease = time.Second
	tick        = 300 * time.Millisecond // between the times of the job of that name
)

// A line of the ledger: what a worker did, by the clock that all processes of the
// machine share.
type line struct {
	Worker int
	Job    string
	Run    string // ID and part
	Slot   int64
	What   string // begin, alive, step, end
	Step   int
	At     int64
}

// A ledger is a file to which all workers append. It knows nothing of the package.
type ledger struct {
	file   *os.File
	worker int
}

func openLedger(path string, worker int) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	return &ledger{f, worker}, err
}

func (l *ledger) write(o line) {
	o.Worker = l.worker
	b, err := json.Marshal(o)
	if err == nil {
		_, err = l.file.Write(append(b, '\n'))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func clock() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		log.Fatal(err)
	}
	return t.Nano()
}

// alive writes down that the run was this worker's at a time, if its context says
// so after that time: also if the process was suspended in between.
func (l *ledger) alive(ctx context.Context, name, what string, step int) bool {
	run := job.Current(ctx)
	at := clock()
	if ctx.Err() != nil {
		return false
	}
	l.write(line{Job: name, Run: fmt.Sprint(run.ID, "/", run.Part), Slot: run.Slot.UnixNano(), What: what, Step: step, At: at})
	return true
}

// work is an instance with two jobs, until its standard input ends.
func work(at string) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := servertest.Open(ctx, at)
	if err != nil {
		return err
	}
	defer s.Close()
	number, err := strconv.Atoi(os.Getenv("WORKER"))
	if err != nil {
		return err
	}
	l, err := openLedger(os.Getenv("LEDGER"), number)
	if err != nil {
		return err
	}
	go func() {
		defer stop()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	jobs := job.New(s, job.Lease(workerLease), job.As(fmt.Sprint("worker", number)))
	jobs.Add("tick", job.Every(tick), l.tick)
	jobs.Add("long", job.Every(1000*time.Hour), l.long)
	return jobs.Run(ctx)
}

// tick takes up half of the time until the next.
func (l *ledger) tick(ctx context.Context) error {
	if !l.alive(ctx, "tick", "begin", 0) {
		return context.Cause(ctx)
	}
	for range 5 {
		time.Sleep(tick / 10) // work
		if !l.alive(ctx, "tick", "alive", 0) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// long is steps with a checkpoint after each, until there have been enough: until
// there is a file beside the ledger that says so.
func (l *ledger) long(ctx context.Context) error {
	step := 0
	if _, err := job.Resume(ctx, &step); err != nil {
		return err
	}
	if !l.alive(ctx, "long", "begin", step) {
		return context.Cause(ctx)
	}
	for !exists(enough(l.file.Name())) {
		time.Sleep(30 * time.Millisecond) // work
		if !l.alive(ctx, "long", "step", step+1) {
			return context.Cause(ctx)
		}
		step++
		for { // a store that is away is asked again, for as long as the run is ours
			err := job.Checkpoint(ctx, step)
			if err == nil {
				break
			}
			if errors.Is(err, job.ErrHandOn) || ctx.Err() != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	l.alive(ctx, "long", "end", step)
	return nil
}

func enough(ledger string) string { return ledger + ".enough" }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A worker is a process that is such an instance.
type worker struct {
	testing.TB
	number int
	cmd    *exec.Cmd
	in     io.WriteCloser
	gone   chan struct{}
}

// startWorker starts a process that dies with us: with the thread that made it,
// which does nothing else.
func startWorker(t testing.TB, number int, at, ledger string) *worker {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{TB: t, number: number, cmd: exec.Command(exe), gone: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), workerEnv+"="+at, "LEDGER="+ledger, fmt.Sprint("WORKER=", number))
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := w.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- w.cmd.Start()
		<-w.gone
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.gone)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			t.Logf("worker %d: %s", number, lines.Text())
		}
		_ = w.cmd.Wait() // how it ended is for whoever has ended it
	}()
	t.Cleanup(w.kill)
	return w
}

func (w *worker) signal(s syscall.Signal) {
	w.Helper()
	if err := w.cmd.Process.Signal(s); err != nil {
		w.Error(err)
	}
}

// kill ends the process at once, if it has not ended.
func (w *worker) kill() {
	_ = w.cmd.Process.Kill()
	<-w.gone
}

// stop lets the worker drain.
func (w *worker) stop() {
	w.Helper()
	if err := w.in.Close(); err != nil {
		w.Error(err)
	}
	select {
	case <-w.gone:
	case <-time.After(30 * time.Second):
		w.Errorf("worker %d does not end", w.number)
		w.kill()
	}
}
