package check

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// The parts of JUnit's XML that CI servers agree on (the schema of Jenkins'
// xunit plugin): failures and skips as elements of their case, warnings as its
// output.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
	Skipped *junitSkip    `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type junitSkip struct {
	Message string `xml:"message,attr"`
}

// WriteJUnit writes the report as JUnit XML, for CI servers.
func (r *Report) WriteJUnit(w io.Writer) error {
	titles := titles()
	s := junitSuite{Name: "segue check " + printable(r.Target), Tests: len(r.Results), Failures: r.Count(Fail), Skipped: r.Count(Skip), Time: seconds(r.Took)}
	for _, c := range r.Results {
		j := junitCase{Class: "segue.check", Name: c.Case, Time: seconds(c.Took)}
		what := printable(strings.Join([]string{c.Observed, "rule: " + titles[c.Case], "mend: " + c.Mend}, "\n"))
		switch c.Verdict {
		case Fail:
			j.Failure = &junitFailure{Message: printable(c.Observed), Type: string(c.Outcome), Text: what}
		case Skip:
			j.Skipped = &junitSkip{printable(c.Observed)}
		case Warn:
			j.Out = "warning: " + what
		case Pass:
			j.Out = printable(c.Observed)
		}
		s.Cases = append(s.Cases, j)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return fmt.Errorf("check: junit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d Duration) string { return fmt.Sprintf("%.3f", time.Duration(d).Seconds()) }

// printable drops what XML 1.0 has no way to write: servers may answer anything.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == '\ufffe' || r == '\uffff' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
