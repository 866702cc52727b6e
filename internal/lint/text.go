package lint

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// WriteText writes findings as compilers do, and a last line that sums up.
func (r *Result) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, f := range r.Findings {
		fmt.Fprintf(b, "%s: %s: %s: %s: %s\n", printable(f.At.String()), f.Severity, f.Rule, printable(f.Subject()), printable(f.Hazard))
		fmt.Fprintf(b, "    mend: %s\n", printable(f.Mend))
	}
	fmt.Fprintln(b, r.Summary())
	return b.Flush()
}

// WriteProblems writes why files, or objects in them, were not looked at.
func (r *Result) WriteProblems(w io.Writer) error {
	b := bufio.NewWriter(w)
	for _, p := range r.Problems {
		fmt.Fprintf(b, "%s: %s\n", printable(p.At.String()), printable(p.What))
		if p.Mend != "" {
			fmt.Fprintf(b, "    mend: %s\n", printable(p.Mend))
		}
	}
	return b.Flush()
}

// Summary is "3 errors, 2 warnings in 4 files (12 objects); 2 can be fixed by --fix".
func (r *Result) Summary() string {
	var b strings.Builder
	if len(r.Findings) == 0 {
		b.WriteString("no findings")
	} else {
		fmt.Fprintf(&b, "%s, %s", plural(r.Count(Error), "error"), plural(r.Count(Warning), "warning"))
	}
	fmt.Fprintf(&b, " in %s (%s", plural(r.Files, "file"), plural(r.Objects, "object"))
	if r.Skipped > 0 {
		fmt.Fprintf(&b, ", %s of another kind", plural(r.Skipped, "document"))
	}
	b.WriteString(")")
	if n := len(r.Ignored); n > 0 {
		fmt.Fprintf(&b, "; %d ignored", n)
	}
	if n := r.Fixable(); n > 0 {
		fmt.Fprintf(&b, "; %d can be fixed by --fix", n)
	}
	if n := len(r.Problems); n > 0 {
		fmt.Fprintf(&b, "; %s", plural(n, "problem"))
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printable keeps what acts on a terminal out of messages that quote files of
// somebody else.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
}
