package check

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A proc is a process as /proc shows it. The start time tells it from a later
// one of the same number.
type proc struct {
	pid, parent, session int
	state                byte
	start                uint64 // clock ticks since boot
}

func (p proc) alive() bool { return p.state != 'Z' && p.state != 'X' }

func readProc(pid int) (proc, error) { return readStat(pid, fmt.Sprintf("/proc/%d/stat", pid)) }

// readStat reads proc_pid_stat(5), of a process or of one of its threads. The
// command's name may contain anything, so it is skipped by the last parenthesis.
func readStat(pid int, file string) (proc, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return proc{}, err
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 20 {
		return proc{}, fmt.Errorf("%s: malformed", file)
	}
	p := proc{pid: pid, state: f[0][0]}
	p.parent, _ = strconv.Atoi(string(f[1]))
	p.session, _ = strconv.Atoi(string(f[3]))
	p.start, err = strconv.ParseUint(string(f[19]), 10, 64)
	return p, err
}

// processes are all that there are now.
func processes() map[int]proc {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	all := make(map[int]proc, len(dirs))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if p, err := readProc(pid); err == nil { // else it has ended meanwhile
			all[pid] = p
		}
	}
	return all
}

func argv(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == 0 })
}

// marked reports whether the process was started with this variable. Some
// programs overwrite their environment, so a no proves nothing.
func marked(pid int, variable string) bool { return slices.Contains(environ(pid), variable) }

func environ(pid int) []string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return strings.Split(string(b), "\x00")
}

// A disposition is what a process does about signals, a bit for each
// (proc_pid_status(5)).
type disposition struct{ caught, ignored, blocked, pending uint64 }

func has(mask uint64, s syscall.Signal) bool { return mask&(1<<(s-1)) != 0 }

// readDisposition reads that of the first thread. What is pending for the whole
// process counts as pending.
func readDisposition(pid int) (disposition, error) {
	var d disposition
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return d, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		mask := map[string]*uint64{"SigCgt": &d.caught, "SigIgn": &d.ignored, "SigBlk": &d.blocked, "SigPnd": &d.pending, "ShdPnd": &d.pending}[name]
		if mask == nil {
			continue
		}
		bits, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			return d, fmt.Errorf("/proc/%d/status: %s: %w", pid, name, err)
		}
		*mask |= bits
	}
	return d, nil
}

// fetchesSignals reports whether the first thread waits for signals now
// (proc_pid_syscall(5), rt_sigtimedwait(2)). Which ones is not known.
func fetchesSignals(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	number, _, _ := strings.Cut(string(b), " ")
	return number == strconv.Itoa(unix.SYS_RT_SIGTIMEDWAIT)
}

// comm is the process's name for itself.
func comm(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(b))
}

// describe names a process for a person.
func describe(pid int) string {
	name := comm(pid)
	if name == "" {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("%s (%d)", name, pid)
}

func describeAll(pids []int) string {
	var names []string
	for _, pid := range pids {
		names = append(names, describe(pid))
	}
	return strings.Join(names, ", ")
}

// firstOfNamespace reports whether it is PID 1 of a PID namespace
// (pid_namespaces(7)).
func firstOfNamespace(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(b)) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			f := strings.Fields(ids)
			return len(f) > 0 && f[len(f)-1] == "1"
		}
	}
	return false
}
