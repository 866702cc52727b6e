package crash_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// A death is when a process was killed, and by when it had let go of its connections.
type death struct{ from, to time.Time }

// kills ends a process at once, and returns when it is dead: there as a zombie at
// most, which has no files.
func kills(w *harness.World, pid int) death {
	w.T.Helper()
	d := death{from: time.Now()}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.T.Fatal(err)
	}
	w.Until("the killed process is dead", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.HasPrefix(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " Z")
	})
	d.to = time.Now()
	return d
}

// cut are the ways in which a connection is seen to have been cut.
var cut = []drill.Class{drill.ResetBeforeResponse, drill.ResetInResponse, drill.EOFReused, drill.EOFFresh, drill.Truncated}

// onlyInFlight fails the test unless every lost request had its connection cut by
// one of the deaths: it was opened before and in use, or used again, after. How many
// these are depends on how many the machine lets pile up.
func onlyInFlight(t *testing.T, r *drill.Result, deaths []death) {
	t.Helper()
	t.Logf("%s", r.Verdict())
	if r.FailuresCut > 0 {
		t.Errorf("%d failures are not told in detail", r.FailuresCut)
	}
	for n, f := range r.Failures {
		opened, ended := f.Time.Add(-f.ConnAge), f.Time.Add(f.Took)
		excused := slices.ContainsFunc(deaths, func(d death) bool { return !opened.After(d.to) && !ended.Before(d.from) })
		if !excused || !slices.Contains(cut, f.Class) {
			t.Errorf("lost, and it was not in flight at any of %v: %+v", deaths, f)
			if n > 20 {
				return
			}
		}
	}
}
