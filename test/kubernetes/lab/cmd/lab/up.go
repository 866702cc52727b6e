package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// nodes takes the number of nodes off the arguments.
func nodes(args []string) (n int, rest []string, err error) {
	if len(args) == 0 || args[0] == "--" {
		return 3, args, nil
	}
	n, err = strconv.Atoi(args[0])
	if err != nil || n < 1 || n > mostNodes {
		return 0, nil, fmt.Errorf("%q is no number of nodes; give 1 to %d", args[0], mostNodes)
	}
	return n, args[1:], nil
}

// up brings the lab up. Until it is ready it ends with this process, if that
// should be killed; with leash it does so ever after.
func (l *Lab) up(ctx context.Context, n int, leash bool) error {
	release, err := l.hold()
	if err != nil {
		return err
	}
	defer release()
	if is, err := load(l.Dir); err == nil && is.alive() && is.Ready {
		if is.Nodes != n || leash {
			return fmt.Errorf("a lab of %d nodes is up in %s; take it down first", is.Nodes, is.Dir)
		}
		fmt.Println("is up already:", is.Dir)
		return nil
	}
	if err := build(ctx); err != nil {
		return err
	}
	if err := sweep(); err != nil {
		return err
	}
	begun := time.Now()
	if err := l.clean(); err != nil {
		return err
	}
	if err := l.start(ctx, n, leash); err != nil {
		if ctx.Err() == nil { // nobody has called it off
			err = fmt.Errorf("%w\n%s", err, l.tails())
		}
		return errors.Join(err, l.clean())
	}
	fmt.Printf("%d nodes are ready after %.1f s: KUBECONFIG=%s, which is reached from inside: lab exec cp CMD\n", n, time.Since(begun).Seconds(), l.Kubeconfig)
	return nil
}

// start makes the folder and the first process, and waits for that one's word.
func (l *Lab) start(ctx context.Context, n int, leash bool) error {
	bin, err := binaries()
	if err != nil {
		return err
	}
	roots, err := cgroupRoots(l.cgroup())
	if err != nil {
		return err
	}
	*l = Lab{Dir: l.Dir, Bin: bin, Nodes: n, Kubeconfig: l.file("kubeconfig"), Registry: registryAddress, Cgroups: roots}
	if err := os.MkdirAll(l.Dir, 0o755); err != nil {
		return err
	}
	if err := l.save(); err != nil { // before anything is made that it tells how to remove
		return err
	}
	for _, r := range roots {
		if _, err := r.make(""); err != nil {
			return err
		}
	}
	if err := l.fetchDefinitions(ctx); err != nil {
		return err
	}
	status, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer status.Close()
	stay, let, err := os.Pipe()
	if err != nil {
		return err
	}
	l.leash = let // stays open: its end is the lab's
	cmd, err := l.inner(tell, stay)
	if err != nil {
		return err
	}
	if err := l.follow(ctx, cmd.Process.Pid, status); err != nil {
		return errors.Join(err, cmd.Process.Kill(), waitKilled(cmd))
	}
	l.Ready = true
	if err := l.save(); err != nil || leash {
		return err
	}
	_, err = let.Write([]byte{1})
	_, _ = io.Copy(io.Discard, status) // its end says that this process is no longer needed
	return err
}

// follow writes down who the first process is, and waits until it is ready.
func (l *Lab) follow(ctx context.Context, pid int, status *os.File) error {
	started, err := startTime(pid)
	if err != nil {
		return fmt.Errorf("the lab's first process has ended at once: %w", err)
	}
	l.PID, l.Started = pid, started
	if err := l.save(); err != nil {
		return err
	}
	return awaitReady(ctx, status)
}

func waitKilled(cmd *exec.Cmd) error {
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// inner starts the first process of the lab, in namespaces of its own: when it
// ends, the kernel ends every process in them.
func (l *Lab) inner(tell, stay *os.File) (*exec.Cmd, error) {
	defer tell.Close()
	defer stay.Close()
	log, err := os.Create(l.file("inner.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe", "inner", l.Dir)
	cmd.Dir = l.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{tell, stay}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Setsid:     true, // a Ctrl-C at the terminal is not for it
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the lab's first process: %w; it must be root's", err)
	}
	return cmd, nil
}

// awaitReady shows what the first process tells, until it says that all is there.
func awaitReady(ctx context.Context, status *os.File) error {
	defer context.AfterFunc(ctx, func() { status.Close() })()
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return nil
		}
		fmt.Println(lines.Text())
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.New("the lab has ended before it was ready")
}

// down takes the lab down, whatever state it is in.
func (l *Lab) down() error {
	release, err := l.hold()
	if err != nil {
		return err
	}
	defer release()
	return l.clean()
}

// clean ends what there is of the lab and removes all traces, its folder with
// them. The first process takes all others with it, and their mounts and networks.
func (l *Lab) clean() error {
	l, err := load(l.Dir)
	if err != nil {
		return err
	}
	if l.alive() {
		if err := killed(l.PID); err != nil {
			return err
		}
	}
	for _, r := range l.Cgroups {
		if err := r.remove(); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(l.Dir); err != nil {
		return fmt.Errorf("remove the lab's folder: %w", err)
	}
	return nil
}

// sweep cleans up after labs whose first process was killed.
func sweep() error {
	dir, err := cache()
	if err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(dir, "labs", "*", "lab.json"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := sweepOne(filepath.Dir(name)); err != nil {
			return err
		}
	}
	return nil
}

func sweepOne(dir string) error {
	f, err := os.OpenFile(dir+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil // somebody is at it
	}
	l, err := load(dir)
	if err != nil || l.alive() {
		return err
	}
	fmt.Println("removing what a killed lab has left:", dir)
	return errors.Join(l.clean(), unname(dir))
}

const runPrefix = "run-" // of the names that `lab run` gives

// unname removes the lock of a lab whose name is not used again.
func unname(dir string) error {
	if !strings.HasPrefix(filepath.Base(dir), runPrefix) {
		return nil
	}
	return os.Remove(dir + ".lock")
}

// run does up, a command and down. The lab ends with this process, however that
// ends. Without $LAB it has a name of its own, so that several can run.
func run(ctx context.Context, args []string) (err error) {
	n, args, err := nodes(args)
	if err != nil || len(args) < 2 || args[0] != "--" {
		return errUsage
	}
	name := os.Getenv("LAB")
	if name == "" {
		name = fmt.Sprint(runPrefix, os.Getpid())
	}
	l, err := open(name)
	if err != nil {
		return err
	}
	if err := l.up(ctx, n, true); err != nil {
		return errors.Join(err, unname(l.Dir))
	}
	defer func() { err = errors.Join(err, l.down(), unname(l.Dir)) }()
	cmd := exec.CommandContext(ctx, args[1], args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "SEGUE_LAB="+l.Dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode(max(exit.ExitCode(), 1))
	}
	return err
}

// tails is the end of each log, for somebody who must find out why.
func (l *Lab) tails() string {
	var b strings.Builder
	for _, pattern := range []string{"*.log", "*/*.log"} {
		names, _ := filepath.Glob(l.file(pattern)) // fails only for a bad pattern
		for _, name := range names {
			if data, err := tail(name, 1500); err == nil && len(data) > 0 {
				fmt.Fprintf(&b, "== %s\n%s\n", name, data)
			}
		}
	}
	return b.String()
}

func tail(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(max(0, size-most), io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}
