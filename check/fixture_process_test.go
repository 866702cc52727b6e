package check

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// How the fixture is as a process: its start, its sockets, its children, its end.

// fixtureStarts is how long a slow fixture takes before it listens.
const fixtureStarts = 400 * time.Millisecond

func (f *fixture) begin() error {
	if f.faults["start-loses-signal"] {
		signal.Ignore(syscall.SIGTERM) // until its first request
	}
	if f.faults["start-loses-signal"] || f.faults["start-slow"] {
		time.Sleep(fixtureStarts)
	}
	if f.faults["starts-once"] {
		if err := os.Mkdir(filepath.Join(os.Getenv("FIXTURE_DIR"), os.Getenv("PORT")), 0o700); err != nil {
			return err
		}
	}
	var err error
	if f.listener, err = f.listen(); err != nil {
		return err
	}
	return f.beget()
}

// supervise starts the fixture as a child, passes every signal on, and exits as
// it does. A shell cannot do that at every moment: what reaches its child between
// fork and exec is lost.
func supervise(faults []string) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fixtureVariable+"="+strings.Join(faults, ","))
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		for s := range signals {
			_ = child.Process.Signal(s)
		}
	}()
	_ = child.Wait()
	return max(child.ProcessState.ExitCode(), 0)
}

// listen takes the socket that it inherits, if there is one (sd_listen_fds(3)).
func (f *fixture) listen() (net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") != "1" || f.faults["no-activation"] {
		return net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	}
	file := os.NewFile(3, "listener")
	if file == nil {
		return nil, errors.New("there is no descriptor 3")
	}
	defer file.Close()
	return net.FileListener(file)
}

// beget starts a child that stays.
func (f *fixture) beget() error {
	if !f.faults["leaves-child"] && !f.faults["leaves-listener"] {
		return nil
	}
	child := exec.Command("sleep", "60")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if f.faults["leaves-listener"] {
		file, err := f.listener.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		defer file.Close()
		child.ExtraFiles = []*os.File{file}
		defer syscall.SetNonblock(int(file.Fd()), true) // which it was, and is for both
	}
	if err := child.Start(); err != nil {
		return err
	}
	return f.tellPids(child.Process.Pid)
}

// tellPids writes its own number and its child's to a file, if nobody has.
func (f *fixture) tellPids(child int) error {
	name := os.Getenv("FIXTURE_PIDS")
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintln(file, os.Getpid(), child)
	return err
}

// handleSignals installs the handler: as it should be before the first request,
// or with it.
func (f *fixture) handleSignals(signals chan<- os.Signal) {
	notify := sync.OnceFunc(func() { signal.Notify(signals, syscall.SIGTERM) })
	f.late = func() {}
	switch {
	case f.faults["class-none"]:
	case f.faults["start-loses-signal"]:
		f.late = notify
	default:
		notify()
	}
}

func (f *fixture) secondSignal(signals <-chan os.Signal) {
	<-signals
	switch {
	case f.faults["second-hurries"]:
		os.Exit(0)
	case f.faults["second-hangs"]:
		f.done.Add(1) // which nobody does
	}
}

func (f *fixture) exitCode(code int) int {
	switch {
	case f.faults["exits-1"]:
		return 1
	case f.faults["exits-143"]:
		return 128 + int(syscall.SIGTERM)
	case f.faults["ends-itself"]:
		time.Sleep(handlesFor) // or it could not be told from a Go program without a handler
		signal.Reset(syscall.SIGTERM)
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		time.Sleep(time.Minute)
	case f.faults["ends-by-another"]:
		byDefault(syscall.SIGHUP)
		_ = syscall.Kill(os.Getpid(), syscall.SIGHUP)
		time.Sleep(time.Minute)
	}
	return code
}

// byDefault gives a signal its default action, as signal.Reset does not if it was
// ignored when the program was started (nohup does that to SIGHUP).
func byDefault(s syscall.Signal) {
	var action struct{ handler, flags, restorer, mask uintptr } // SIG_DFL is 0
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}
