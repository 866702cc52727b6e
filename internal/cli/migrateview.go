package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/migrate"
)

// migrateView shows the progress of a change: on a terminal in one line that
// changes, elsewhere in a line for each step and now and then one for a backfill.
type migrateView struct {
	write func(line string) // nil: nothing is shown
	live  *liveLine         // nil: no terminal
	width func() int

	step string    // that was told last
	told time.Time // when it was
}

// tellEvery is how often a line tells of a backfill, where each stays.
const tellEvery = 5 * time.Second

func (e *env) migrateView(how string) *migrateView {
	v := &migrateView{}
	if how == "none" || e.flags.JSON {
		return v
	}
	if f, ok := tty(e.out); ok && how == "auto" {
		v.live = &liveLine{w: e.out}
		v.width = func() int { w, _ := terminalSize(f); return w }
	}
	v.write = func(line string) { fmt.Fprintln(v.live.through(e.out), line) }
	return v
}

func (v *migrateView) show(p migrate.Progress) {
	if v.write == nil {
		return
	}
	step := fmt.Sprint(p.Phase, p.Step)
	is := p.Rows > 0 || p.Waiting != ""
	if v.live != nil && is {
		v.live.show(clip(progressLine(p), v.width()-1))
		return
	}
	if now := time.Now(); step != v.step || p.Waiting != "" && now.Sub(v.told) > time.Second || is && now.Sub(v.told) > tellEvery || p.Rows > 0 && p.Rows == p.Total {
		v.step, v.told = step, now
		v.write(progressLine(p))
	}
}

// end leaves the terminal as it was.
func (v *migrateView) end() {
	if v != nil {
		v.live.clear()
	}
}

// progressLine is "backfill 1/3: users: 41200 of about 50000 rows (82 %), 38000/s, 0.2s left".
func progressLine(p migrate.Progress) string {
	var b strings.Builder
	if p.Of > 0 {
		fmt.Fprintf(&b, "%s %d/%d: ", p.Phase, p.Step, p.Of)
	}
	b.WriteString(printable(p.Note))
	if p.Rows > 0 {
		fmt.Fprintf(&b, ": %s", rowsOf(p.Rows, p.Total))
		if p.Rate > 0 {
			fmt.Fprintf(&b, ", %.0f/s", p.Rate)
		}
		if p.Left > 0 {
			fmt.Fprintf(&b, ", %s left", ago(p.Left))
		}
	}
	if p.Waiting != "" {
		fmt.Fprintf(&b, "; waits: %s", printable(p.Waiting))
	}
	return b.String()
}

// rowsOf tells how many rows were done; the total is an estimate and may be less.
func rowsOf(rows, total int64) string {
	if total < rows {
		return plural(rows, "row")
	}
	return fmt.Sprintf("%d of about %s (%d %%)", rows, plural(total, "row"), rows*100/max(total, 1))
}

// names is "0007_email" or "0007_email, 0008_split".
func names(list []string) string { return strings.Join(list, ", ") }

func writeMigratePlan(w out, c *migrate.Change, findings []migrate.Finding) {
	if c == nil {
		fmt.Fprintln(w, "nothing to do: all migrations are in the database")
		return
	}
	fmt.Fprintf(w, "%s: %s\n", plural(len(c.Migrations), "new migration"), names(c.Migrations))
	if c.Schema != "" {
		fmt.Fprintf(w, "the new release finds its tables in the schema %s\n", c.Schema)
	}
	for _, phase := range []migrate.Phase{migrate.Expand, migrate.Backfill, migrate.Contract, migrate.Undo} {
		steps := c.Script.Steps(phase)
		if len(steps) == 0 && (phase != migrate.Undo || c.Script.Stays == "") {
			continue
		}
		fmt.Fprintf(w, "\n%s%s\n", phase, phaseNotes[phase])
		if phase == migrate.Undo && c.Script.Stays != "" {
			fmt.Fprintf(w, "  there is none: %s\n", printable(c.Script.Stays))
		}
		for n, s := range steps {
			sql := s.SQL
			if s.Batches != nil {
				sql = s.Batches.SQL
			}
			writeMigrateStep(w, n+1, s.Note, sql)
		}
	}
	for _, l := range c.Script.Lost {
		fmt.Fprintf(w, "  it would lose: %s\n", printable(l.What))
	}
	if len(findings) > 0 {
		fmt.Fprintln(w)
	}
	writeFindings(w, findings)
}

// writeMigrateStep shows a step's note, and below it the statement; where the note is
// no more than the statement's beginning, that stands in its place.
func writeMigrateStep(w out, n int, note, sql string) {
	var lines []string
	if !strings.HasPrefix(sql, note) {
		lines = append(lines, note)
	}
	for line := range strings.Lines(strings.TrimSpace(sql)) {
		lines = append(lines, strings.TrimRight(line, "\n"))
	}
	for i, line := range lines {
		lines[i] = printable(line)
	}
	fmt.Fprintf(w, "  %2d  %s\n", n, strings.Join(lines, "\n        "))
}

var phaseNotes = map[migrate.Phase]string{
	migrate.Expand:   ", before anything of the new release is started",
	migrate.Backfill: ", before it is started, too",
	migrate.Contract: ", when nothing of the old release is left",
	migrate.Undo:     ", only by `segue migrate rollback`",
}

// writeFindings tells what the gate has found, what it refuses last: of a phase that
// fails in a rollout, the end of what it wrote is kept.
func writeFindings(w out, findings []migrate.Finding) {
	sorted := slices.Clone(findings)
	slices.SortStableFunc(sorted, func(a, b migrate.Finding) int {
		switch {
		case a.Refused == b.Refused:
			return 0
		case a.Refused:
			return 1
		}
		return -1
	})
	for _, f := range sorted {
		word := "warning"
		if f.Refused {
			word = "refused"
		}
		place := f.File
		if f.Line > 0 {
			place = fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		fmt.Fprintf(w, "%s: %s: %s\n", place, word, f.Rule)
		fmt.Fprintf(w, "  %s\n  why:  %s\n", printable(firstLine(f.Statement)), printable(f.Why))
		if f.Safe != "" {
			fmt.Fprintf(w, "  mend: %s\n", printable(f.Safe))
		}
	}
}

// standing is where a change stands and what comes next, for people.
type standing struct{ is, next string }

var standings = map[migrate.State]standing{
	migrate.Expanding:   {"begun, and not finished", "segue migrate expand"},
	migrate.Expanded:    {"expanded", "segue migrate backfill"},
	migrate.Backfilling: {"being filled in, or was", "segue migrate backfill"},
	migrate.Ready:       {"ready: both releases can work", "the deploy, then segue migrate contract"},
	migrate.Contracting: {"begun to contract, and not finished", "segue migrate contract"},
	migrate.Undoing:     {"begun to be taken back, and not finished", "segue migrate rollback"},
}

// writeMigrated tells what a command has come to, and with hint what comes next. A
// rollout keeps the line in its history. done says that the command may have
// ended a change.
func writeMigrated(w out, st migrate.Status, took time.Duration, done, hint bool) {
	c := st.Open
	if c == nil && done && len(st.Last) > 0 {
		c = &st.Last[0]
	}
	if c == nil {
		fmt.Fprintln(w, "nothing to do: no change of the database is open")
		return
	}
	line := fmt.Sprintf("%s: %s", names(c.Migrations), c.State)
	if rows := rowsDone(c); rows > 0 && c.State == migrate.Ready {
		line += ", " + plural(rows, "row") + " filled in"
	}
	if c.State == migrate.Done && !c.Removes {
		line += ", " + deploy.NothingRemoved
	}
	line += ", in " + round(took).String()
	if next := standings[c.State].next; next != "" && hint {
		line += "; next: " + next
	}
	fmt.Fprintln(w, line)
}

// rowsDone is how many rows a change's backfills have gone through.
func rowsDone(c *migrate.Change) (n int64) {
	for _, r := range c.Steps {
		if r.Phase == migrate.Backfill {
			n += r.Rows
		}
	}
	return n
}

func writeMigrateStatus(w out, st migrate.Status, now time.Time) {
	switch n := len(st.Applied); n {
	case 0:
		fmt.Fprintln(w, "applied  none")
	case 1:
		fmt.Fprintf(w, "applied  %s\n", st.Applied[0])
	default:
		fmt.Fprintf(w, "applied  %s … %s (%d)\n", st.Applied[0], st.Applied[n-1], n)
	}
	if c := st.Open; c != nil {
		at := standings[c.State]
		fmt.Fprintf(w, "open     %s: %s; next: %s\n", names(c.Migrations), at.is, at.next)
		fmt.Fprintf(w, "         begun %s by %s\n", day(c.Began), c.Who)
		if c.Schema != "" {
			fmt.Fprintf(w, "         the new release's schema: %s\n", c.Schema)
		}
		for _, r := range c.Steps {
			if r.Rows == 0 && !r.Ended.IsZero() {
				continue
			}
			steps := c.Script.Steps(r.Phase)
			if r.Step >= len(steps) {
				continue
			}
			how := "begun " + ago(now.Sub(r.Began)) + " ago"
			if !r.Ended.IsZero() {
				how = "in " + ago(r.Ended.Sub(r.Began))
			}
			if r.Rows > 0 {
				how = rowsOf(r.Rows, r.Total) + ", " + how
			}
			fmt.Fprintf(w, "         %s %d/%d: %s: %s\n", r.Phase, r.Step+1, len(steps), printable(steps[r.Step].Note), how)
		}
	}
	if len(st.Pending) > 0 {
		fmt.Fprintf(w, "pending  %s\n", names(st.Pending))
	}
	for n, c := range st.Last {
		if n == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s  %-7s %s, by %s, in %s\n", day(c.Began), c.State, names(c.Migrations), c.Who, ago(c.Ended.Sub(c.Began)))
	}
}
