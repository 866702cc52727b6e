package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

type out = io.Writer

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// A view shows a rollout as it goes: on a terminal a line per instance that is
// rewritten, elsewhere a line per event.
type view struct {
	w     out
	live  bool
	quiet bool
	width int
	began time.Time

	order []string // instances, as they came
	lines map[string]string
	drawn int // lines on the screen that are ours to rewrite
}

func (e *env) newView(r deploy.Rollout) *view {
	v := &view{w: e.out, quiet: e.flags.JSON, width: 100, began: r.Began, lines: map[string]string{}}
	if f, ok := tty(e.out); ok {
		v.live = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
			v.width = w
		}
	}
	from := "nothing"
	if r.From != 0 {
		from = fmt.Sprintf("release %d", r.From)
	}
	switch r.Kind {
	case deploy.KindDown:
		v.note(fmt.Sprintf("rollout %d: %s, %s, goes down", r.ID, r.Service, from))
	case deploy.KindScale:
		v.note(fmt.Sprintf("rollout %d: %s, %s, from %d to %d instances", r.ID, r.Service, from, r.Before, r.Replicas))
	default:
		v.note(fmt.Sprintf("rollout %d: %s from %s to release %d", r.ID, r.Service, from, r.To))
	}
	return v
}

// words are what a step looks like to people.
var words = map[deploy.Verb]string{
	deploy.StepStart: "starting", deploy.StepReady: "ready", deploy.StepShift: "serving", deploy.StepDrain: "draining",
	deploy.StepStop: "stopping", deploy.StepGone: "stopped", deploy.StepFailed: "failed",
}

func (v *view) show(ev control.Event) {
	switch {
	case ev.Problem != "":
		v.note("problem: " + ev.Problem + "; tried again")
	case ev.Step != nil && ev.Step.Verb == deploy.StepBack:
		v.note("going back: " + ev.Step.Note)
	case ev.Step != nil && ev.Instance != "":
		text := words[ev.Step.Verb]
		if ev.Step.Verb == deploy.StepFailed {
			text += ": " + ev.Step.Note
		}
		v.line(ev.At, ev.Instance, text)
	case ev.Progress != "":
		v.line(ev.At, ev.Instance, firstLine(ev.Progress))
	}
}

// line sets an instance's line.
func (v *view) line(at time.Time, instance, text string) {
	if v.quiet || v.lines[instance] == text {
		return
	}
	if _, known := v.lines[instance]; !known {
		v.order = append(v.order, instance)
	}
	v.lines[instance] = text
	if !v.live {
		fmt.Fprintf(v.w, "%8s  %-16s %s\n", since(v.began, at), instance, text)
		return
	}
	v.draw()
}

// note prints a line that stays.
func (v *view) note(text string) {
	if v.quiet {
		return
	}
	v.erase()
	fmt.Fprintln(v.w, text)
	v.draw()
}

func (v *view) erase() {
	if v.live && v.drawn > 0 {
		fmt.Fprintf(v.w, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}

// draw rewrites the instances' lines; of many, those that are of interest.
func (v *view) draw() {
	if !v.live {
		return
	}
	v.erase()
	var b strings.Builder
	shown, hidden := v.order, 0
	if len(shown) > 20 {
		hidden = len(shown) - 20
		shown = shown[hidden:]
	}
	if hidden > 0 {
		fmt.Fprintf(&b, "  … %d more\n", hidden)
		v.drawn++
	}
	for _, id := range shown {
		line := fmt.Sprintf("  %-16s %s", id, firstLine(v.lines[id]))
		if r := []rune(line); len(r) > v.width-1 {
			line = string(r[:v.width-2]) + "…"
		}
		fmt.Fprintln(&b, line)
		v.drawn++
	}
	fmt.Fprint(v.w, b.String())
}

// close leaves what is drawn where it is.
func (v *view) close() { v.drawn = 0 }

func since(began, at time.Time) string {
	return fmt.Sprintf("%.1fs", at.Sub(began).Seconds())
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
