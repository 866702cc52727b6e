//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seguehq/segue/test/harness"
)

// A table is rows of cells; the first is its head.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// String is the table in Markdown, aligned so that it reads on a terminal too.
func (t *table) String() string {
	var width []int
	for _, r := range t.rows {
		for i, c := range r {
			if i == len(width) {
				width = append(width, 3)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var s strings.Builder
	line := func(cells []string, fill string) {
		for i, c := range cells {
			fmt.Fprintf(&s, "| %s%s ", c, strings.Repeat(fill, width[i]-utf8.RuneCountInString(c)))
		}
		s.WriteString("|\n")
	}
	for n, r := range t.rows {
		line(r, " ")
		if n == 0 {
			line(make([]string, len(r)), "-")
		}
	}
	return s.String()
}

// write prints a table, and puts it into README.md between the comments that
// bear its name.
func write(t *testing.T, name, how string, tab table, list []peer) {
	t.Helper()
	text := fmt.Sprintf("%s\n%s\n\n%s", measured(list), how, tab.String())
	fmt.Printf("\n%s: %s\n", name, text)
	if quick || partial() {
		return
	}
	path := filepath.Join(harness.Root(), "bench", "README.md")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(data, fmt.Appendf(nil, "<!-- %s -->\n", name))
	_, tail, ok2 := bytes.Cut(rest, fmt.Appendf(nil, "<!-- end %s -->", name))
	if !ok || !ok2 {
		t.Fatalf("%s has no place for %s", path, name)
	}
	data = fmt.Appendf(nil, "%s<!-- %s -->\n%s<!-- end %s -->%s", head, name, text, name, tail)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// partial tells whether less is measured than README.md promises.
func partial() bool {
	return os.Getenv("SEGUE_BENCH_PEERS") != "" || os.Getenv("SEGUE_BENCH_SCENARIO") != "" || profilePath() != ""
}

// measured tells when and on what.
func measured(list []peer) string {
	s := fmt.Sprintf("%s, commit %s; %s, %d CPUs, Linux %s, %s; load average before the run %s, now %s.%s\n", time.Now().Format(time.DateOnly),
		commit(), cpuModel(), runtime.NumCPU(), first("/proc/sys/kernel/osrelease"), runtime.Version(), loadBefore, first("/proc/loadavg"), disturbed())
	var about []string
	for _, p := range list {
		if a := p.about(); a != "" {
			about = append(about, p.name+": "+a)
		}
	}
	if len(about) > 0 {
		s += strings.Join(about, "; ") + ".\n"
	}
	return s
}

var loadBefore = first("/proc/loadavg")

// disturbed warns when the machine was not ours alone to begin with.
func disturbed() string {
	if load, err := strconv.ParseFloat(loadBefore, 64); err == nil && load > 1 {
		return "\n**The machine was doing other work as well: measure again before believing it.**"
	}
	return ""
}

func commit() string {
	cmd := exec.Command("git", "describe", "--always", "--dirty")
	cmd.Dir = harness.Root()
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func first(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(data) + " ?")[0]
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

func spread(v []float64, show func(float64) string) string {
	if len(v) == 0 {
		return ""
	}
	return show(slices.Min(v)) + " … " + show(slices.Max(v))
}

func thousands[T int | float64](v T) string {
	n := int64(v)
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(float64(n/1000)), n%1000)
}

func whole(v float64) string { return fmt.Sprintf("%.0f", v) }

func mib(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }
