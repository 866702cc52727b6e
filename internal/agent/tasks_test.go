package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The logs of old tasks go, the newest stay, and those of instances are not
// taken for one, whatever the service is called.
func TestDropTaskLogs(t *testing.T) {
	s := &service{a: &Agent{o: Options{State: t.TempDir()}}, name: "hook-run"}
	write := func(name string, age time.Duration) {
		t.Helper()
		path := s.logFile(name)
		at := time.Now().Add(-age)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for n := range taskLogsKept + 3 {
		write(fmt.Sprintf("hook-%d-smoke", n), time.Duration(n)*time.Minute)
	}
	write("hook-run-1.1", 100*time.Hour)
	if err := s.dropTaskLogs(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(s.logFile("*"))
	if err != nil || len(left) != taskLogsKept+1 {
		t.Errorf("%d are left, %v", len(left), err)
	}
	for _, name := range []string{"hook-run-1.1", "hook-0-smoke"} {
		if _, err := os.Stat(s.logFile(name)); err != nil {
			t.Error(err)
		}
	}
}
