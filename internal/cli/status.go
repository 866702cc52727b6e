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
	if r := s.Rollout; r != nil {
		fmt.Fprintf(w, "  rollout %d, %s, to release %d, begun %s ago by %s\n", r.ID, r.Phase, r.To, ago(now.Sub(r.Began)), r.Who)
	}
	if s.Problem != "" {
		fmt.Fprintf(w, "  problem: %s\n", printable(s.Problem))
	}
	if s.Mirror != nil {
		writeMirror(w, *s.Mirror)
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
