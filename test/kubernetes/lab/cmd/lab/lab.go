package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The addresses. Each lab has a network namespace of its own, so that all labs
// can have the same.
const (
	apiAddress      = "10.99.0.1" // the control plane; node I is 10.99.0.(10+I)
	registryAddress = apiAddress + ":5000"
	podRange        = "10.244.0.0/16" // node I has 10.244.I.0/24
	serviceRange    = "10.96.0.0/16"
	apiService      = "10.96.0.1"
	dnsService      = "10.96.0.10"
	mostNodes       = 9
)

// A Lab is one cluster, and what lab.json in its folder tells of it. The Go
// harness of test/kubernetes reads that file, too.
type Lab struct {
	Dir        string `json:"dir"`
	Bin        string `json:"bin"`   // folder of the binaries
	Nodes      int    `json:"nodes"` // kn1..
	Kubeconfig string `json:"kubeconfig"`
	Registry   string `json:"registry"` // HOST:PORT, as images are named

	PID     int          `json:"pid"`     // of the process that all others end with
	Started uint64       `json:"started"` // its start, in clock ticks since boot: a pid is used again
	Cgroups []cgroupRoot `json:"cgroups"`
	Ready   bool         `json:"ready"`

	leash *os.File // ends the lab when this process ends
}

// cache is the folder of everything that outlives a lab.
func cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w; set XDG_CACHE_HOME", err)
	}
	return filepath.Join(dir, "segue-lab"), nil
}

// open finds the lab of that name, whether it is up or not; "" is the one that this
// process was started for (`run`, `exec`), or else the default one.
func open(name string) (*Lab, error) {
	if dir := os.Getenv("SEGUE_LAB"); name == "" && dir != "" {
		return load(dir)
	}
	if name == "" {
		name = "default"
	}
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return nil, fmt.Errorf("LAB is %q; use small letters, digits and dashes", name)
	}
	dir, err := cache()
	if err != nil {
		return nil, err
	}
	return load(filepath.Join(dir, "labs", name))
}

func load(dir string) (*Lab, error) {
	l := &Lab{Dir: dir}
	data, err := os.ReadFile(l.file("lab.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, l); err != nil {
		return nil, fmt.Errorf("%s: %w; `lab down` removes it", l.file("lab.json"), err)
	}
	l.Dir = dir
	return l, nil
}

// save writes lab.json, whole or not at all.
func (l *Lab) save() error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	temp := l.file("lab.json.new")
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, l.file("lab.json"))
}

func (l *Lab) file(names ...string) string {
	return filepath.Join(append([]string{l.Dir}, names...)...)
}

// Hyper is the binary that holds Kubernetes.
func (l *Lab) Hyper() string { return filepath.Join(l.Bin, "hyper") }

// cgroup is the name of the lab's control groups: nobody else's, also of another
// user or cache folder.
func (l *Lab) cgroup() string {
	h := fnv.New32a()
	h.Write([]byte(l.Dir))
	return fmt.Sprintf("segue-lab-%s-%08x", filepath.Base(l.Dir), h.Sum32())
}

// alive reports whether the lab's first process is there.
func (l *Lab) alive() bool {
	if l.PID == 0 {
		return false
	}
	started, err := startTime(l.PID)
	return err == nil && started == l.Started
}

// startTime is field 22 of proc_pid_stat(5). A zombie has none: it has ended.
func startTime(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return 0, fs.ErrNotExist
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// hold keeps other commands from bringing this lab up or down meanwhile.
func (l *Lab) hold() (release func(), err error) {
	if err := os.MkdirAll(l.Dir, 0o755); err != nil {
		return nil, err
	}
	return lockFile(l.Dir + ".lock")
}

func lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return func() { f.Close() }, nil
}

// killed kills a process and waits until it is gone.
func killed(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR) && time.Now().Before(deadline):
		case err != nil:
			return fmt.Errorf("wait for process %d: %w", pid, err)
		case n == 0:
			return fmt.Errorf("process %d does not end, 30 s after SIGKILL", pid)
		default:
			return nil
		}
	}
}
