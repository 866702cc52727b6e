package process

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Exit tells how a process ended.
type Exit struct {
	Known  bool           // false: somebody else has waited for it, and this kernel does not tell
	Code   int            // exit status, if Signal is 0
	Signal syscall.Signal // what killed it, or 0
	Core   bool           // a core was dumped
	Forced bool           // Stop has sent it SIGKILL
	OOM    bool           // the kernel killed something in its cgroup for want of memory
	At     time.Time      // when we learned of it; zero: it has not ended
}

// OK reports whether it is known to have ended with status 0.
func (x Exit) OK() bool { return x.Known && x.Signal == 0 && x.Code == 0 }

// String is for people: "exit status 3", "killed by SIGKILL (out of memory)".
func (x Exit) String() string {
	if x.At.IsZero() {
		return "still running"
	}
	var s string
	switch {
	case !x.Known:
		s = "ended, exit status not known"
	case x.Signal != 0:
		s = "killed by " + SignalName(x.Signal)
	default:
		s = fmt.Sprintf("exit status %d", x.Code)
	}
	switch {
	case x.OOM:
		s += " (out of memory: it reached its limit)"
	case x.Signal == syscall.SIGKILL && x.Forced:
		s += " (by Segue, as it had not ended in time)"
	case x.Signal == syscall.SIGKILL:
		s += " (by somebody else, or the machine is out of memory: see dmesg)"
	case x.Core:
		s += " (core dumped)"
	case x.Known && x.Signal == 0 && x.Code > 128 && x.Code <= 128+64:
		s += " (a shell's way to say: killed by " + SignalName(syscall.Signal(x.Code-128)) + ")"
	}
	return s
}

// reap takes the status of an ended child. known is false if it is not a child
// of ours, or somebody else has waited for it.
func reap(pidfd int) (x Exit) {
	var info struct { // siginfo_t for SIGCHLD, 64-bit
		signo, errno, code, _ int32
		pid, uid, status      int32
		_                     [100]byte
	}
	for {
		err := unix.Waitid(unix.P_PIDFD, pidfd, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || info.pid == 0 {
			return Exit{}
		}
		break
	}
	const exited, dumped = 1, 3
	if info.code == exited {
		return Exit{Known: true, Code: int(info.status)}
	}
	return Exit{Known: true, Signal: syscall.Signal(info.status), Core: info.code == dumped}
}

// askKernel learns the status of an ended process that is not our child: from
// /proc until its parent has reaped it, and from the pidfd after that, where
// Linux 6.15 and later keep it.
func askKernel(pidfd, pid int, born uint64) Exit {
	s, err := readStat(pid)
	if err == nil && identity(s.start) == born && mayReadExit(pid) {
		return exitOf(s.exit)
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if unix.IoctlPidfdInfo(pidfd, &info) == nil && info.Mask&unix.PIDFD_INFO_EXIT != 0 {
		return exitOf(int(info.Exit_code))
	}
	return Exit{}
}

// mayReadExit: to others the kernel shows a status of 0.
func mayReadExit(pid int) bool {
	var st unix.Stat_t
	me := os.Geteuid()
	return me == 0 || unix.Stat("/proc/"+strconv.Itoa(pid), &st) == nil && int(st.Uid) == me
}

func exitOf(status int) Exit {
	ws := syscall.WaitStatus(status)
	if ws.Signaled() {
		return Exit{Known: true, Signal: ws.Signal(), Core: ws.CoreDump()}
	}
	return Exit{Known: true, Code: ws.ExitStatus()}
}

// pollFD waits in the kernel until one of the events, or an error, is there.
func pollFD(fd int, events int16, patience time.Duration) bool {
	deadline := time.Now().Add(patience)
	for {
		left := max(time.Until(deadline), 0)
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, int(left.Milliseconds()))
		if err == unix.EINTR && left > 0 {
			continue
		}
		return n > 0
	}
}
