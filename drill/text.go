package drill

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"sort"
	"strings"
	"text/tabwriter"
)

// textFailures is how many failures the text report lists.
const textFailures = 8

// WriteText writes a compact report for a terminal: plain text, aligned,
// without colour.
func (r *Result) WriteText(w io.Writer) error {
	var b bytes.Buffer
	line := func(name, text string) { fmt.Fprintf(&b, "%-9s %s\n", name, text) }
	line("verdict", r.Verdict().String())
	line("answered", orNone(r.releaseWords()))
	if r.Lost+r.NotSent > 0 {
		line("lost", strings.Join(r.classList(), ", "))
	}
	if r.Retried > 0 {
		line("repeated", plural(r.Retried, "request")+", once, which the server had declared unprocessed (RFC 9113 §8.7)")
	}
	b.WriteString(r.latencyText())
	line("drill", r.drillWords())
	b.WriteString(r.failuresText())
	_, err := w.Write(b.Bytes())
	return err
}

func orNone(list []string) string { return cmp.Or(strings.Join(list, "   "), "none") }

func (r *Result) releaseWords() (list []string) {
	for _, name := range r.Releases {
		if name == releaseUnnamed {
			list = append(list, count(r.ByRelease[name])+" (no release named)")
			continue
		}
		list = append(list, fmt.Sprintf("release %s: %s", name, count(r.ByRelease[name])))
	}
	return list
}

// classList: "12 connection refused", most frequent first.
func (r *Result) classList() (list []string) {
	for _, c := range r.lostClasses() {
		list = append(list, count(r.ByClass[c])+" × "+c.Words())
	}
	return list
}

func (r *Result) lostClasses() (list []Class) {
	for _, c := range classes {
		if r.ByClass[c] > 0 {
			list = append(list, c)
		}
	}
	sort.SliceStable(list, func(i, k int) bool { return r.ByClass[list[i]] > r.ByClass[list[k]] })
	return list
}

// row of a table of latencies.
type row struct {
	Name string
	Count
	Latency
}

// rows are the phases, then the modes, then all.
func (r *Result) rows() (phases, byMode []row) {
	for _, p := range r.Phases {
		phases = append(phases, row{p.Name, p.Count, p.Latency})
	}
	for _, m := range modes {
		if s, has := r.ByMode[m]; has {
			byMode = append(byMode, row{m.Words(), s.Count, s.Latency})
		}
	}
	return phases, byMode
}

func (r *Result) latencyText() string {
	phases, byMode := r.rows()
	if len(byMode) == 1 {
		byMode = nil // the same as all
	}
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "p50\tp90\tp99\tp99.9\tmax\tsent\tlost\t\n")
	var names []string
	for _, row := range append(append(phases, byMode...), row{"all", r.Count, r.Latency}) {
		l := row.Latency
		names = append(names, row.Name)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", millis(l.P50), millis(l.P90), millis(l.P99), millis(l.P999), millis(l.Max), count(row.Sent), count(row.Lost))
	}
	t.Flush() // a bytes.Buffer does not fail
	return prefixed(b.String(), names)
}

// prefixed puts the names before the lines of a right-aligned table.
func prefixed(table string, names []string) string {
	width := 0
	for _, n := range names {
		width = max(width, len([]rune(n)))
	}
	var b strings.Builder
	for i, l := range strings.Split(strings.TrimRight(table, "\n"), "\n") {
		label, name := "", ""
		if i == 0 {
			label = "latency"
		} else {
			name = names[i-1]
		}
		fmt.Fprintf(&b, "%-9s %-*s%s\n", label, width, name, strings.TrimRight(l, " "))
	}
	return b.String()
}

// drillWords tells how well the drill itself did.
func (r *Result) drillWords() string {
	s := fmt.Sprintf("late by p50 %s, p99 %s, at most %s (contained in the latencies)",
		millis(r.Lateness.P50), millis(r.Lateness.P99), millis(r.Lateness.Max))
	if share := r.cpuShare(); share > 0 {
		s += fmt.Sprintf("; its process used %.0f %% of a core", share*100)
	}
	return s
}

func (r *Result) cpuShare() float64 {
	over := r.End.Sub(r.Start)
	if over <= 0 {
		return 0
	}
	return float64(r.Environment.CPU) / float64(over)
}

// failuresText explains each class once, and lists the first failures.
func (r *Result) failuresText() string {
	if len(r.Failures) == 0 {
		return ""
	}
	var b strings.Builder
	for _, why := range r.reasons() {
		fmt.Fprintf(&b, "\n%s × %s\n%s", why.Count, why.Class, wrap(why.Explain, 2, 100))
	}
	b.WriteString("\n")
	for _, f := range r.Failures[:min(textFailures, len(r.Failures))] {
		fmt.Fprintf(&b, "%9.3f s  %s %s: %s\n", f.At.Seconds(), f.Class.Words(), f.where(), f.Err)
	}
	if more := r.Lost + r.NotSent - textFailures; more > 0 {
		fmt.Fprintf(&b, "            … and %s more\n", count(more))
	}
	return b.String()
}

// where tells on what connection a request was lost.
func (f *Failure) where() string {
	parts := []string{f.Method + " " + f.Path}
	if f.Phase != "" {
		parts = append(parts, f.Phase)
	}
	switch {
	case f.OnConn > 0 && f.Mode != Fresh:
		parts = append(parts, fmt.Sprintf("%s, request %d on it, open for %s", modeNames[f.Mode], f.OnConn, seconds(f.ConnAge)))
	default:
		parts = append(parts, modeNames[f.Mode])
	}
	if f.Release != "" {
		parts = append(parts, "release "+f.Release)
	}
	return "(" + strings.Join(parts, "; ") + ")"
}

// wrap breaks s into indented lines of at most width characters.
func wrap(s string, indent, width int) string {
	var b strings.Builder
	col := 0
	for _, word := range strings.Fields(s) {
		n := len([]rune(word))
		switch {
		case col == 0:
			b.WriteString(strings.Repeat(" ", indent))
			col = indent
		case col+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			col = indent
		default:
			b.WriteString(" ")
			col++
		}
		b.WriteString(word)
		col += n
	}
	b.WriteString("\n")
	return b.String()
}
