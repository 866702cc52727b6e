package process

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	shimName = "segue:gate" // argv[0]: what ps shows until the command runs
	shimArg  = "_instance"
)

// neverRan is the status of a shim whose gate was never opened. Nobody reads it
// but people: whoever prepared the process is dead, or has given it up.
const neverRan = 125

// Shim is the closed gate of one instance; main calls it, first thing, when
// os.Args[1] is "_instance", and exits with what it returns. It waits for its
// order on an inherited pipe and becomes the user's command, or returns when
// the pipe ends first: whoever started it is gone, and does not know of it.
func Shim() int {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "segue _instance is started by the agent only")
		return 2
	}
	sockets, err := strconv.Atoi(os.Args[2])
	if err != nil || sockets < 0 {
		return 2
	}
	first := 3 + sockets
	in, out := os.NewFile(uintptr(first), "gate"), os.NewFile(uintptr(first+1), "status")
	if _, err := out.Stat(); err != nil {
		fmt.Fprintln(os.Stderr, "segue _instance is started by the agent only")
		return 2
	}
	hideFrom(first)
	o, err := readOrder(in)
	if err != nil {
		return neverRan
	}
	fail := func(err error) int {
		_, _ = out.WriteString(err.Error())
		return 126
	}
	// Nobody may be reading any more. The agent recorded our pid before it sent
	// the order, so the next one will find us: go on.
	_, _ = out.WriteString("+")
	if err := os.Chdir(o.Dir); err != nil {
		return fail(fmt.Errorf("working directory: %w", err))
	}
	path, err := lookup(o.Argv[0], o.Dir, o.Env)
	if err != nil {
		return fail(err)
	}
	env, err := finalEnv(o, sockets)
	if err != nil {
		return fail(err)
	}
	freshSignals()
	unix.Umask(0o022)
	err = syscall.Exec(path, o.Argv, env) // gives back the NOFILE limit that Go raised
	return fail(explainExec(path, o, err))
}

// hideFrom marks all descriptors from first on close-on-exec: our pipes, and
// whatever the agent itself inherited from a careless parent.
func hideFrom(first int) {
	err := unix.CloseRange(uint(first), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return
	}
	names, _ := os.ReadDir("/proc/self/fd") // Linux before 5.11
	for _, n := range names {
		if fd, err := strconv.Atoi(n.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
}

// finalEnv adds what only the process itself can know: the mark by which its
// children are found, and LISTEN_PID, which must be the program's own pid.
func finalEnv(o order, sockets int) ([]string, error) {
	pid := os.Getpid()
	st, err := readStat(pid)
	if err != nil {
		return nil, err
	}
	env := setenv(o.Env, leaderMark(pid, identity(st.start)))
	if sockets > 0 {
		env = setenv(env, "LISTEN_FDS="+strconv.Itoa(sockets), "LISTEN_PID="+strconv.Itoa(pid), "LISTEN_FDNAMES="+o.Names)
	}
	return env, nil
}

// freshSignals unblocks all signals and undoes inherited ignoring, of which
// exec keeps both: an agent started with nohup, or in the background of a
// script, would otherwise have instances that do not hear SIGINT or SIGHUP.
// The thread stays locked, as the mask is the thread's.
func freshSignals() {
	runtime.LockOSThread()
	const ignored = 1
	for sig := uintptr(1); sig <= 64; sig++ {
		var old, dfl [4]uint64 // struct sigaction of the kernel: handler first
		if sigaction(sig, nil, &old) == 0 && old[0] == ignored {
			sigaction(sig, &dfl, nil)
		}
	}
	var none unix.Sigset_t
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &none, nil)
}

func sigaction(sig uintptr, set, old *[4]uint64) syscall.Errno {
	_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig,
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	return e
}
