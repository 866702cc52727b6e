package process

import (
	"errors"
	"fmt"
	"slices"
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
	p.exit.Forced = p.sent[syscall.SIGKILL]
	p.mu.Unlock()
	close(p.done)
	p.pidfd.Close()
}

// finish clears away what the ended leader has left. Survivors are first killed
// while the leader is still a zombie, as then nobody else can have its number.
func (p *Process) finish(pidfd int) (Exit, error) {
	l := leader{pid: p.pid, born: p.born, cgroup: p.cgroup, numbers: true, scans: &p.engine.scans}
	remain := l.endRest(time.Now().Add(killPatience))
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

// A leader is one that has ended. What it has left is told by its cgroup, by the
// variable that the shim gave it and its children, and, if numbers can be
// relied on (nobody else can have had its pid since), by session and group.
type leader struct {
	pid     int
	born    uint64
	cgroup  *cgroup
	numbers bool
	scans   *scans
}

// envLeader marks the children of an instance, also those that leave its
// session; its value is that of no other process ever.
const envLeader = "SEGUE_LEADER"

func leaderMark(pid int, born uint64) string { return fmt.Sprintf("%s=%d-%d", envLeader, pid, born) }

// endRest kills what the leader has left and returns when that is gone.
func (l leader) endRest(deadline time.Time) error {
	for {
		if s, err := readStat(l.pid); err == nil && identity(s.start) != l.born {
			l.numbers = false // somebody has its pid by now
		}
		left, err := l.survivors()
		if err != nil {
			return fmt.Errorf("look for what it left running: %w", err)
		}
		if len(left) == 0 {
			return nil
		}
		if l.numbers && slices.ContainsFunc(left, func(s stat) bool { return s.group == l.pid }) {
			_ = syscall.Kill(-l.pid, syscall.SIGKILL) // at once, so that none of them can fork in between
		}
		for _, s := range left {
			if err := killOne(s, deadline); err != nil {
				return err
			}
		}
	}
}

func (l leader) survivors() (left []stat, err error) {
	inside, mark := l.cgroup.pids(), leaderMark(l.pid, l.born)
	all, err := l.scans.all()
	for _, s := range all {
		if s.pid == l.pid || s.ended() || s.start < l.born&(1<<tickBits-1) {
			continue
		}
		if inside[s.pid] || l.numbers && (s.session == l.pid || s.group == l.pid) || s.mark() == mark {
			left = append(left, s.stat)
		}
	}
	return left, err
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
