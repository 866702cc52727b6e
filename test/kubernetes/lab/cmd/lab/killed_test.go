//go:build kubernetes

package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAKilledLabLeavesNothing kills `lab up` and `lab run` at several moments. All
// that the lab was made of ends with them, and what is left on the disk is removed
// by the next command.
func TestAKilledLabLeavesNothing(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "lab")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("LAB", "killed")
	t.Setenv("SEGUE_LAB", "")
	l, err := open("killed")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		when string // a file of the lab that is there then
		args []string
	}{
		{"inner.log", []string{"up", "1"}},
		{"cp/etcd.log", []string{"up", "1"}},
		{"kn1/kubelet.log", []string{"up", "1"}},
		{"kn1/kubelet.log", []string{"run", "1", "--", "sleep", "600"}},
	} {
		cmd := exec.Command(bin, c.args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		wait(t, c.when+" is there", func() bool { _, err := os.Stat(l.file(c.when)); return err == nil })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		wait(t, "the lab's processes have ended", func() bool { return len(processes(t, l.Dir)) == 0 })
		if out, err := exec.Command(bin, "down").CombinedOutput(); err != nil {
			t.Fatalf("lab down: %v\n%s", err, out)
		}
		if _, err := os.Stat(l.Dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the lab's folder is left: %v", err)
		}
		if left, _ := filepath.Glob("/sys/fs/cgroup/*/" + l.cgroup()); len(left) > 0 {
			t.Errorf("control groups are left: %v", left)
		}
	}
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain until ", what)
		}
	}
}

// processes are those whose command line has the text.
func processes(t *testing.T, text string) (found []string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if data, err := os.ReadFile(name); err == nil && strings.Contains(string(data), text) {
			found = append(found, strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return found
}
