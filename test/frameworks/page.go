package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/check"
)

const head = `# What real servers do when they are stopped

Written by ` + "`make frameworks`" + `, which runs [` + "`segue check`" + `](check.md) on each of these servers: as its own
documentation shows how to stop it, on one machine, with the signal and the grace of a container (%v). The apps are
in [test/frameworks/apps](../test/frameworks/apps), a few lines each; the findings whole are in [frameworks.json](frameworks.json).

Last run: %s, %s.

The class says what becomes of persistent connections; [check.md](check.md#the-class) has what each means, and what each
case asks for. The times are from the signal to the exit, with nothing to do and with a request of 1.5 s in flight.
*Load* is what was lost of the requests that kept-alive clients went on sending through the stop. *Fails in* are the
cases in which a client that did nothing wrong lost something, or in which the server did not end as it should. Much of
that is a race, which a server wins or loses by chance: each was run several times, and a case counts as it was at its
worst. A server's own section says how often it was run.
`

const publishedHead = `
## Against the published table

A. Qvist, “Zero downtime shutdown for REST APIs” (2025), looked at these servers. What is found here, and where it
differs, why:

| server | published | measured | |
| --- | --- | --- | --- |
`

const columns = "| server | version | class | published | exits idle, busy | load | fails in |\n| --- | --- | --- | --- | --- | --- | --- |\n"

// page is the whole of it. It is the same for the same findings.
func (f findings) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, head, grace, f.Made, f.Machine)
	for _, fam := range families() {
		fmt.Fprintf(&b, "\n## %s\n\n%s", fam.name, columns)
		for _, r := range fam.rows() {
			if found := of(f.Rows, r.Name); found != nil {
				b.WriteString(found.row(r))
			}
		}
	}
	b.WriteString(f.published())
	b.WriteString(f.byCase())
	b.WriteString(f.notes())
	return b.String()
}

// row is a line of a family's table.
func (f finding) row(r Row) string {
	name := fmt.Sprintf("[%s](#%s)", r.Name, anchor(r.Name))
	if f.Report == nil {
		return fmt.Sprintf("| %s | | – | %s | | | not had: %s |\n", name, r.Published, oneLine(f.NotHad))
	}
	published := f.agreement(r)
	if published == differs {
		published = string(r.Published)
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s |\n", name, versions(f.Versions), f.class(), published, f.exits(), f.load(), f.failed())
}

func (f finding) failed() string {
	var names []string
	for _, c := range f.cases(check.Fail) {
		names = append(names, "`"+c.Case+"`")
	}
	if len(names) == 0 {
		return "–"
	}
	return fmt.Sprintf("%d: %s", len(names), strings.Join(names, ", "))
}

// load is what was lost of the steady load.
func (f finding) load() string {
	c, ok := f.Report.Of("steady-load")
	if !ok || c.Sent == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", c.Lost, c.Sent)
}

func (f finding) exits() string {
	return f.exit("exit-idle") + ", " + f.exit("exit-busy")
}

// exit is how long the server took to end, if the case has seen it.
func (f finding) exit(name string) string {
	c, ok := f.Report.Of(name)
	switch {
	case !ok || c.Verdict == check.Skip:
		return "–"
	case c.Took >= check.Duration(grace):
		return "killed"
	}
	return fmt.Sprintf("%.1f s", float64(c.Took)/1e9)
}

// published holds the findings against the published ones.
func (f findings) published() string {
	var b strings.Builder
	b.WriteString(publishedHead)
	for _, r := range allRows() {
		found := of(f.Rows, r.Name)
		if r.Published == "" || found == nil {
			continue
		}
		measured, verdict := "not had", oneLine(found.NotHad)
		if found.Report != nil {
			measured, verdict = found.class(), found.agreement(r)
		}
		if verdict == differs {
			verdict += ": " + r.Remark
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Name, r.Published, measured, verdict)
	}
	for _, r := range absent() {
		fmt.Fprintf(&b, "| %s | %s | not run | %s |\n", r.Name, r.Published, r.Remark)
	}
	b.WriteString(f.halfHeaders())
	return b.String()
}

// absent are the published servers that have no row, and why.
func absent() []Row {
	return []Row{
		{Name: "Spring Boot on Undertow", Published: check.ClassRefuse, Remark: "Debian 12 has no Undertow"},
		{Name: "Quarkus", Published: check.ClassImperfect, Remark: "Debian 12 has no Quarkus"},
	}
}

// halfHeaders answers to the article's last remark.
func (f findings) halfHeaders() string {
	cut, kept := 0, []string{}
	for _, found := range f.Rows {
		if found.Report == nil || !slices.Contains(found.Classes, check.ClassImmediate) && !slices.Contains(found.Classes, check.ClassOneMore) {
			continue
		}
		switch c, _ := found.Report.Of("half-headers"); c.Verdict {
		case check.Fail:
			cut++
		case check.Pass, check.Warn:
			kept = append(kept, found.Row)
		}
	}
	return fmt.Sprintf("\nIt remarks that even the better ones cut a connection on which a request's header is half received. "+
		"Of the servers here that are of the classes *%s* and *%s*, %d do, and %d answer%s.\n",
		check.ClassImmediate, check.ClassOneMore, cut, len(kept), list(kept))
}

// byCase turns the table round: who fails in what.
func (f findings) byCase() string {
	var b strings.Builder
	b.WriteString("\n## By case\n")
	for _, c := range check.Cases() {
		tried, failed, warned := 0, []string{}, []string{}
		for _, found := range f.Rows {
			if found.Report == nil {
				continue
			}
			result, ok := found.Report.Of(c.Name)
			if !ok || result.Verdict == check.Skip {
				continue
			}
			tried++
			switch result.Verdict {
			case check.Fail:
				failed = append(failed, found.Row)
			case check.Warn:
				warned = append(warned, found.Row)
			}
		}
		fmt.Fprintf(&b, "\n### `%s`\n\n%s %d of %d fail%s.%s\n", c.Name, c.Title, len(failed), tried, list(failed), warnings(warned))
	}
	return b.String()
}

func list(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, "; ")
}

func warnings(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf(" %d with a warning: %s.", len(names), strings.Join(names, "; "))
}

// notes are what there is to say of each row.
func (f findings) notes() string {
	var b strings.Builder
	b.WriteString("\n## Server by server\n")
	for _, r := range allRows() {
		found := of(f.Rows, r.Name)
		if found == nil {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n`%s`, stopped by %s; %s.", r.Name, strings.Join(r.Command, " "), r.signal(), versions(found.Versions))
		if r.Remark != "" {
			b.WriteString(" " + r.Remark)
		}
		b.WriteString("\n")
		if found.Report == nil {
			fmt.Fprintf(&b, "\nNot had: %s\n", oneLine(found.NotHad))
			continue
		}
		b.WriteString("\n")
		for _, v := range []check.Verdict{check.Fail, check.Warn} {
			for _, c := range found.cases(v) {
				fmt.Fprintf(&b, "- %s `%s`: %s.\n", v, c.Case, strings.TrimSuffix(oneLine(c.Observed), "."))
			}
		}
		fmt.Fprintf(&b, "- %d cases pass, %d do not apply. Run %d times.\n", found.Report.Count(check.Pass), found.Report.Count(check.Skip), found.Times)
	}
	return b.String()
}

func versions(lines []string) string {
	if len(lines) == 0 {
		return "version unknown"
	}
	return strings.Join(lines, ", ")
}

// oneLine makes a text fit a cell of a table.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
}

// anchor is what a heading is linked by.
func anchor(heading string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == ' ':
			return '-'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			return c
		}
		return -1
	}, strings.ToLower(heading))
}
