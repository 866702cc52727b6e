package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Prepare makes the process with its gate closed: it exists, in its own session
// and cgroup and with its log open, but runs nothing of the user's. The caller
// records PID and Born and then calls Release, or Stop to give it up. If the
// caller dies, the process ends without having run anything.
//
// Errors name what is missing (log folder, working directory, limits that this
// machine cannot set); nothing is left running then.
func (e *Engine) Prepare(ctx context.Context, c Command) (*Process, error) {
	p, err := e.prepare(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.ID, err)
	}
	return p, nil
}

func (e *Engine) prepare(ctx context.Context, c Command) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	order, err := newOrder(c)
	if err != nil {
		return nil, err
	}
	var groups *hierarchy
	if c.Limits.Memory != 0 || c.Limits.CPU != 0 {
		e.sweep.Do(sweepCgroups)
		if groups, err = findHierarchy(c.Limits); err != nil {
			return nil, err
		}
	}
	p, err := e.fork(c)
	if err != nil {
		return nil, err
	}
	p.gate.order = order
	if groups != nil {
		name := cgroupName(c.ID, p.pid, p.born)
		if p.cgroup, err = groups.make(name, c.Limits, p.pid); err != nil {
			p.discard()
			return nil, err
		}
	}
	e.watch(p)
	return p, nil
}

// fork starts the gate's shim and gives it its descriptors.
func (e *Engine) fork(c Command) (*Process, error) {
	std, err := openStd(c.LogFile)
	if err != nil {
		return nil, err
	}
	defer closeAll(std)
	g, theirs, err := newGate()
	if err != nil {
		return nil, fmt.Errorf("no pipe for the start gate: %w", err)
	}
	defer closeAll(theirs)

	files := []*os.File{std[0], std[1], std[1]}
	for _, s := range c.Sockets {
		files = append(files, s.File)
	}
	p, err := e.forkWith(c, append(files, theirs...))
	if err != nil {
		g.close()
		return nil, err
	}
	p.gate = g
	return p, nil
}

func (e *Engine) forkWith(c Command, files []*os.File) (*Process, error) {
	self := e.Self
	if self == "" {
		self = "/proc/self/exe" // of the child, which is still this binary when it execs
	}
	pidfd := -1
	argv := []string{shimName, shimArg, strconv.Itoa(len(c.Sockets)), c.ID}
	attr := &syscall.ProcAttr{
		Env: []string{}, // the user's goes through the gate: it is not to steer our runtime
		Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
	}
	var pid int
	err := withFDs(files, func(fds []uintptr) (err error) {
		attr.Files = fds
		pid, _, err = syscall.StartProcess(self, argv, attr)
		return err
	})
	if err != nil {
		return nil, explainFork(self, err)
	}
	if pidfd < 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return nil, errors.New("this kernel has no pidfds: Segue needs Linux 5.4 or later")
	}
	p := e.newProcess(c.ID, pid, pidfd)
	if st, err := readStat(pid); err != nil { // not reaped by us, so it is still there
		p.discard()
		return nil, err
	} else {
		p.born = identity(st.start)
	}
	return p, nil
}

func (e *Engine) newProcess(id string, pid, pidfd int) *Process {
	_ = unix.SetNonblock(pidfd, true) // or os.NewFile keeps it out of the poller
	return &Process{
		id: id, engine: e, pid: pid,
		pidfd: os.NewFile(uintptr(pidfd), "pidfd"),
		done:  make(chan struct{}),
		sent:  make(map[syscall.Signal]bool),
	}
}

// discard ends a process that nobody has been told of yet and nobody watches.
func (p *Process) discard() {
	p.closeGate()
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	_, _ = syscall.Wait4(p.pid, nil, 0, nil)
	p.pidfd.Close()
	p.cgroup.remove()
}

// openStd opens what the instance gets as stdin, and as stdout and stderr.
func openStd(log string) ([]*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(log), 0o750); err != nil {
		return nil, fmt.Errorf("no folder for its log: %w", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		null.Close()
		return nil, fmt.Errorf("cannot open its log: %w", err)
	}
	return []*os.File{null, out}, nil
}

// withFDs calls f with the descriptors of files. Unlike File.Fd it leaves their
// mode alone: a listening socket that became blocking would hang its owner.
func withFDs(files []*os.File, f func([]uintptr) error) error {
	fds := make([]uintptr, 0, len(files))
	var next func(i int) error
	next = func(i int) error {
		if i == len(files) {
			return f(fds)
		}
		rc, err := files[i].SyscallConn()
		if err != nil {
			return err
		}
		var inner error
		if err := rc.Control(func(fd uintptr) {
			fds = append(fds, fd)
			inner = next(i + 1)
		}); err != nil {
			return err
		}
		return inner
	}
	return next(0)
}

func explainFork(self string, err error) error {
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return fmt.Errorf("the machine refuses another process: %w; raise the limit on processes (ulimit -u, TasksMax=, pids.max) or run fewer instances", err)
	case errors.Is(err, syscall.ENOMEM):
		return fmt.Errorf("no memory for another process: %w", err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("no free descriptors: %w; raise LimitNOFILE= or ulimit -n", err)
	}
	return fmt.Errorf("run %s as its start gate: %w", self, err)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// newOrder checks the command and encodes it for the shim.
func newOrder(c Command) ([]byte, error) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return nil, errors.New("no command; give release.command in segue.yaml")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	} else if !st.IsDir() {
		return nil, fmt.Errorf("working directory: %s is not a folder", dir)
	}
	names := make([]string, 0, len(c.Sockets))
	for _, s := range c.Sockets {
		if s.File == nil || strings.ContainsRune(s.Name, ':') {
			return nil, fmt.Errorf("socket %q: it must be open, and its name without a colon", s.Name)
		}
		names = append(names, s.Name)
	}
	o := order{Dir: dir, Names: strings.Join(names, ":"), Argv: expand(c.Argv, c.Env), Env: c.Env}
	return o.encode()
}
