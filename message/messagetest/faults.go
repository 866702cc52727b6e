package messagetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/message"
)

// workerEnv makes the test binary a process that receives: its value is the
// broker's address.
const workerEnv = "SEGUE_MESSAGETEST_WORKER"

// Main is the TestMain of a broker's package. open opens the broker of a
// Maker.Address, in a process that the suite starts, and may kill.
func Main(m *testing.M, open func(ctx context.Context, address string) (message.Broker, error)) {
	address := os.Getenv(workerEnv)
	if address == "" {
		os.Exit(m.Run())
	}
	if err := work(address, open); err != nil {
		fmt.Fprintln(os.Stderr, "messagetest: worker:", err)
		os.Exit(1)
	}
}

// work receives, says which message it has, is silent until it is told to go on, and
// acknowledges. Killed in between it has neither lost nor done anything.
func work(address string, open func(ctx context.Context, address string) (message.Broker, error)) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _, _ = bufio.NewReader(os.Stdin).ReadString(0); stop() }() // our end is that of who started us
	b, err := open(ctx, address)
	if err != nil {
		return err
	}
	r, err := b.Subscribe(ctx, message.Subscription{Topic: os.Getenv("TOPIC"), Group: "g", Window: 5})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for ctx.Err() == nil {
		d, err := r.Receive(ctx)
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "messagetest: worker: receive:", err)
		}
		for _, d := range d {
			fmt.Println(d.ID)
			if err := r.Ack(ctx, d); err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "messagetest: worker: acknowledge:", err)
			}
		}
	}
	closing, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(r.Close(closing), b.Close())
}

var faults = map[string]func(*testing.T, *suite){
	"what the dead had comes again":       killed,
	"connections that break":              cut,
	"a server that crashes":               crash,
	"a message of one who is cut off":     cutOff,
	"publishing while the server is away": away,
}

// Faults does to a broker what happens to brokers. make is called once for each
// test, and gives each a server of its own if it can be crashed.
func Faults(t *testing.T, make func(t *testing.T) Maker, lacks ...Lack) {
	run(t, make, faults, lacks)
}

// A process is a worker that handles messages.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   interface{ Close() error }
	gone chan struct{}
}

// start starts a worker whose messages are counted.
func (s *suite) start(t *testing.T, y *tally) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(exe), gone: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), workerEnv+"="+s.Address, "TOPIC="+s.topic)
	p.cmd.Stderr = os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	started, ready := make(chan error), make(chan struct{})
	go func() { // the kernel kills the process when the thread that made it ends
		runtime.LockOSThread()
		defer close(p.gone)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			y.listen(bufio.NewScanner(out), ready)
			_ = p.cmd.Wait() // how it ended says nothing: it is we who end it
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatalf("a worker is not ready within %v", patience)
	}
	return p
}

func (y *tally) listen(lines *bufio.Scanner, ready chan struct{}) {
	for lines.Scan() {
		if lines.Text() == "ready" {
			close(ready)
			continue
		}
		var n int
		if _, err := fmt.Sscan(lines.Text(), &n); err == nil {
			y.note(n)
		}
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// stop ends the process in order.
func (p *process) stop() {
	p.t.Helper()
	_ = p.in.Close()
	select {
	case <-p.gone:
	case <-time.After(patience):
		p.t.Errorf("a worker does not end within %v", patience)
	}
}

// insist publishes numbered messages, each until the broker has it: some may come
// twice.
func (s *suite) insist(t *testing.T, from, to int) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	for n := from; n < to; n++ {
		for {
			attempt, done := context.WithTimeout(ctx, 5*time.Second)
			err := s.Publish(attempt, s.numbered(n))
			done()
			if err == nil {
				break
			}
			if ctx.Err() != nil || errors.Is(err, message.ErrRefused) {
				t.Errorf("publish %d: %v", n, err)
				return
			}
			time.Sleep(20 * time.Millisecond) // as the bus does
		}
	}
}

// killed kills workers in the middle of their work.
func killed(t *testing.T, s *suite) {
	if s.Address == "" {
		t.Fatal("Faults needs Maker.Address, for processes that can be killed")
	}
	const n, kills = 300, 3
	got := newTally(n)
	workers := []*process{s.start(t, got), s.start(t, got)}
	var publishing sync.WaitGroup
	publishing.Go(func() { s.insist(t, 0, n) })
	for k := range kills {
		got.atLeast(t, (k+1)*n/(kills+2))
		workers[0].kill()
		workers = append(workers[1:], s.start(t, got))
	}
	publishing.Wait()
	got.wait(t)
	for _, w := range workers {
		w.stop()
	}
}

// needs sees that a Maker has what a test needs.
func (s *suite) needs(t *testing.T, has bool, what string, lack Lack) {
	t.Helper()
	if !has {
		t.Fatalf("the Maker has no %s; if there is nothing of the kind, tell the suite: %s", what, lack)
	}
}

// cut breaks connections under publishers and receivers.
func cut(t *testing.T, s *suite) {
	s.needs(t, s.Cut != nil, "Cut", NoConnections)
	interrupt(t, s, func() { s.Cut(t) })
}

// crash does the same to the server.
func crash(t *testing.T, s *suite) {
	s.needs(t, s.Crash != nil, "Crash", NoServer)
	interrupt(t, s, func() { s.Crash(t) })
}

func interrupt(t *testing.T, s *suite, do func()) {
	const n, times = 300, 2
	got := newTally(n)
	stop := got.persist(t, s.subscribe(t, "g", 5), s.subscribe(t, "g", 5))
	var publishing sync.WaitGroup
	publishing.Go(func() { s.insist(t, 0, n) })
	for k := range times {
		got.atLeast(t, (k+1)*n/(times+2))
		do()
	}
	publishing.Wait()
	got.wait(t)
	stop()
}

// persist is count for brokers that fail meanwhile.
func (y *tally) persist(t *testing.T, receivers ...*receiver) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, r := range receivers {
		running.Go(func() {
			defer r.close()
			for ctx.Err() == nil {
				d, err := r.Receive(ctx)
				if err != nil && ctx.Err() == nil {
					t.Logf("receive: %v", err)
				}
				for _, d := range d {
					y.note(number(t, d))
					_ = acknowledge(t, r, d)
				}
			}
		})
	}
	return func() { cancel(); running.Wait() }
}

// acknowledge asks until it is done, or will come again: then it tells so.
func acknowledge(t *testing.T, r message.Receiver, d message.Delivery) (lapsed bool) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := r.Ack(ctx, d)
		if err == nil || errors.Is(err, message.ErrLapsed) {
			return err != nil
		}
		if ctx.Err() != nil {
			t.Errorf("acknowledge: %v", err)
			return false
		}
		time.Sleep(20 * time.Millisecond) // as the bus does
	}
}

// cutOff sees that what was received before a cut, and is not acknowledged, is not
// lost: it can be acknowledged yet, or comes again.
func cutOff(t *testing.T, s *suite) {
	s.needs(t, s.Cut != nil, "Cut", NoConnections)
	r := s.subscribe(t, "g", 5)
	s.publish(t, 0, 5)
	before := r.next(5)
	s.Cut(t)
	missing := map[string]bool{}
	for _, d := range before {
		if acknowledge(t, r, d) {
			missing[d.ID] = true
		}
	}
	for len(missing) > 0 {
		for _, d := range r.next(1) {
			delete(missing, d.ID)
			_ = acknowledge(t, r, d)
		}
	}
	s.insist(t, 5, 6)
	for last := ""; last != "5"; {
		for _, d := range r.next(1) {
			last = d.ID
			_ = acknowledge(t, r, d)
		}
	}
}

// away publishes from before a crash until after it: what was acknowledged comes.
func away(t *testing.T, s *suite) {
	s.needs(t, s.Crash != nil, "Crash", NoServer)
	s.subscribe(t, "g", 1).close()
	s.publish(t, 0, 20)
	var publishing sync.WaitGroup
	publishing.Go(func() { s.insist(t, 20, 60) })
	s.Crash(t)
	publishing.Wait()
	got := newTally(60)
	stop := got.persist(t, s.subscribe(t, "g", 10))
	got.wait(t)
	stop()
}
