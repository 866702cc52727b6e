//go:build unix

package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// replaceSignals ask for a new process.
var replaceSignals = []os.Signal{syscall.SIGUSR2}

func isReplace(s os.Signal) bool { return s == syscall.SIGUSR2 }

// passed is a descriptor that came from the process before us, and goes no
// further.
func passed(fd uintptr, name string) *os.File {
	unix.CloseOnExec(int(fd))
	return os.NewFile(fd, name)
}

// A succession is the attempts to be replaced: one at a time. When one has come
// to its end, and this process leaves, the new one is watched: should it end
// before we do, another is started in its place. Meanwhile connections wait in the
// queues of the sockets, of which we keep copies.
type succession struct {
	r     *running
	ready chan int      // the number of a new process that serves
	quit  chan struct{} // closed when this process leaves, or has left
	tasks sync.WaitGroup

	leaving sync.Once // closes quit

	mu    sync.Mutex
	under bool // an attempt is under way, or has succeeded
}

func newSuccession(r *running) *succession {
	return &succession{r: r, ready: make(chan int), quit: make(chan struct{})}
}

// refusal is why this process must not be replaced by itself; "" if it may.
func refusal() string {
	switch {
	case os.Getenv("SEGUE_INSTANCE") != "":
		return "this process is an instance of Segue's agent, which replaces it itself: use `segue deploy` or `segue restart`"
	case os.Getpid() == 1:
		return "this is the first process of its container, and the container ends with it: replace the container"
	}
	return ""
}

// begin starts a new process, unless one is being started.
func (s *succession) begin() {
	log := s.r.log
	if why := refusal(); why != "" {
		log.Error("replace: refused: " + why)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under {
		log.Warn("replace: refused, a new process is being started already")
		return
	}
	s.under = true
	s.tasks.Go(func() {
		err := s.replace()
		s.mu.Lock()
		defer s.mu.Unlock()
		switch s.under = err == nil; {
		case errors.Is(err, errUnwanted):
			log.Info("replace: called off", "error", err)
		case err != nil:
			log.Error("replace: failed, this process goes on", "error", err)
		}
	})
}

// replace returns when a new process has failed and is gone, or when this one
// has left.
func (s *succession) replace() error {
	sockets, err := s.sockets()
	defer func() {
		for _, each := range sockets {
			_ = each.file.Close() // a copy
		}
	}()
	if err != nil {
		return err
	}
	next, err := s.attempt(sockets, s.quit)
	if err != nil {
		return err
	}
	select {
	case s.ready <- next.Process.Pid:
	case <-s.quit:
		return s.giveUp(next, errUnwanted)
	}
	s.watch(next, sockets)
	return nil
}

// watch follows the new process until this one has left.
func (s *succession) watch(next *exec.Cmd, sockets []socket) {
	wait := time.Duration(0)
	for {
		gone := make(chan error, 1)
		go func() { gone <- next.Wait() }() // if we end before, somebody else waits for it
		select {
		case <-s.quit:
			return
		case err := <-gone:
			s.r.log.Error("replace: the new process has ended before this one has left; starting another", "new", next.Process.Pid, "error", ended(err))
		}
		select {
		case <-time.After(wait): // one that ends each time must not have us do nothing else
			wait = again
		case <-s.quit: // and yet nobody serves
		}
		var err error
		if next, err = s.attempt(sockets, nil); err != nil {
			s.r.log.Error("replace: failed, and nobody serves any more", "error", err)
			return
		}
	}
}

// again is how long after one process that has taken over and ended the next but
// one is started.
const again = time.Second

// attempt starts a new process and returns when it is ready, or has failed and
// is gone, or is not wanted any more.
func (s *succession) attempt(sockets []socket, quit <-chan struct{}) (*exec.Cmd, error) {
	next, word, err := s.spawn(sockets)
	if err != nil {
		return nil, err
	}
	defer word.Close()
	s.r.log.Info("replace: started a new process", "new", next.Process.Pid, "program", next.Path)
	said := make(chan error, 1)
	go func() { said <- await(word, s.r.app.replaceTimeout()) }()
	select {
	case err = <-said:
	case <-quit:
		err = errUnwanted
	}
	if err != nil {
		return nil, s.giveUp(next, err)
	}
	return next, nil
}

// giveUp ends a new process that is of no use, and waits until it is gone. It may
// have accepted connections, and have something to stop.
func (s *succession) giveUp(next *exec.Cmd, why error) error {
	gone := make(chan error, 1)
	go func() { gone <- next.Wait() }()
	if !errors.Is(why, errEnded) {
		_ = next.Process.Signal(syscall.SIGTERM) // if it is gone, so much the better
	}
	timer := time.NewTimer(givesUp)
	defer timer.Stop()
	select {
	case err := <-gone:
		return fmt.Errorf("process %d %w (%s)", next.Process.Pid, why, ended(err))
	case <-timer.C:
	}
	_ = next.Process.Kill() // as above
	<-gone
	return fmt.Errorf("process %d %w; it had to be killed", next.Process.Pid, why)
}

// givesUp is what a new process that is of no use gets to stop in.
const givesUp = 5 * time.Second

var (
	errEnded    = errors.New("has ended before it was ready")
	errUnwanted = errors.New("is not wanted, as this process was told to stop")
)

func ended(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// close returns when nothing is under way, and the new process, if there is one,
// can be left alone.
func (s *succession) close() {
	s.abandon()
	s.tasks.Wait()
}

// abandon begins to end what is under way.
func (s *succession) abandon() { s.leaving.Do(func() { close(s.quit) }) }

// await reads the new process's word.
func await(word *os.File, limit time.Duration) error {
	if err := word.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(word, int64(len(readyWord))))
	switch {
	case string(got) == readyWord:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("was not ready within %v", limit)
	case err != nil:
		return err
	default:
		return errEnded
	}
}

// spawn starts the program as it was started, with copies of the sockets.
func (s *succession) spawn(sockets []socket) (_ *exec.Cmd, word *os.File, err error) {
	word, report, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer report.Close() // the copy is the new process's
	var files []*os.File
	for _, each := range sockets {
		files = append(files, each.file)
	}
	told, err := json.Marshal(handover{PID: os.Getpid(), Ready: uintptr(firstPassed + len(files)), Sockets: sockets})
	if err != nil {
		return nil, nil, errors.Join(err, word.Close())
	}
	cmd := &exec.Cmd{
		Path: startedBy.path, Args: os.Args, Dir: startedBy.dir,
		Env:   append(environ(), handoverVariable+"="+string(told)),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		ExtraFiles: append(files, report),
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start %s: %w", cmd.Path, err), word.Close())
	}
	return cmd, word, nil
}

// environ is our environment without what is meant for this very process.
func environ() []string {
	var out []string
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case handoverVariable, "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES":
		default:
			out = append(out, kv)
		}
	}
	return out
}

// sockets are copies of those that the servers accept on.
func (s *succession) sockets() (out []socket, err error) {
	for _, c := range s.r.plan.parts {
		if c.server == nil {
			continue
		}
		l := c.server.listener
		f, err := duplicate(l.Listener, c.Name)
		if err != nil {
			return out, fmt.Errorf("the listening socket of %s: %w", c.Name, err)
		}
		out = append(out, socket{Name: c.Name, Shared: l.shared, file: f})
	}
	return out, nil
}

// duplicate copies a listener's descriptor and leaves it as it is. (The File
// method of net's would let both block: that is a property of the socket.)
func duplicate(l net.Listener, name string) (*os.File, error) {
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path is the new process's
	}
	sc, ok := l.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T cannot be passed on", l)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	cerr := raw.Control(func(own uintptr) { fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(cerr, err); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// startedBy is how the program was started: seen before anything can change the
// folder. It is where a deploy puts the new program, maybe behind a symbolic
// link, and not the file that is running.
var startedBy = func() (s struct{ path, dir string }) {
	s.dir, _ = os.Getwd() // by $PWD, so that links in it stay; "" is where we are
	s.path = os.Args[0]
	if !strings.Contains(s.path, "/") {
		if found, err := exec.LookPath(s.path); err == nil {
			s.path = found
		}
	}
	if !filepath.IsAbs(s.path) && s.dir != "" {
		s.path = filepath.Join(s.dir, s.path)
	}
	return s
}()
