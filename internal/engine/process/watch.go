package process

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killPatience is for what got SIGKILL to be gone; only a hung disk takes long.
const killPatience = 10 * time.Second

// watch sleeps in the runtime's poller until the leader has ended, ends what is
// left of its session, and tells. A thousand of these cost no thread and no
// CPU. It returns without telling if the engine leaves.
func (p *Process) watch() {
	rc, err := p.pidfd.SyscallConn()
	if err != nil {
		return
	}
	var exit Exit
	var remain error
	err = rc.Read(func(fd uintptr) bool {
		if !pollFD(int(fd), unix.POLLIN, 0) {
			return false
		}
		exit, remain = p.finish(int(fd))
		return true
	})
	if err != nil {
		return // closed by Leave
	}
	p.closeGate()
	p.mu.Lock()
	p.exit, p.remain = exit, remain
	p.mu.Unlock()
	close(p.done)
	p.pidfd.Close()
}

// finish clears away what the ended leader has left. Survivors are first killed
// while the leader is still a zombie, as then nobody else can have its number.
func (p *Process) finish(pidfd int) (Exit, error) {
	remain := endSession(p.pid, p.born, p.cgroup, time.Now().Add(killPatience))
	exit := reap(pidfd)
	if !exit.Known {
		exit = askKernel(pidfd, p.pid, p.born)
	}
	exit.At = time.Now()
	exit.OOM = p.cgroup.oomKilled()
	if err := p.cgroup.remove(); err != nil && remain == nil {
		remain = err
	}
	return exit, remain
}

// endSession kills all of a session but its leader, and all of its cgroup, and
// returns when they are gone. The leader must have ended. It kills nobody if
// the leader's pid belongs to another process by now.
func endSession(leader int, born uint64, cg *cgroup, deadline time.Time) error {
	for {
		if s, err := readStat(leader); err == nil && identity(s.start) != born {
			return nil // a reused pid: then no member was left, or it would be in use
		}
		left, group, err := survivors(leader, cg)
		if err != nil {
			return fmt.Errorf("look for what it left running: %w", err)
		}
		if len(left) == 0 {
			return nil
		}
		if group { // at once, so that none of them can fork in between
			_ = syscall.Kill(-leader, syscall.SIGKILL)
		}
		for _, s := range left {
			if err := killOne(s, deadline); err != nil {
				return err
			}
		}
	}
}

// survivors lists the living members of the session, the group and the cgroup,
// and tells whether any is in the group.
func survivors(leader int, cg *cgroup) (left []stat, group bool, err error) {
	inside := cg.pids()
	err = scan(func(s stat) {
		if s.pid == leader || s.ended() {
			return
		}
		if s.session == leader || s.group == leader || inside[s.pid] {
			left = append(left, s)
			group = group || s.group == leader
		}
	})
	return left, group, err
}

// killOne kills a process and waits until it has ended.
func killOne(s stat, deadline time.Time) error {
	fd, _, err := openPidfd(s.pid, identity(s.start))
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill pid %d, left by its parent: %w", s.pid, err)
	}
	if !pollFD(fd, unix.POLLIN, time.Until(deadline)) {
		return fmt.Errorf("pid %d, left by its parent, does not end on SIGKILL: it hangs in the kernel (a disk or network mount that does not answer?)", s.pid)
	}
	return nil
}
