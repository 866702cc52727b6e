package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

type statusCmd struct {
	Watch bool `short:"w" help:"Show it again each second until Ctrl-C."`
}

func (c *statusCmd) Run(e *env) error {
	done, err := e.everywhere("", func(f fleet, names []string) error { return f.status(e, names, c.Watch) })
	if done || err != nil {
		return err
	}
	if !c.Watch {
		st, err := e.agent().Status(e)
		if err != nil {
			return err
		}
		return e.print(st, func(w out) { writeStatus(w, st, time.Now()) })
	}
	for {
		if err := c.once(e); err != nil {
			return err
		}
		if pause(e, time.Second) != nil {
			return nil
		}
	}
}

// once shows the status in place of the one before, in a single write so that
// nothing flickers. An agent that is away may be back the next second.
func (c *statusCmd) once(e *env) error {
	var b bytes.Buffer
	st, err := e.agent().Status(e)
	if err != nil {
		if e.Err() != nil {
			return nil
		}
		fmt.Fprintln(&b, err)
	} else if err := (&env{Context: e, out: &b, flags: e.flags}).print(st, func(w out) { writeStatus(w, st, time.Now()) }); err != nil {
		return err
	}
	text := b.String()
	if f, ok := tty(e.out); ok && !e.flags.JSON {
		width, height := terminalSize(f)
		text = "\x1b[H\x1b[J" + fit(text, width, height)
	}
	_, err = io.WriteString(e.out, text)
	return err
}

// fit cuts a text to a screen, whose last row stays free for the cursor.
func fit(text string, width, height int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if most := max(height-2, 1); len(lines) > most+1 {
		more := len(lines) - most
		lines = append(lines[:most], "… "+plural(more, "more line"))
	}
	for n, line := range lines {
		lines[n] = clip(line, width)
	}
	return strings.Join(lines, "\n") + "\n"
}

func writeStatus(w out, st control.Status, now time.Time) {
	fmt.Fprintf(w, "agent %d, segue %s, up %s", st.Agent.PID, st.Agent.Version, ago(now.Sub(st.Agent.Began)))
	if st.Proxy.PID != 0 {
		fmt.Fprintf(w, "; proxy %d, %s", st.Proxy.PID, plural(st.Proxy.Connections, "connection"))
	}
	fmt.Fprintln(w)
	if st.Proxy.Problem != "" {
		fmt.Fprintln(w, "proxy:", st.Proxy.Problem)
	}
	if len(st.Services) == 0 {
		fmt.Fprintln(w, "no services; `segue deploy` brings one up")
	}
	for _, s := range st.Services {
		writeService(w, s, now)
	}
}

func writeService(w out, s control.ServiceStatus, now time.Time) {
	fmt.Fprintf(w, "\n%s  release %d, %d wanted", s.Name, s.Release, s.Replicas)
	if len(s.Listen) > 0 {
		fmt.Fprintf(w, ", on %s", strings.Join(s.Listen, " "))
	}
	if s.Via == deploy.ViaSocket {
		fmt.Fprint(w, " via socket")
	}
	if p := s.Paused; p != nil {
		fmt.Fprintf(w, ", paused for %s more", ago(p.Until.Sub(now)))
	}
	if s.Held > 0 {
		fmt.Fprintf(w, ", %s waiting", plural(s.Held, "request"))
	}
	fmt.Fprintln(w)
	if r := s.Rollout; r != nil && r.Kind == deploy.KindContract {
		fmt.Fprintf(w, "  rollout %d, contract, begun %s ago by %s\n", r.ID, ago(now.Sub(r.Began)), r.Who)
	} else if r != nil {
		fmt.Fprintf(w, "  rollout %d, %s, to release %d, begun %s ago by %s\n", r.ID, r.Phase, r.To, ago(now.Sub(r.Began)), r.Who)
	}
	if st := s.Stage; st != nil {
		fmt.Fprintf(w, "  stage %d of %d, %s%s\n", st.Number+1, st.Of, st.Name, stageWords(st, now))
	}
	if s.Contract != nil {
		fmt.Fprintf(w, "  %s\n", contractWords(*s.Contract, now))
	}
	if s.Maintenance != nil {
		fmt.Fprintf(w, "  maintenance: %s\n", maintenanceWords(*s.Maintenance, now))
	}
	if s.Shedding != nil {
		fmt.Fprintf(w, "  %s\n", sheddingWords(*s.Shedding, now))
	}
	if s.Closed != nil {
		fmt.Fprintf(w, "  closed to deploys: %s\n", tellClosed(*s.Closed))
	}
	if s.Source != nil {
		writeSource(w, *s.Source)
	}
	if s.Locked != nil {
		fmt.Fprintf(w, "  %s\n", tellLock(*s.Locked))
	}
	if s.Problem != "" {
		fmt.Fprintf(w, "  problem: %s\n", printable(s.Problem))
	}
	if s.Mirror != nil {
		writeMirror(w, *s.Mirror)
	}
	if p := s.Preparing; p != nil {
		fmt.Fprintf(w, "  preparing release %d: %s, begun %s ago by %s\n", p.Release, p.Step, ago(now.Sub(p.Began)), p.Who)
	}
	for _, n := range s.Notify {
		fmt.Fprintf(w, "  notify: %s\n", notReached(n, now))
	}
	if s.Certificate != "" {
		fmt.Fprintf(w, "  certificate: %s\n", printable(s.Certificate))
	}
	if len(s.Instances) == 0 {
		return
	}
	writeTable(w, func(t out) {
		fmt.Fprintln(t, "  INSTANCE\tRELEASE\tSTATE\tPORT\tPID\tIN FLIGHT\tREQUESTS\tUP\t")
		for _, i := range s.Instances {
			state := string(i.State)
			if i.State == "serving" && !i.Ready {
				state = "not ready"
			} else if i.State == "serving" && i.Aside {
				state = "aside"
			}
			inFlight, requests := "-", "-" // nobody counts what does not pass the proxy
			if i.Port != 0 {
				inFlight, requests = fmt.Sprint(i.InFlight), fmt.Sprint(i.Requests)
			}
			fmt.Fprintf(t, "  %s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, i.Release, state, orDash(i.Port), orDash(i.PID),
				inFlight, requests, ago(now.Sub(i.Started)), printable(firstLine(i.Progress)))
		}
	})
}

// sheddingWords tells what a service leaves undone: "shedding low 60 % (in flight 130 of 100), for 12s; 4210 turned away".
func sheddingWords(s control.Shedding, now time.Time) string {
	words := "shedding nothing any more"
	if s.Level != "" {
		words = fmt.Sprintf("shedding %s %d %%", s.Level, s.Percent)
	}
	words += fmt.Sprintf(" (%s), for %s; %d turned away", s.Because, ago(now.Sub(s.Began)), s.Turned)
	if s.Flags != "" {
		words += "; flags up to " + s.Flags + " are off"
	}
	return words
}

// contractWords tells of a contract to come: "contract of 0008_split due in 43m".
func contractWords(c control.Contract, now time.Time) string {
	words := "contract of " + deploy.Migrations(c.Migrations)
	switch {
	case c.Manual && now.Before(c.Due):
		words += fmt.Sprintf(" by command, in %s at the earliest", ago(c.Due.Sub(now)))
	case c.Manual:
		words += " by command: segue migrate contract"
	case now.Before(c.Due):
		words += " due in " + ago(c.Due.Sub(now))
	default:
		words += " due"
	}
	if c.Waiting != "" {
		words += "; " + printable(c.Waiting)
	}
	if c.Failed != "" {
		words += "\n    the last try did not work: " + printable(c.Failed)
		if now.Before(c.Retry) {
			words += "; again in " + ago(c.Retry.Sub(now))
		}
	}
	return words
}

// differencesShown is how many of the last ones status tells.
const differencesShown = 3

func writeMirror(w out, m control.Mirror) {
	fmt.Fprintf(w, "  mirrored to %s: %d the same, %d with another status, %d with another body, %d failed, %d skipped\n",
		m.To, m.Same, m.Status, m.Body, m.Failed, m.Skipped)
	for _, d := range m.Differences[max(0, len(m.Differences)-differencesShown):] {
		what := fmt.Sprintf("%d here, %d there", d.Status, d.Mirror)
		if d.Status == d.Mirror {
			what = fmt.Sprintf("%d, and another body", d.Status)
		}
		fmt.Fprintf(w, "    %s %s: %s\n", d.Method, printable(d.Path), what)
	}
}

// stageWords tells how long a stage lasts already, and what it waits for.
func stageWords(st *control.Stage, now time.Time) string {
	words := ""
	if !st.Since.IsZero() {
		words = ", for " + ago(now.Sub(st.Since))
	}
	if st.Split {
		words += fmt.Sprintf("; the new release has %d %% of the requests", st.Share)
	}
	if st.Waiting != "" {
		words += "\n    " + printable(st.Waiting)
	}
	return words
}
