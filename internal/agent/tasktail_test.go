package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is told of a log: what comes after the beginning, of much the last, and
// also a line without an end. An error has the last lines of this run alone.
func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	told := func(line string) { got = append(got, line) }
	write("of the run before\n")
	x := tailOf(path)
	write("one\n\ntw")
	x.tell(told)
	write("o\nthree\n")
	x.tell(told)
	if !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("told %q", got)
	}
	if s := x.String(); s != "; last in its log:\n    one\n    two\n    three" {
		t.Errorf("%q", s)
	}
	got = nil
	for n := range 20 {
		write(fmt.Sprintf("line %d\n", n))
	}
	write(strings.Repeat("x", tailWidth+100))
	done := make(chan struct{})
	close(done)
	x.tellUntil(t.Context(), done, told)
	if len(got) != tailLines+1 || got[0] != "line 15" || len(got[tailLines]) != tailWidth {
		t.Errorf("told %q", got)
	}
	if s := x.String(); strings.Count(s, "\n") != tailLast || !strings.Contains(s, "line 13\n") || strings.Contains(s, "line 12\n") {
		t.Errorf("%q", s)
	}
	if s := tailOf(filepath.Join(t.TempDir(), "none")).String(); s != "; it wrote nothing" {
		t.Errorf("%q", s)
	}
}
