package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// A cgroup bounds one instance. A nil one bounds nothing, and all its methods
// may be called. Memory and cpu are two folders where the controllers have
// hierarchies of their own (version 1), and the same one otherwise.
type cgroup struct{ memory, cpu place }

// A place is a folder of a cgroup file system; the zero value is none.
type place struct {
	dir string
	v2  bool
}

func (p place) write(file, value string) error {
	return os.WriteFile(filepath.Join(p.dir, file), []byte(value), 0)
}

// cgroupName ends in what identifies the process, so that a later agent finds
// the cgroup of a process that it knows from its journal.
func cgroupName(id string, pid int, born uint64) string {
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == '/' {
			return '_'
		}
		return r
	}, id)
	return cgroupPrefix + clean + cgroupSuffix(pid, born)
}

const cgroupPrefix = "segue-"

func cgroupSuffix(pid int, born uint64) string { return fmt.Sprintf("-%d-%d", pid, born) }

// make creates the cgroup, sets the limits and moves the process into it.
func (h *hierarchy) make(name string, l deploy.Limits, pid int) (*cgroup, error) {
	cg := &cgroup{memory: h.memory.child(name), cpu: h.cpu.child(name)}
	if err := cg.set(l, pid); err != nil {
		_ = cg.remove()
		return nil, fmt.Errorf("set its limits: %w", mendCgroup(err))
	}
	return cg, nil
}

func (p place) child(name string) place {
	if p.dir == "" {
		return p
	}
	return place{filepath.Join(p.dir, name), p.v2}
}

func (cg *cgroup) set(l deploy.Limits, pid int) error {
	for _, p := range cg.places() {
		if err := os.Mkdir(p.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if l.Memory > 0 {
		if err := cg.memory.limitMemory(l.Memory); err != nil {
			return fmt.Errorf("memory %d bytes: %w", l.Memory, err)
		}
	}
	if l.CPU > 0 {
		if err := cg.cpu.limitCPU(l.CPU); err != nil {
			return fmt.Errorf("cpu %g cores: %w", l.CPU, err)
		}
	}
	for _, p := range cg.places() {
		if err := p.write("cgroup.procs", strconv.Itoa(pid)); err != nil {
			return err
		}
	}
	return nil
}

// limitMemory bounds memory and swap together: an instance that swaps is slow
// for everybody on the machine. The files for swap are missing where the kernel
// does not account for it.
func (p place) limitMemory(bytes int64) error {
	limit, swap, max := "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", strconv.FormatInt(bytes, 10)
	noswap := max
	if p.v2 {
		limit, swap, noswap = "memory.max", "memory.swap.max", "0"
		if err := p.write("memory.oom.group", "1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := p.write(limit, max); err != nil {
		return err
	}
	if err := p.write(swap, noswap); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

func (p place) limitCPU(cores float64) error {
	const period, least = 100_000, 1_000 // microseconds; the kernel's least quota
	quota := max(int64(cores*period), least)
	if p.v2 {
		return p.write("cpu.max", fmt.Sprintf("%d %d", quota, period))
	}
	if err := p.write("cpu.cfs_period_us", strconv.Itoa(period)); err != nil {
		return err
	}
	return p.write("cpu.cfs_quota_us", strconv.FormatInt(quota, 10))
}

// places lists the folders, each once.
func (cg *cgroup) places() []place {
	var all []place
	if cg == nil {
		return nil
	}
	if cg.memory.dir != "" {
		all = append(all, cg.memory)
	}
	if cg.cpu.dir != "" && cg.cpu.dir != cg.memory.dir {
		all = append(all, cg.cpu)
	}
	return all
}

// pids lists who is in it.
func (cg *cgroup) pids() map[int]bool {
	in := make(map[int]bool)
	for _, p := range cg.places() {
		b, _ := os.ReadFile(filepath.Join(p.dir, "cgroup.procs"))
		for f := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil {
				in[pid] = true
			}
		}
	}
	return in
}

// oomKilled reports whether the kernel has killed in it for want of memory.
func (cg *cgroup) oomKilled() bool {
	if cg == nil || cg.memory.dir == "" {
		return false
	}
	if cg.memory.v2 {
		return cg.memory.counter("memory.events", "oom_kill") > 0
	}
	return cg.memory.counter("memory.oom_control", "oom_kill") > 0
}

// counter reads one value of a file of "name value" lines; 0 if it isn't there.
func (p place) counter(file, name string) int64 {
	b, _ := os.ReadFile(filepath.Join(p.dir, file))
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == name {
			n, _ := strconv.ParseInt(v, 10, 64)
			return n
		}
	}
	return 0
}

// remove removes the empty cgroup. The kernel may find it busy for a moment
// after its last process has ended.
func (cg *cgroup) remove() error {
	var errs []error
	for _, p := range cg.places() {
		err := os.Remove(p.dir)
		for try := 0; errors.Is(err, errBusy) && try < 100; try++ {
			time.Sleep(10 * time.Millisecond)
			err = os.Remove(p.dir)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove its cgroup: %w", err))
		}
	}
	return errors.Join(errs...)
}
