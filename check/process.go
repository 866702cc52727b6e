package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exit is how a server's first process ended.
type Exit struct {
	At     time.Time
	Code   int            // -1 if a signal ended it or it is not known
	Signal syscall.Signal // that ended it; 0 if it ended by itself
	Known  bool           // false if it was not our child
}

func (e Exit) String() string {
	switch {
	case !e.Known:
		return "ended"
	case e.Signal != 0:
		return "was ended by " + signalName(e.Signal)
	default:
		return fmt.Sprintf("exited with %d", e.Code)
	}
}

// A process is the server on this machine: its first process, and all that come
// of it.
type process struct {
	pid    int
	mark   string // the variable that all of its processes began with, unless it was there before us
	output *tail
	pidfd  *os.File // of an adopted process
	guard  *guard   // ends it if we die; nil for one that we have not started

	exited chan struct{} // closed once exit is set
	exit   Exit

	mu        sync.Mutex
	known     map[int]proc // all that were ever seen to belong to it
	strangers map[int]proc // that were seen not to carry the mark, and will not
}

// launch starts the command in a session of its own: the terminal's signals are
// not meant for it.
func launch(t Target, port int, extra []*os.File, env []string) (*process, error) {
	args := slices.Clone(t.Command)
	for i := range args {
		args[i] = strings.NewReplacer("{port}", fmt.Sprint(port), "$PORT", fmt.Sprint(port)).Replace(args[i])
	}
	p := &process{output: &tail{also: t.Output}, exited: make(chan struct{}), known: map[int]proc{}, strangers: map[int]proc{}}
	p.mark = fmt.Sprintf("SEGUE_CHECK=%d.%d.%d", os.Getpid(), port, time.Now().UnixNano())
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.ExtraFiles = t.Dir, extra
	cmd.Env = slices.Concat(os.Environ(), t.Env, env, []string{fmt.Sprintf("PORT=%d", port), p.mark})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	// A pipe of our own, and not one of exec's: Wait must not wait for children
	// that keep it open, as what they do is what is checked.
	cmd.Stdout, cmd.Stderr = w, w
	p.guard = newGuard(p.mark) // before there is anything to guard
	err = cmd.Start()
	w.Close()
	if err != nil {
		p.guard.dismiss()
		r.Close()
		return nil, fmt.Errorf("check: start %s: %w", args[0], err)
	}
	p.pid = cmd.Process.Pid
	p.guard.watch(p.pid)
	go p.output.copy(r) // ends with the last process that holds the pipe; kill sees to that
	go func() {
		err := cmd.Wait()
		p.ended(exitOf(cmd, err))
	}()
	return p, nil
}

func exitOf(cmd *exec.Cmd, err error) Exit {
	e := Exit{At: time.Now(), Code: -1, Known: cmd.ProcessState != nil}
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return Exit{At: e.At, Code: -1}
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		e.Signal = status.Signal()
	} else {
		e.Code = status.ExitStatus()
	}
	return e
}

// adopt watches a process that somebody else has started, until it is released.
func adopt(pid int) (*process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true) // or os.NewFile keeps it out of the poller
	}
	if err != nil {
		return nil, fmt.Errorf("check: process %d: %w", pid, err)
	}
	p := &process{pid: pid, output: &tail{}, exited: make(chan struct{}), known: map[int]proc{}, strangers: map[int]proc{}}
	p.pidfd = os.NewFile(uintptr(fd), "pidfd")
	go p.await()
	return p, nil
}

// await ends with the process, or when the pidfd is closed.
func (p *process) await() {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return
	}
	err = raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
	if err == nil {
		p.ended(Exit{At: time.Now(), Code: -1})
	}
}

// release lets go of an adopted process.
func (p *process) release() { p.pidfd.Close() }

func (p *process) ended(e Exit) {
	p.exit = e
	close(p.exited)
}

// members are the living processes that belong to the server: descendants of
// the first, those of its session, those that carry its mark, and those that
// were seen to belong to it earlier.
func (p *process) members() []proc {
	all := processes()
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []proc
	for pid, q := range all {
		if !q.alive() || pid == os.Getpid() {
			continue
		}
		if same(p.known[pid], q) || p.owns(all, q) {
			p.known[pid] = q
			found = append(found, q)
		}
	}
	slices.SortFunc(found, func(a, b proc) int { return a.pid - b.pid })
	return found
}

func (p *process) owns(all map[int]proc, q proc) bool {
	for up := q; up.pid > 1; up = all[up.parent] {
		if up.pid == p.pid {
			return true
		}
	}
	if p.mark == "" || same(p.strangers[q.pid], q) {
		return false
	}
	if q.session == p.pid || marked(q.pid, p.mark) {
		return true
	}
	p.strangers[q.pid] = q // its environment is read but once: there are many processes on a machine
	return false
}

func same(a, b proc) bool { return a.start == b.start && a.start != 0 }

func (p *process) pids() []int {
	var pids []int
	for _, m := range p.members() {
		pids = append(pids, m.pid)
	}
	return pids
}

// signalAll reaches every member; new ones may be made meanwhile, so it repeats
// itself until there are none that it has not reached.
func (p *process) signalAll(s syscall.Signal) {
	reached := map[int]bool{}
	for range 10 {
		fresh := false
		for _, pid := range p.pids() {
			if !reached[pid] {
				reached[pid], fresh = true, true
				_ = syscall.Kill(pid, s) // it may have ended
			}
		}
		if !fresh {
			return
		}
	}
}

// kill ends all of it and returns when it is gone.
func (p *process) kill(ctx context.Context) {
	defer p.guard.dismiss()
	for ctx.Err() == nil {
		left := p.pids()
		if len(left) == 0 {
			break
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		pause(ctx, 5*time.Millisecond)
	}
	select {
	case <-p.exited:
	case <-ctx.Done():
	}
}

// pause waits for a time or until ctx is done. It paces the questions about
// things that tell nobody when they happen.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func signalName(s syscall.Signal) string { return unix.SignalName(s) }
