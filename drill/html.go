package drill

import (
	_ "embed" // the report's template
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed report.html.tmpl
var reportSource string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"count": count, "millis": millis, "seconds": seconds,
	"add":  func(a, b float64) float64 { return a + b },
	"mode": func(m Mode) string { return modeNames[m] },
}).Parse(reportSource))

var modeNames = map[Mode]string{Fresh: "fresh", KeptAlive: "kept alive", HTTP2: "HTTP/2"}

// htmlFailures is how many failures the page lists; JSON has more.
const htmlFailures = 300

// page is what the template shows.
type page struct {
	R           *Result
	V           Verdict
	Tone        string // good, bad, weak
	Title       string
	Big, Small  string // the verdict's number, and of what
	Story       string
	Tiles       []tile
	Chart       chart
	Legend      []legend
	Phases      []row
	Modes       []row
	All         row
	Reasons     []reason
	Failures    []Failure
	MoreLost    string
	Facts       []fact
	Environment []fact
	Points      points
}

type tile struct{ Name, Value, Note string }

type legend struct {
	Color int
	Name  string
	Count string
	Share string
}

type reason struct{ Class, Count, Explain string }

type fact struct{ Name, Value string }

// points is what the page's script shows under the pointer.
type points struct {
	Left, Right float64
	End         float64 // seconds
	Columns     []point
}

type point struct {
	At, Width     float64 // seconds
	Sent, OK      int64
	Releases      []string
	Lost          []string
	P50, P99, Max string
}

// WriteHTML writes the report as one self-contained page: no other file, no
// network, nothing to install.
func (r *Result) WriteHTML(w io.Writer) error {
	if err := reportTemplate.Execute(w, r.page()); err != nil {
		return fmt.Errorf("drill: writing the report: %w", err)
	}
	return nil
}

func (r *Result) page() page {
	p := page{R: r, V: r.Verdict(), Chart: r.chart(), Legend: r.legend(), All: row{"all", r.Count, r.Latency}, Points: r.points()}
	p.Title = r.Label
	p.Tone, p.Big = "good", count(r.Lost)+" lost"
	p.Small = "of " + plural(r.Sent, "request")
	switch {
	case r.Lost > 0:
		p.Tone = "bad"
	case !p.V.Pass:
		p.Tone = "weak"
	}
	if r.Sent == 0 {
		p.Big, p.Small = "Nothing sent", "so nothing is proved"
	}
	p.Story, p.Tiles = r.story(), r.tiles()
	p.Phases, p.Modes = r.rows()
	p.Reasons = r.reasons()
	p.Failures = r.Failures[:min(len(r.Failures), htmlFailures)]
	if more := r.Lost + r.NotSent - int64(len(p.Failures)); more > 0 {
		p.MoreLost = count(more)
	}
	p.Facts, p.Environment = r.facts(), r.environmentFacts()
	return p
}

// story is the verdict in a sentence or two.
func (r *Result) story() string {
	var s string
	switch {
	case r.Sent == 0:
		s = "No request was sent."
	case r.Lost == 0:
		s = "Every request that was sent got the answer it should" + r.whenWords() + "."
	default:
		s = fmt.Sprintf("%.2g %% of all requests were lost%s: %s.", 100*float64(r.Lost)/float64(r.Sent), r.lostSpan(), strings.Join(r.classList(), ", "))
	}
	if c := r.Verdict().Caveat; c != "" && r.NotSent == 0 && r.Sent > 0 {
		s += " But " + c + "."
	}
	if r.NotSent > 0 {
		s += " " + count(r.NotSent) + " more were due, but the drill itself could not send them: this is a limit of the machine it ran on, and weakens the proof."
	}
	return s
}

func (r *Result) whenWords() string {
	var s string
	if len(r.Phases) == 3 {
		s = ", before, during and after the command"
	}
	if n := len(r.Releases); n > 1 {
		s += fmt.Sprintf(", while %d releases answered", n)
	}
	return s
}

// lostSpan tells when: ", between 12.1 s and 14.9 s".
func (r *Result) lostSpan() string {
	var first, last *Failure
	for i := range r.Failures {
		if f := &r.Failures[i]; f.Class != NotSent {
			if first == nil {
				first = f
			}
			last = f
		}
	}
	if first == nil {
		return ""
	}
	switch {
	case r.FailuresCut > 0:
		return fmt.Sprintf(", from %.1f s on", first.At.Seconds())
	case first == last:
		return fmt.Sprintf(", at %.1f s", first.At.Seconds())
	default:
		return fmt.Sprintf(", between %.1f s and %.1f s", first.At.Seconds(), last.At.Seconds())
	}
}

func (r *Result) tiles() []tile {
	t := []tile{
		{"Sent", count(r.Sent), number(r.Plan.Rate) + " per second for " + seconds(r.Sending)},
		{"Answered", count(r.OK), fmt.Sprintf("as expected, by %s", plural(int64(len(r.Releases)), "release"))},
		{"Lost", count(r.Lost), lostNote(r)},
		{"Half within", millis(r.Latency.P50), "p50, from when a request was due"},
		{"99 of 100 within", millis(r.Latency.P99), "p99; the slowest took " + millis(r.Latency.Max)},
	}
	if r.NotSent > 0 {
		t = append(t, tile{"Not sent", count(r.NotSent), "the drill's own limit"})
	}
	if r.Retried > 0 {
		t = append(t, tile{"Repeated", count(r.Retried), "declared unprocessed (RFC 9113 §8.7)"})
	}
	return t
}

func lostNote(r *Result) string {
	if r.Lost == 0 && r.Retried > 0 {
		return "repeated: only what HTTP/2 declares safe"
	}
	if r.Lost == 0 {
		return "and nothing was retried to get there"
	}
	return plural(int64(len(r.lostClasses())), "kind") + " of failure, see below"
}

func (r *Result) legend() (list []legend) {
	for i, name := range r.Releases {
		n := r.ByRelease[name]
		l := legend{Color: i % palette, Name: "release " + name, Count: count(n), Share: fmt.Sprintf("%.1f %%", 100*float64(n)/float64(max(r.OK, 1)))}
		if strings.HasPrefix(name, "(") {
			l.Name = name
		}
		list = append(list, l)
	}
	return list
}

// reasons explains each class once, by its first failure; twice where it has
// another cause on connections that had been used before.
func (r *Result) reasons() (list []reason) {
	for _, c := range r.lostClasses() {
		why := r.explanationsOf(c)
		list = append(list, reason{c.Words(), count(r.ByClass[c]), strings.Join(why, " Or: ")})
	}
	return list
}

func (r *Result) explanationsOf(c Class) (why []string) {
	var told [2]bool // by whether the connection was reused
	for _, f := range r.Failures {
		i := 0
		if f.Reused && (c == ResetBeforeResponse || c == Timeout) {
			i = 1
		}
		if f.Class == c && !told[i] {
			told[i] = true
			why = append(why, f.Explain)
		}
	}
	if len(why) == 0 {
		why = []string{explanations[c]}
	}
	return why
}

func (r *Result) facts() []fact {
	p := r.Plan
	var f []fact
	for _, t := range p.Targets {
		v := t.Method + " " + t.URL
		if t.BodyBytes > 0 {
			v += fmt.Sprintf(", body of %s", plural(int64(t.BodyBytes), "byte"))
		}
		f = append(f, fact{"Target", v})
	}
	if len(p.Headers) > 0 {
		f = append(f, fact{"Headers", strings.Join(p.Headers, ": …, ") + ": …"})
	}
	peek := "looked at before use, as browsers do"
	if !p.Peek {
		peek = "not looked at before use"
	}
	return append(f,
		fact{"Arrival", number(p.Rate) + " per second, evenly spaced, whatever becomes of earlier ones (open loop)"},
		fact{"Mix", r.mixWords()},
		fact{"Expected", strings.Join(p.Expect, ", ")},
		fact{"Given up", seconds(p.Timeout) + " after a request was due"},
		fact{"Kept-alive connections", fmt.Sprintf("%d, each used in turn, %s", p.Connections, peek)},
		fact{"Connections opened", fmt.Sprintf("%s; %s closed by the server between requests", count(r.Connections.Opened), count(r.Connections.ClosedIdle))},
		fact{"In flight at most", count(int64(p.MaxInFlight))},
	)
}

func (r *Result) mixWords() string {
	shares, sum := r.Plan.Mix.shares(), 0.0
	for _, s := range shares {
		sum += s
	}
	var parts []string
	for i, s := range shares {
		if s > 0 {
			parts = append(parts, fmt.Sprintf("%.3g %% %s", 100*s/sum, modes[i].Words()))
		}
	}
	return strings.Join(parts, ", ")
}

func (r *Result) environmentFacts() []fact {
	e := r.Environment
	return []fact{
		{"Held", r.Start.Format("Monday, 2 January 2006, 15:04:05 MST") + ", " + seconds(r.End.Sub(r.Start).Round(time.Second/10))},
		{"On", fmt.Sprintf("%s (%s/%s, %s, %s)", e.Host, e.OS, e.Arch, plural(int64(e.CPUs), "CPU"), e.Go)},
		{"The drill itself", r.drillWords()},
		{"Number", r.ID + " (begins each request's Segue-Drill-Id header)"},
	}
}

func (r *Result) points() points {
	c := points{Left: gutter, Right: rightEdge, End: max(r.Sending, r.TimelineWidth, finestTimelineWidth).Seconds()}
	for _, m := range r.Marks {
		c.End = max(c.End, m.At.Seconds())
	}
	for _, k := range r.columns() {
		p := point{
			At: k.at.Seconds(), Width: k.width.Seconds(), Sent: k.Sent, OK: k.OK,
			P50: millis(k.P50), P99: millis(k.P99), Max: millis(k.Max), Releases: []string{}, Lost: []string{},
		}
		for _, name := range r.Releases {
			if n := k.releases[name]; n > 0 {
				p.Releases = append(p.Releases, fmt.Sprintf("%s: %.0f/s", name, float64(n)/k.width.Seconds()))
			}
		}
		for _, class := range classes {
			if n := k.classes[class]; n > 0 {
				p.Lost = append(p.Lost, count(n)+" "+class.Words())
			}
		}
		c.Columns = append(c.Columns, p)
	}
	return c
}
