package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Stop ends the process: the signal ("TERM", "SIGTERM") goes to the leader
// only, which tells its children as it likes; after timeout it gets
// SIGKILL. What the leader leaves behind in its session or cgroup, or has sent
// out of them, gets SIGKILL in any case. A timeout of 0 or less waits for nothing. It returns
// when nothing is left, at once if that is so already; calling it again, or
// from several goroutines, sends a signal once.
//
// If ctx ends first, Stop returns its cause and the process lives on with the
// signal that it got. An error that is not ctx's tells of a process that even
// SIGKILL did not end.
func (p *Process) Stop(ctx context.Context, signal string, timeout time.Duration) (Exit, error) {
	sig, err := ParseSignal(signal)
	if err != nil {
		return Exit{}, err
	}
	p.closeGate() // a shim ends by itself
	p.send(sig)
	p.send(syscall.SIGCONT) // a stopped process would not hear it
	timer := time.NewTimer(max(timeout, 0))
	defer timer.Stop()
	select {
	case <-p.done:
		return p.outcome()
	case <-ctx.Done():
		return Exit{}, context.Cause(ctx)
	case <-timer.C:
	}
	p.kill()
	select {
	case <-p.done:
		return p.outcome()
	case <-ctx.Done():
		return Exit{}, context.Cause(ctx)
	case <-time.After(2 * killPatience):
		return Exit{}, fmt.Errorf("stop %s: pid %d does not end on SIGKILL: it hangs in the kernel (a disk or network mount that does not answer?)", p.id, p.pid)
	}
}

func (p *Process) outcome() (Exit, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.remain != nil {
		return p.exit, fmt.Errorf("stop %s: %w", p.id, p.remain)
	}
	return p.exit, nil
}

// Signal sends a signal to the leader. It is no error if that has ended.
func (p *Process) Signal(sig syscall.Signal) error {
	rc, err := p.pidfd.SyscallConn()
	if err != nil {
		return nil
	}
	var sent error
	if err := rc.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return nil // closed: it has ended
	}
	if sent == nil || errors.Is(sent, unix.ESRCH) {
		return nil
	}
	return fmt.Errorf("send %s to %s: %w", SignalName(sig), p.id, sent)
}

// send sends a signal unless it has been sent before.
func (p *Process) send(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent[sig] {
		return
	}
	p.sent[sig] = true
	_ = p.Signal(sig) // if we may not, the time runs out and Stop tells
}

// kill ends the leader. The watcher then sees to the rest.
func (p *Process) kill() { p.send(syscall.SIGKILL) }
