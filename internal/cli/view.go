package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
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
	quiet bool
	live  func() (width, height int) // the terminal's size, which may change; nil when w is none
	began time.Time

	order []string // instances, as they came
	lines map[string]*viewLine
	drawn []int // widths of the lines on the screen that are ours to rewrite
}

// A viewLine is what is shown of an instance.
type viewLine struct {
	text    string
	verb    deploy.Verb // of its last step
	stepped time.Time   // when that was
	changed time.Time

	progressed time.Time // when a log was last told of progress between steps
}

// settled tells that nothing more is going to happen to the instance soon.
func (l *viewLine) settled() bool {
	return l.verb == deploy.StepShift || l.verb == deploy.StepGone || l.verb == deploy.StepFailed
}

// blankView shows nothing yet of what began then.
func (e *env) blankView(began time.Time) *view {
	v := &view{w: e.out, quiet: e.flags.JSON, began: began, lines: map[string]*viewLine{}}
	if f, ok := tty(e.out); ok {
		v.live = func() (int, int) { return terminalSize(f) }
	}
	return v
}

func (e *env) newView(r deploy.Rollout) *view {
	v := e.blankView(r.Began)
	from := "nothing"
	if r.From != 0 {
		from = fmt.Sprintf("release %d", r.From)
	}
	switch r.Kind {
	case deploy.KindDown:
		v.note(fmt.Sprintf("rollout %d: %s, %s, goes down", r.ID, r.Service, from))
	case deploy.KindContract:
		v.note(fmt.Sprintf("rollout %d: %s, %s: contract of %s", r.ID, r.Service, from, deploy.Migrations(r.Brings)))
	case deploy.KindScale:
		v.note(fmt.Sprintf("rollout %d: %s, %s, from %d to %s", r.ID, r.Service, from, r.Before, plural(r.Replicas, "instance")))
	default:
		v.note(fmt.Sprintf("rollout %d: %s from %s to release %d", r.ID, r.Service, from, r.To))
	}
	return v
}

// terminalSize is that of a terminal, or a common one when it does not tell.
func terminalSize(f *os.File) (width, height int) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil || w <= 0 || h <= 0 {
		return 80, 24
	}
	return w, h
}

// words are what a step looks like to people.
var words = map[deploy.Verb]string{
	deploy.StepStart: "starting", deploy.StepReady: "ready", deploy.StepShift: "serving", deploy.StepDrain: "draining",
	deploy.StepStop: "stopping", deploy.StepGone: "stopped", deploy.StepFailed: "failed",
}

func (v *view) show(ev control.Event) {
	switch {
	case ev.Problem != "":
		v.note("problem: " + ev.Problem)
	case ev.Step != nil && ev.Step.Verb == deploy.StepBack:
		v.note("going back: " + summary(ev.Step.Note))
	case ev.Step != nil && ev.Step.Verb == deploy.StepStage:
		v.note(fmt.Sprintf("%8s  %s", since(v.began, ev.At), ev.Step.Note))
		v.clear(stageLine)
	case ev.Step != nil && (ev.Step.Verb == deploy.StepExpanded || ev.Step.Verb == deploy.StepBackfilled || ev.Step.Verb == deploy.StepContracted):
		v.clear(stageLine)
		v.note(fmt.Sprintf("%8s  %s", since(v.began, ev.At), cmp.Or(ev.Step.Note, string(ev.Step.Verb))))
	case ev.Step != nil && ev.Step.Verb == deploy.StepPromote:
		v.note(fmt.Sprintf("%8s  promoted: %s", since(v.began, ev.At), ev.Step.Note))
	case ev.Step != nil && ev.Instance != "":
		text := words[ev.Step.Verb]
		if ev.Step.Verb == deploy.StepFailed {
			text += ": " + summary(ev.Step.Note)
		}
		v.set(ev, text)
	case ev.Hook != "":
		v.note(ev.Hook + ": " + ev.Progress)
	case ev.Progress != "":
		if ev.Instance == "" {
			ev.Instance = stageLine
		}
		v.set(ev, summary(ev.Progress))
	}
}

// stageLine is the line of what a stage waits for.
const stageLine = "stage"

// clear takes a line off the screen.
func (v *view) clear(name string) {
	if v.lines[name] != nil {
		delete(v.lines, name)
		v.order = slices.DeleteFunc(v.order, func(s string) bool { return s == name })
	}
}

// progressEvery spares a log a line for each question of a long startup.
const progressEvery = 2 * time.Second

// set sets an instance's line. Progress reaches us beside the steps and may be
// late: what is older than the last step is no news.
func (v *view) set(ev control.Event, text string) {
	l := v.lines[ev.Instance]
	if l == nil {
		l = &viewLine{}
		v.lines[ev.Instance] = l
		v.order = append(v.order, ev.Instance)
	}
	if ev.Step != nil {
		l.verb, l.stepped = ev.Step.Verb, ev.At
	} else if ev.At.Before(l.stepped) {
		return
	}
	text = printable(text)
	if v.quiet || l.text == text {
		return
	}
	if v.live == nil && ev.Step == nil {
		if ev.At.Sub(l.progressed) < progressEvery {
			return
		}
		l.progressed = ev.At
	}
	l.text, l.changed = text, ev.At
	if v.live == nil {
		fmt.Fprintf(v.w, "%8s  %-16s %s\n", since(v.began, ev.At), ev.Instance, text)
		return
	}
	v.draw("")
}

// note prints something that stays.
func (v *view) note(text string) {
	if v.quiet {
		return
	}
	text = printable(text) + "\n"
	if v.live == nil {
		_, _ = io.WriteString(v.w, text) // as with fmt.Fprint: there is nobody else to tell
		return
	}
	v.draw(text)
}

// mostLines is how many instances are shown on a terminal that is high enough.
const mostLines = 20

// draw rewrites the instances' lines, below note, which stays. It is a single
// write, so that nothing flickers or is torn by what others write.
func (v *view) draw(note string) {
	width, height := v.live()
	var b strings.Builder
	b.WriteString(v.erase(width, height))
	b.WriteString(note)
	for _, line := range v.visible(min(mostLines, height-2)) {
		line = clip(line, width-1)
		v.drawn = append(v.drawn, cells(line))
		b.WriteString(line + "\n")
	}
	_, _ = io.WriteString(v.w, b.String())
}

// erase is what takes the drawn lines off the screen. On one that has become
// narrower a line takes several rows; rows above the screen are out of reach.
func (v *view) erase(width, height int) string {
	rows := 0
	for _, w := range v.drawn {
		rows += max(1, (w+width-1)/width)
	}
	v.drawn = v.drawn[:0]
	if rows = min(rows, height-1); rows <= 0 {
		return ""
	}
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", rows)
}

// visible lists the lines to show, at most limit: of many instances those to
// which something is happening, then those to which something has happened last.
func (v *view) visible(limit int) []string {
	limit = max(limit, 1)
	shown := slices.Clone(v.order)
	var lines []string
	if len(shown) > limit {
		slices.SortStableFunc(shown, v.byInterest)
		rest := shown[limit-1:] // one line is for telling of them
		shown = shown[:limit-1]
		slices.SortFunc(shown, func(a, b string) int { return slices.Index(v.order, a) - slices.Index(v.order, b) })
		lines = append(lines, "  … "+v.count(rest))
	}
	for _, id := range shown {
		lines = append(lines, fmt.Sprintf("  %-16s %s", id, v.lines[id].text))
	}
	return lines
}

func (v *view) byInterest(a, b string) int {
	x, y := v.lines[a], v.lines[b]
	if x.settled() != y.settled() {
		if x.settled() {
			return 1
		}
		return -1
	}
	return y.changed.Compare(x.changed)
}

// count tells how many instances are where: "12 more: 8 serving, 4 stopped".
func (v *view) count(ids []string) string {
	at := map[string]int{}
	for _, id := range ids {
		at[words[v.lines[id].verb]]++
	}
	var parts []string
	for _, verb := range []deploy.Verb{deploy.StepStart, deploy.StepReady, deploy.StepShift, deploy.StepDrain, deploy.StepStop, deploy.StepGone, deploy.StepFailed} {
		if n := at[words[verb]]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words[verb]))
		}
	}
	return fmt.Sprintf("%d more: %s", len(ids), strings.Join(parts, ", "))
}

// close leaves what is drawn where it is.
func (v *view) close() { v.drawn = nil }

func since(began, at time.Time) string {
	return fmt.Sprintf("%.1fs", at.Sub(began).Seconds())
}
