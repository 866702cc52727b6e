package kubelab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seguehq/segue/test/harness"
)

// A Lab is the cluster that is up, as lab.json in its folder tells.
type Lab struct {
	Dir        string `json:"dir"`
	Bin        string `json:"bin"`
	Nodes      int    `json:"nodes"`
	Kubeconfig string `json:"kubeconfig"` // of the admin
	Registry   string `json:"registry"`   // HOST:PORT, plain HTTP, where nodes pull from
	PID        int    `json:"pid"`
	Ready      bool   `json:"ready"`
}

// outsideFD names the environment's variable with the number of an open file: the
// network that this process was started in.
const outsideFD = "SEGUE_LAB_OUTSIDE"

// Main runs a package's tests in the network of the lab's control plane, in which
// the API server, the registry, pods and Services are reached, and nothing else.
// Call it from TestMain. Without a lab the tests fail, and say how to get one.
func Main(m *testing.M) {
	if err := enter(); err != nil {
		fmt.Fprintln(os.Stderr, "kubelab:", err)
		os.Exit(1)
	}
	harness.Main(m)
}

// enter has this process begin again inside, unless it is there.
func enter() error {
	if _, err := outside(); err == nil {
		return nil
	}
	lab, err := find()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY, 0) // stays open for the next program
	if err != nil {
		return fmt.Errorf("open this network: %w", err)
	}
	if err := join(lab.Network("cp")); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), fmt.Sprint(outsideFD, "=", here), "SEGUE_LAB="+lab.Dir))
}

// find finds the lab: that of $SEGUE_LAB, or the default one.
func find() (Lab, error) {
	dir := os.Getenv("SEGUE_LAB")
	if dir == "" {
		caches, err := os.UserCacheDir()
		if err != nil {
			return Lab{}, err
		}
		dir = filepath.Join(caches, "segue-lab", "labs", "default")
	}
	var lab Lab
	data, err := os.ReadFile(filepath.Join(dir, "lab.json"))
	if err == nil {
		err = json.Unmarshal(data, &lab)
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !lab.Ready {
		return Lab{}, fmt.Errorf("no lab is up in %s: `make test-kubernetes` brings one up for all tests, `make lab` one to stay", dir)
	}
	return lab, err
}

// Network is the file that stands for a network: "cp" for the control plane's,
// "kn1" and so on for that of a node.
func (l Lab) Network(place string) string {
	if place == "cp" {
		return fmt.Sprintf("/proc/%d/ns/net", l.PID)
	}
	return filepath.Join(fmt.Sprintf("/proc/%d/root/run/netns", l.PID), place)
}

// Hyper is the binary of all of Kubernetes, kubectl among it: its first argument
// says which part.
func (l Lab) Hyper() string { return filepath.Join(l.Bin, "hyper") }

// Outside calls f, and what it starts, in the network that the tests were started in,
// as a build does that may have to download. f must not start goroutines that
// need it, too.
func Outside(t testing.TB, f func()) {
	t.Helper()
	fd, err := outside()
	if err != nil {
		t.Fatal("kubelab: TestMain must call kubelab.Main: ", err)
	}
	within(t, fmt.Sprint("/proc/self/fd/", fd), f)
}

func outside() (int, error) {
	fd, err := strconv.Atoi(os.Getenv(outsideFD))
	if err != nil {
		return 0, err
	}
	unix.CloseOnExec(fd)
	return fd, nil
}

// within calls f with its thread in another network.
func within(t testing.TB, network string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	if err := join(network); err != nil {
		t.Fatal(err)
	}
	defer func() { // also when f has failed the test
		if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Errorf("leave network %s: %v", network, err) // the thread stays locked, and ends with its goroutine
			return
		}
		runtime.UnlockOSThread()
	}()
	f()
}

func join(network string) error {
	f, err := os.Open(network)
	if err != nil {
		return fmt.Errorf("%w; has the lab ended?", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network %s: %w; only root may", network, err)
	}
	return nil
}
