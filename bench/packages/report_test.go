//go:build bench

package packages

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// How much is measured. SEGUE_BENCH=quick shows whether all works; what it
// prints proves nothing and is not written to README.md.
var (
	quick  = os.Getenv("SEGUE_BENCH") == "quick"
	rounds = setting("SEGUE_BENCH_ROUNDS", 5, 1)
	span   = time.Duration(setting("SEGUE_BENCH_SECONDS", 2, 1)) * time.Second
)

func setting(name string, usual, whenQuick int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	if quick {
		return whenQuick
	}
	return usual
}

// inTurn measures each once in every round, ours and the others alternately, so
// that what the machine does meanwhile hits them alike. It returns the figures
// of each by round.
func inTurn(t *testing.T, measure ...func(t *testing.T) float64) [][]float64 {
	t.Helper()
	got := make([][]float64, len(measure))
	for range rounds {
		for n, m := range measure {
			got[n] = append(got[n], m(t))
		}
	}
	return got
}

// median is the middle figure; that of an even number, the lower one.
func median(figures []float64) float64 {
	s := slices.Sorted(slices.Values(figures))
	return s[(len(s)-1)/2]
}

// quantile is the duration below which this part of all is; it sorts them.
func quantile(all []time.Duration, part float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(part*float64(len(all))))]
}

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
// bear its name. how says in a line what was done.
func write(t *testing.T, name, how string, tab table) {
	t.Helper()
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%s, %d CPUs, %s; load average %s. %d rounds of %v each, in turn; medians.\n%s\n\n%s", time.Now().Format(time.DateOnly), runtime.NumCPU(),
		runtime.Version(), strings.Fields(string(load))[0], rounds, span, how, tab.String())
	fmt.Printf("\n%s: %s\n", name, text)
	if quick {
		return
	}
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := bytes.Cut(data, fmt.Appendf(nil, "<!-- %s -->\n", name))
	_, tail, ok2 := bytes.Cut(rest, fmt.Appendf(nil, "<!-- end %s -->", name))
	if !ok || !ok2 {
		t.Fatalf("README.md has no place for %s", name)
	}
	data = fmt.Appendf(nil, "%s<!-- %s -->\n%s<!-- end %s -->%s", head, name, text, name, tail)
	if err := os.WriteFile("README.md", data, 0o644); err != nil {
		t.Fatal(err)
	}
}
