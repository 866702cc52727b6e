package lock_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/servertest"
)

// faultLease is that of the workers, and promptly how long after its end another
// has the lock on a machine that is busy with other tests.
const (
	faultLease = 3 * time.Second
	promptly   = patience / 2
)

// A world is worker processes that take turns with one lock and write to one
// register, while the test does to them what it likes.
type world struct {
	*testing.T
	urls     func() string // of the store, for one more worker
	entries  bool          // workers are not to know that the store keeps locks
	register string        // where it listens

	inside func(worker int, exe string) *exec.Cmd // how a worker is started; nil: as any process

	mu      sync.Mutex
	heard   *sync.Cond
	history []operation
	seen    []seen // what workers have said besides
	workers int
}

// seen is an event of a worker, in the order in which they were heard.
type seen struct {
	worker int
	what   string
	token  int64
}

func newWorld(t *testing.T, entries bool, urls func() string) *world {
	w := &world{T: t, urls: urls, entries: entries, register: filepath.Join(t.TempDir(), "register")}
	w.heard = sync.NewCond(&w.mu)
	l, err := net.Listen("unix", w.register)
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer()
	if err := server.Register(&Register{}); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			serving.Go(func() { server.ServeConn(c) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return w
}

// A worker is a process that runs the loop of work.
type worker struct {
	*world
	number int
	cmd    *exec.Cmd
	in     io.WriteCloser
	gone   chan struct{} // closed when all it has said is heard
}

func (w *world) start() *worker {
	w.Helper()
	w.mu.Lock()
	w.workers++
	k := &worker{world: w, number: w.workers, gone: make(chan struct{})}
	w.mu.Unlock()
	exe, err := os.Executable()
	if err != nil {
		w.Fatal(err)
	}
	k.cmd = exec.Command(exe)
	if w.inside != nil {
		k.cmd = w.inside(k.number, exe)
	}
	k.cmd.Env = append(os.Environ(), workerEnv+"="+w.urls(), "REGISTER="+w.register, fmt.Sprint("WORKER=", k.number), fmt.Sprint("ENTRIES=", w.entries))
	k.cmd.Stderr = os.Stderr
	in, err := k.cmd.StdinPipe()
	if err != nil {
		w.Fatal(err)
	}
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	k.in = in
	k.spawn()
	go func() {
		defer close(k.gone)
		k.listen(out)
	}()
	w.Cleanup(k.kill)
	return k
}

// spawn sees that the process dies with us: with the thread that made it, which
// does nothing else.
func (k *worker) spawn() {
	k.Helper()
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		started <- k.cmd.Start()
		<-k.gone
	}()
	if err := <-started; err != nil {
		k.Fatal(err)
	}
}

func (k *worker) signal(s syscall.Signal) {
	k.Helper()
	if err := k.cmd.Process.Signal(s); err != nil {
		k.Error(err)
	}
}

// kill ends the process at once, if it has not ended.
func (k *worker) kill() {
	_ = k.cmd.Process.Kill()
	<-k.gone
	_ = k.cmd.Wait()
}

// stop lets the worker come to its end.
func (k *worker) stop() {
	k.Helper()
	if err := k.in.Close(); err != nil {
		k.Error(err)
	}
	select {
	case <-k.gone:
	case <-time.After(patience):
		k.Errorf("worker %d does not end", k.number)
		k.kill()
	}
}

func (k *worker) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	pending := map[int64]operation{}
	for lines.Scan() {
		var o operation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			k.Errorf("worker %d says %q", k.number, lines.Text())
			continue
		}
		o.Worker = k.number
		delete(pending, o.ID)
		k.mu.Lock()
		switch {
		case o.Return == 0:
			pending[o.ID] = o
		case o.Kind == "said":
			k.seen = append(k.seen, seen{k.number, o.Text, o.Token})
		default:
			k.history = append(k.history, o)
			if o.Kind == "acquire" {
				k.seen = append(k.seen, seen{k.number, "granted", o.Token})
			}
		}
		k.heard.Broadcast()
		k.mu.Unlock()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, o := range pending { // the process has died: nobody knows whether it happened
		k.history = append(k.history, o)
	}
}

// wait waits until something is seen that is, at or after a position, and
// returns the position after it.
func (w *world) wait(from int, what string, is func(seen) bool) int {
	w.Helper()
	timeout := time.AfterFunc(patience, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.heard.Broadcast()
	})
	defer timeout.Stop()
	deadline := time.Now().Add(patience)
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for n := from; n < len(w.seen); n++ {
			if is(w.seen[n]) {
				return n + 1
			}
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s: not within %v; seen: %v", what, patience, w.seen[max(0, len(w.seen)-10):])
		}
		w.heard.Wait()
	}
}

func (w *world) position() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

// count counts what was seen since a position.
func (w *world) count(what string, since int) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.seen[since:] {
		if s.what == what {
			n++
		}
	}
	return n
}

// hold has the worker hold the lock until it loses it.
func (k *worker) hold() (since int) {
	k.Helper()
	from := k.position()
	if _, err := io.WriteString(k.in, "hold\n"); err != nil {
		k.Fatal(err)
	}
	return k.wait(from, "holding the lock", func(s seen) bool { return s.worker == k.number && s.what == "holding" })
}

// served waits until the worker has the lock.
func (k *worker) served(since int) {
	k.Helper()
	k.wait(since, fmt.Sprintf("the lock of worker %d", k.number), func(s seen) bool { return s.worker == k.number && s.what == "granted" })
}

// loses has the worker hold the lock, does something to it, and sees that another
// has the lock within a lease.
func (k *worker) loses(how string, do func()) (since int) {
	k.Helper()
	since = k.hold()
	begun := time.Now()
	do()
	next := k.wait(since, "the lock of a holder that was "+how, func(s seen) bool { return s.worker != k.number && s.what == "granted" })
	if took := time.Since(begun); took > faultLease+promptly {
		k.Errorf("%v after the holder was %s another had the lock; the lease is %v", took, how, faultLease)
	}
	return next
}

// noticed waits until the worker says that it has lost the lock, and that the
// register has refused it.
func (k *worker) noticed(since int) {
	k.Helper()
	for _, what := range []string{"lost", "refused"} {
		k.wait(0, "worker "+strconv.Itoa(k.number)+" "+what, func(s seen) bool { return s.worker == k.number && s.what == what })
	}
}

// faults are what happens to the holders in a round.
func (w *world) faults(restart func(), networks []*relay) {
	w.Helper()
	workers := []*worker{w.start(), w.start(), w.start()}
	for _, k := range workers {
		k.served(0)
	}
	suspended, killed, last := workers[0], workers[1], workers[2]
	since := suspended.loses("suspended", func() { suspended.signal(syscall.SIGSTOP) })
	suspended.signal(syscall.SIGCONT)
	suspended.noticed(since)
	killed.loses("killed", killed.kill)
	workers[1] = w.start()
	workers[1].served(0)
	if restart != nil {
		restart()
		from := w.position()
		w.wait(from, "the lock after a restart of the store", func(s seen) bool { return s.what == "granted" })
	}
	if len(networks) > 0 {
		since := last.loses("cut off", networks[last.number-1].cut)
		networks[last.number-1].mend()
		last.noticed(since)
		last.served(w.position())
	}
	w.end(workers)
}

// end sees that it goes on as before, and ends.
func (w *world) end(workers []*worker) {
	w.Helper()
	for from := w.position(); w.count("granted", from) < 8; {
		w.wait(w.position(), "the lock", func(s seen) bool { return s.what == "granted" })
	}
	for _, k := range workers {
		k.stop()
	}
}

// A server can be stopped and started.
type server interface {
	URL() string
	Kill(t testing.TB)
	Start(t testing.TB)
}

func TestFaultsGiveNobodyTheLockTwice(t *testing.T) {
	t.Parallel()
	rounds := 1
	if os.Getenv("SEGUE_SOAK") != "" {
		rounds = 20
	}
	for name, serve := range map[string]func(t *testing.T) server{
		"redis":    func(t *testing.T) server { return servertest.Redis(t) },
		"postgres": func(t *testing.T) server { return servertest.Postgres(t) },
		"sqlite":   nil,
	} {
		for _, entries := range []bool{false, true} {
			if entries && name != "sqlite" && rounds == 1 {
				continue // once is enough where time is short
			}
			t.Run(fmt.Sprintf("%s,entries=%v", name, entries), func(t *testing.T) {
				t.Parallel()
				for range rounds {
					if serve == nil {
						path := filepath.Join(t.TempDir(), "store.db")
						w := newWorld(t, entries, func() string { return "sqlite://" + path })
						w.faults(nil, nil)
						w.judge()
						continue
					}
					onServer(t, serve(t), entries)
				}
			})
		}
	}
}

// onServer gives each worker a network of its own.
func onServer(t *testing.T, s server, entries bool) {
	var networks []*relay
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		networks = append(networks, newRelay(t, "127.0.0.1", u.Host))
	}
	next := 0
	w := newWorld(t, entries, func() string {
		through := *u
		through.Host = networks[next].Addr().String()
		next++
		return through.String()
	})
	w.faults(func() { s.Kill(t); s.Start(t) }, networks)
	w.judge()
}

// A Register is the resource that the lock guards. It refuses a token that is less
// than the greatest it has seen.
type Register struct {
	mu           sync.Mutex
	token, value int64
}

// A Write is what a holder asks of the register.
type Write struct{ Token, Value int64 }

// Write writes if it accepts the token.
func (r *Register) Write(w Write, accepted *bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if *accepted = w.Token >= r.token; *accepted {
		r.token, r.value = w.Token, w.Value
	}
	return nil
}

// Read returns what was written last.
func (r *Register) Read(_ struct{}, got *Write) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	*got = Write{r.token, r.value}
	return nil
}
