package check

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// textWidth is where lines are broken.
const textWidth = 100

// WriteText writes the report for a terminal: a line per case, with the rule
// under those that did not pass; then the mends, each once. Plain text, without
// colour.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	line := func(name, text string) { wrap(&b, fmt.Sprintf("%-9s ", name), strings.Repeat(" ", 10), text) }
	if facts := r.facts(); facts != "" {
		line("server", facts)
	}
	titles := titles()
	for _, c := range r.Results {
		if c.Verdict == Skip {
			continue
		}
		wrap(&b, fmt.Sprintf("%-9s %-18s ", word(c.Verdict), c.Case), strings.Repeat(" ", 29), c.Observed)
		if c.Verdict == Pass {
			continue
		}
		wrap(&b, strings.Repeat(" ", 10)+"rule: ", strings.Repeat(" ", 16), titles[c.Case])
	}
	for _, m := range r.mends() {
		line("mend", m)
	}
	for _, s := range r.skips() {
		line("skip", s)
	}
	if r.Unfinished != "" {
		line("left out", r.Unfinished)
	}
	line("class", fmt.Sprintf("%s: %s", r.Class, r.Class.Meaning()))
	line("verdict", r.Summary())
	_, err := w.Write(b.Bytes())
	return err
}

// word makes what matters stand out without colour.
func word(v Verdict) string {
	if v == Fail {
		return "FAIL"
	}
	return string(v)
}

func titles() map[string]string {
	m := map[string]string{}
	for _, c := range Cases() {
		m[c.Name] = c.Title
	}
	return m
}

// Summary is the verdict in a line.
func (r *Report) Summary() string {
	return fmt.Sprintf("%d failed, %d %s, %d passed, %d skipped, in %s", r.Count(Fail), r.Count(Warn),
		numbered(r.Count(Warn), "warning"), r.Count(Pass), r.Count(Skip), r.Took)
}

func numbered(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}

func (r *Report) facts() string {
	var facts []string
	if s := r.Server.String(); s != "" {
		facts = append(facts, s)
	}
	if r.Survey != nil {
		facts = append(facts, r.Survey.words()...)
	}
	return strings.Join(facts, "; ")
}

func (v *Survey) words() []string {
	words := []string{fmt.Sprintf("first answer after %v", v.Start)}
	switch {
	case v.KeepAlive:
		words = append(words, "persistent HTTP/1.1 connections")
	case v.HTTP1:
		words = append(words, "closes each HTTP/1.1 connection after an answer")
	}
	if v.narrow() && v.AtOnce > 0 {
		words = append(words, fmt.Sprintf("works on %d %s at a time", v.AtOnce, numbered(v.AtOnce, "request")))
	}
	if v.HTTP1 && v.Clients < fewClients {
		words = append(words, fmt.Sprintf("serves %d %s at a time", v.Clients, numbered(v.Clients, "connection")))
	}
	if v.HTTP2 {
		words = append(words, "HTTP/2")
	}
	if v.GRPC {
		words = append(words, "gRPC")
	}
	return words
}

// skips are the skipped cases, together where the reason is the same.
func (r *Report) skips() []string {
	return r.together(": ", func(c Result) string {
		if c.Verdict != Skip {
			return ""
		}
		return c.Observed
	})
}

// mends are the cases that need one, together where it is the same: one fault is
// seen in several positions.
func (r *Report) mends() []string {
	return r.together(":\n", func(c Result) string { return c.Mend })
}

// together joins the names of the cases of which the same is said, and puts that
// behind them.
func (r *Report) together(between string, said func(Result) string) []string {
	var order []string
	cases := map[string][]string{}
	for _, c := range r.Results {
		what := said(c)
		if what == "" {
			continue
		}
		if cases[what] == nil {
			order = append(order, what)
		}
		cases[what] = append(cases[what], c.Case)
	}
	var lines []string
	for _, what := range order {
		lines = append(lines, strings.Join(cases[what], ", ")+between+what)
	}
	return lines
}

// wrap writes text behind first, and what follows behind rest. Lines that are too
// long are broken at blanks, but for indented ones, which are code.
func wrap(b *bytes.Buffer, first, rest, text string) {
	prefix := first
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		for _, piece := range pieces(line, textWidth-len(prefix)) {
			fmt.Fprintln(b, strings.TrimRight(prefix+piece, " "))
			prefix = rest
		}
	}
}

// pieces breaks a line so that each piece has at most so many bytes, if its words
// permit.
func pieces(line string, width int) []string {
	if len(line) <= width || strings.HasPrefix(line, " ") {
		return []string{line}
	}
	var all []string
	var piece string
	for _, word := range strings.Fields(line) {
		if piece != "" && len(piece)+1+len(word) > width {
			all, piece = append(all, piece), ""
		}
		if piece != "" {
			piece += " "
		}
		piece += word
	}
	return append(all, piece)
}
