package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// A screen is a terminal: what the view writes, as people see it. It knows
// only what the view may use.
type screen struct {
	t             *testing.T
	width, height int
	rows          [][]rune // all that was ever shown; the last height of them are on the screen
	row, col      int
	pending       bool // the cursor stands behind the last column
	writes        int
}

func newScreen(t *testing.T, width, height int) *screen {
	return &screen{t: t, width: width, height: height, rows: [][]rune{nil}}
}

var escape = regexp.MustCompile(`^\x1b\[(\d*)([AJ])`)

func (s *screen) Write(p []byte) (int, error) {
	s.writes++
	for text := string(p); text != ""; {
		if m := escape.FindStringSubmatch(text); m != nil {
			s.escape(m[1], m[2])
			text = text[len(m[0]):]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		s.put(r)
	}
	return len(p), nil
}

func (s *screen) escape(arg, what string) {
	switch what {
	case "A":
		n, _ := strconv.Atoi(arg)
		if top := max(0, len(s.rows)-s.height); s.row-n < top {
			s.t.Errorf("the cursor is moved above the screen: up %d from row %d of %d", n, s.row, len(s.rows))
			s.row = top
		} else {
			s.row -= n
		}
	case "J":
		s.rows = s.rows[:s.row+1]
		s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
	}
	s.pending = false
}

func (s *screen) put(r rune) {
	switch r {
	case '\r':
		s.col, s.pending = 0, false
	case '\n':
		s.down()
	default:
		if r < ' ' {
			s.t.Errorf("control character %q", r)
		}
		if s.pending || s.col+cell(r) > s.width {
			s.down()
		}
		s.rows[s.row] = append(s.rows[s.row][:min(s.col, len(s.rows[s.row]))], r)
		if cell(r) == 2 {
			s.rows[s.row] = append(s.rows[s.row], 0)
		}
		if s.col += cell(r); s.col >= s.width {
			s.col, s.pending = s.width-1, true
		}
	}
}

func (s *screen) down() {
	if s.row++; s.row == len(s.rows) {
		s.rows = append(s.rows, nil)
	}
	s.col, s.pending = 0, false
}

// resize rewraps all rows, as terminals do that keep lines whole.
func (s *screen) resize(width, height int) {
	old := s.String()
	*s = screen{t: s.t, width: width, height: height, rows: [][]rune{nil}, writes: s.writes}
	_, _ = s.Write([]byte(old))
	s.writes--
}

func (s *screen) String() string {
	var b strings.Builder
	for n, row := range s.rows {
		b.WriteString(strings.ReplaceAll(string(row), "\x00", ""))
		if n < len(s.rows)-1 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }

func liveView(s *screen) *view {
	return &view{w: s, began: began, lines: map[string]*viewLine{}, live: func() (int, int) { return s.width, s.height }}
}

func plainView(b *bytes.Buffer) *view {
	return &view{w: b, began: began, lines: map[string]*viewLine{}}
}

func stepEvent(ms int, id string, verb deploy.Verb, note string) control.Event {
	return control.Event{At: at(ms), Instance: id, Step: &deploy.Step{Verb: verb, Instance: id, Note: note}}
}

func progressEvent(ms int, id, text string) control.Event {
	return control.Event{At: at(ms), Instance: id, Progress: text}
}

func TestLiveView(t *testing.T) {
	s := newScreen(t, 60, 24)
	v := liveView(s)
	v.note("rollout 2: web from release 1 to release 2")
	for _, e := range []control.Event{
		stepEvent(0, "web-2.1", deploy.StepStart, ""),
		progressEvent(100, "web-2.1", "startup 1/50: http /health: 127.0.0.1:21652: connection refused"),
		stepEvent(200, "web-2.1", deploy.StepReady, ""),
		progressEvent(150, "web-2.1", "startup 2/50"), // late
		stepEvent(210, "web-2.1", deploy.StepShift, ""),
		stepEvent(220, "web-1.1", deploy.StepDrain, ""),
		progressEvent(230, "web-1.1", "3 in flight"),
		{At: at(240), Problem: "web-1.1: 3 requests are still in flight"},
		stepEvent(300, "web-1.1", deploy.StepGone, ""),
		stepEvent(310, "web-2.2", deploy.StepStart, ""),
		progressEvent(320, "web-2.2", "startup 1/50: http /health: 127.0.0.1:21653: connection refused"),
	} {
		v.show(e)
	}
	want := `rollout 2: web from release 1 to release 2
problem: web-1.1: 3 requests are still in flight
  web-2.1          serving
  web-1.1          stopped
  web-2.2          startup 1/50: http /health: 127.0.0.1:2…
`
	if got := s.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Whatever happens, the screen shows the notes and below them a line for each
// instance, with nothing torn, doubled or left over.
func TestLiveViewRandom(t *testing.T) {
	verbs := []deploy.Verb{deploy.StepStart, deploy.StepReady, deploy.StepShift, deploy.StepDrain, deploy.StepStop, deploy.StepGone, deploy.StepFailed}
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newScreen(t, 20+r.IntN(80), 6+r.IntN(30))
		v := liveView(s)
		most := min(mostLines, s.height-2)
		var notes []string
		for n := range 80 {
			id := fmt.Sprintf("web-%d.%d", 1+r.IntN(2), 1+r.IntN(15))
			switch r.IntN(10) {
			case 0:
				notes = append(notes, fmt.Sprintf("problem: number %d", n))
				v.show(control.Event{At: at(n), Problem: fmt.Sprintf("number %d", n)})
			case 1:
				v.show(progressEvent(n, id, strings.Repeat("漢字 e\u0301 ", r.IntN(20))))
			case 2:
				v.show(progressEvent(n, id, "\x1b[31mred\x1b[0m\x1b[2J\tand\r\a a bell"))
			default:
				v.show(stepEvent(n, id, verbs[r.IntN(len(verbs))], "it ended: exit status 1; last in its log:\n    one\n    two"))
			}
			rows := strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
			shown := 0
			for _, row := range rows {
				if strings.HasPrefix(row, "  ") {
					shown++
				}
			}
			if want := min(len(v.order), most); shown != want {
				t.Fatalf("seed %d: %d lines of instances on a screen of %dx%d, want %d\n%s", seed, shown, s.width, s.height, want, s)
			}
			if len(rows) != shown+len(notes) {
				t.Fatalf("seed %d: %d rows, %d of them instances, %d notes\n%s", seed, len(rows), shown, len(notes), s)
			}
		}
	}
}

// A screen that is made narrower or lower leaves rows behind at worst; it never
// makes the view run away.
func TestLiveViewResize(t *testing.T) {
	s := newScreen(t, 100, 30)
	v := liveView(s)
	for n := range 8 {
		v.show(stepEvent(n, fmt.Sprintf("web-1.%d", n), deploy.StepFailed, strings.Repeat("x", 60)))
	}
	s.resize(40, 30)
	v.show(stepEvent(20, "web-1.0", deploy.StepStart, ""))
	if got := strings.Count(s.String(), "\n"); got != 8 {
		t.Errorf("%d rows of 8 instances after a resize\n%s", got, s)
	}
	s.resize(40, 8)
	v.show(stepEvent(21, "web-1.1", deploy.StepStart, ""))
	v.show(stepEvent(22, "web-1.2", deploy.StepStart, ""))
	rows := strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
	if got := strings.Join(rows[len(rows)-6:], "\n"); !strings.HasPrefix(got, "  … 3 more") || strings.Count(got, "web-1.1 ") != 1 || strings.Count(got, "web-1.2 ") != 1 {
		t.Errorf("after a resize:\n%s", got)
	}
}

func TestLiveViewMany(t *testing.T) {
	s := newScreen(t, 80, 24)
	v := liveView(s)
	for n := range 40 {
		v.show(stepEvent(n, fmt.Sprintf("web-2.%d", n+1), deploy.StepShift, ""))
	}
	v.show(stepEvent(50, "web-2.3", deploy.StepDrain, ""))
	v.show(progressEvent(60, "web-2.3", "2 in flight"))
	v.show(stepEvent(70, "web-3.1", deploy.StepStart, ""))
	got := s.String()
	if !strings.HasPrefix(got, "  … 22 more: 22 serving\n  web-2.3          2 in flight\n") || !strings.HasSuffix(got, "  web-3.1          starting\n") {
		t.Errorf("what is happening is not shown:\n%s", got)
	}
	if n := strings.Count(got, "\n"); n != mostLines {
		t.Errorf("%d lines, want %d", n, mostLines)
	}
}

func TestLiveViewWritesOnce(t *testing.T) {
	s := newScreen(t, 80, 24)
	v := liveView(s)
	v.show(stepEvent(0, "a", deploy.StepStart, ""))
	v.show(stepEvent(1, "b", deploy.StepStart, ""))
	v.note("a note")
	if s.writes != 3 {
		t.Errorf("%d writes for 3 changes: what others write between them tears the view", s.writes)
	}
	v.show(progressEvent(2, "a", "starting"))
	if s.writes != 3 {
		t.Error("drawn again although nothing has changed")
	}
}

func TestPlainView(t *testing.T) {
	var b bytes.Buffer
	v := plainView(&b)
	v.note("rollout 2: web from release 1 to release 2")
	for _, e := range []control.Event{
		stepEvent(0, "web-2.1", deploy.StepStart, ""),
		progressEvent(100, "web-2.1", "startup 1/50"),
		progressEvent(120, "web-2.1", "startup 1/50"),
		stepEvent(1500, "web-2.1", deploy.StepFailed, "it ended: exit status 1; last in its log:\n    \x1b[31mboom\x1b[0m"),
		{At: at(1500), Step: &deploy.Step{Verb: deploy.StepBack, Note: "web-2.1: it ended: exit status 1; last in its log:\n    boom"}},
		{At: at(1600), End: deploy.RolledBack},
	} {
		v.show(e)
	}
	want := `rollout 2: web from release 1 to release 2
    0.0s  web-2.1          starting
    0.1s  web-2.1          startup 1/50
    1.5s  web-2.1          failed: it ended: exit status 1
going back: web-2.1: it ended: exit status 1
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestQuietView(t *testing.T) {
	var b bytes.Buffer
	v := plainView(&b)
	v.quiet = true
	v.note("a note")
	v.show(stepEvent(0, "a", deploy.StepStart, ""))
	v.show(control.Event{Problem: "one"})
	if b.Len() > 0 {
		t.Errorf("with --json it says %q", b.String())
	}
}
