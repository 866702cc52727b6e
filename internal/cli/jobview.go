package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/job"
)

// A jobOf is a job, and the services whose store it is in.
type jobOf struct {
	Services []string
	job.Status
}

func (j jobOf) failed() bool {
	return j.Last != nil && (j.Last.Outcome == job.Failed || j.Last.Outcome == job.TooLong || j.Last.Outcome == job.Died)
}

func writeJobs(w out, jobs []jobOf, now time.Time) {
	if len(jobs) == 0 {
		fmt.Fprintln(w, "no service has a job yet; docs/job.md tells how one gets some")
		return
	}
	writeTable(w, func(t out) {
		fmt.Fprintln(t, "JOB\tSCHEDULE\tSTATE\tLAST\tTOOK\tENDED\tNEXT\tINSTANCES")
		for _, j := range jobs {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", j.Name, cmp.Or(j.Schedule, "-"), stateOf(j, now), lastOf(j.Last), tookOf(j.Last), endedOf(j.Last),
				cmp.Or(tellNext("", j.Next, now), "-"), len(j.Instances))
		}
	})
	for _, j := range jobs {
		switch {
		case j.Overdue > 0:
			fmt.Fprintf(w, "%s is overdue: it was due %s ago, and no instance has begun it\n", j.Name, ago(round(j.Overdue)))
		case j.Overlong:
			fmt.Fprintf(w, "%s is overlong: it runs for %s on %s\n", j.Name, ago(round(now.Sub(j.Running.Started))), j.Running.Runner.Instance)
		}
		if j.failed() && j.Last.Why != "" {
			fmt.Fprintf(w, "%s: %s\n", j.Name, printable(summary(j.Last.Why)))
		}
	}
}

// stateOf is what to know of a job in a word or some.
func stateOf(j jobOf, now time.Time) string {
	text := string(j.State)
	switch {
	case j.Suspended != nil:
		text = suspendedBy(*j.Suspended)
	case j.Gone:
		text = "gone"
	}
	if r := j.Running; r != nil && !r.Started.IsZero() {
		running := fmt.Sprintf("running %s on %s", ago(round(now.Sub(r.Started))), r.Runner.Instance)
		if j.Suspended != nil {
			running = text + "; " + running
		}
		text = running
	}
	if j.Overlong {
		text += ", overlong"
	}
	if j.Overdue > 0 {
		text += ", overdue"
	}
	return text
}

func suspendedBy(s job.Suspension) string {
	return fmt.Sprintf("suspended by %s: %s", s.By, printable(firstLine(s.Why)))
}

func lastOf(r *job.Run) string {
	if r == nil {
		return "-"
	}
	return cmp.Or(clock(r.Started), clock(r.Slot))
}

// clock is a time of today without the day.
func clock(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Local().Format(time.DateOnly) == time.Now().Format(time.DateOnly):
		return t.Local().Format(time.TimeOnly)
	}
	return t.Local().Format(time.DateTime)
}

func tookOf(r *job.Run) string {
	if r == nil || r.Started.IsZero() || r.Ended.IsZero() {
		return "-"
	}
	return ago(round(r.Ended.Sub(r.Started)))
}

func endedOf(r *job.Run) string {
	if r == nil {
		return "-"
	}
	return string(cmp.Or(r.Outcome, "-"))
}

// tellNext says in how long something is due, behind a few words; nothing if it
// never is.
func tellNext(words string, next, now time.Time) string {
	switch d := next.Sub(now); {
	case next.IsZero():
		return ""
	case d <= 0:
		return words + "now"
	case d < 24*time.Hour:
		return words + "in " + ago(d.Round(time.Second))
	}
	return words + next.Local().Format("2006-01-02 15:04")
}

// tellRun is a run that has ended in one line.
func tellRun(r job.Run) string {
	text := string(r.Outcome)
	if took := tookOf(&r); took != "-" {
		text += " after " + took
	}
	if r.Runner.Instance != "" {
		text += " on " + r.Runner.Instance
	}
	if r.Why != "" {
		text += ": " + printable(r.Why)
	}
	return text
}

func writeRuns(t out, runs []job.Run, head bool) {
	if head {
		fmt.Fprintln(t, "DUE\tSTARTED\tTOOK\tINSTANCE\tRELEASE\tENDED\tBY\tWHY")
	}
	for _, r := range runs {
		due := clock(r.Slot)
		if r.Skipped > 1 {
			due = fmt.Sprintf("%s to %s (%d times)", due, clock(r.Until), r.Skipped)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cmp.Or(due, "-"), cmp.Or(clock(r.Started), "-"), tookOf(&r), cmp.Or(r.Runner.Instance, "-"),
			cmp.Or(strings.TrimSpace(r.Runner.Service+" "+r.Runner.Release), "-"), endedOf(&r), cmp.Or(r.By, "schedule"), printable(summary(r.Why)))
	}
}
