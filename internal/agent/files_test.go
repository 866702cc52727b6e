package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestWriteJSON(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "env", "web")
	path := filepath.Join(dir, "1.json")
	for _, v := range []map[string]string{{"A": "a longer value, which is written first"}, {"A": "1"}} {
		if err := writeJSON(path, v); err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, &got)
		}
		if err != nil || got["A"] != v["A"] {
			t.Errorf("%s %v", data, err)
		}
	}
	for _, name := range []string{path, dir} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestWriteJSONFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "taken", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(filepath.Join(dir, "taken"), 1); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("%v", err)
	}
	if err := writeJSON(filepath.Join(dir, "x"), make(chan int)); err == nil {
		t.Error("a channel is written")
	}
	names, _ := filepath.Glob(filepath.Join(dir, ".*"))
	if len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}

// A reader sees one version or the other, and never half of one.
func TestWriteJSONAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	if err := writeJSON(path, ""); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		group.Go(func() {
			for {
				var v string
				data, err := os.ReadFile(path)
				if err == nil {
					err = json.Unmarshal(data, &v)
				}
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := range 30 {
		if err := writeJSON(path, strings.Repeat(fmt.Sprint(n), 1000*(30-n))); err != nil {
			t.Error(err)
		}
	}
	close(done)
	group.Wait()
}

func TestLockState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	lock, err := lockState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := lockState(dir); err == nil || !strings.Contains(err.Error(), "another agent is running there") {
		t.Errorf("%v", err)
	}
	lock.Close()
	lock, err = lockState(dir)
	if err != nil {
		t.Fatalf("the lock of one that has ended: %v", err)
	}
	lock.Close()
	if _, err := lockState("/proc/segue"); err == nil || !strings.Contains(err.Error(), "choose another with --state") {
		t.Errorf("%v", err)
	}
}
