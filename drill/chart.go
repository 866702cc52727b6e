package drill

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Geometry of the timeline, in SVG units; the page scales it.
const (
	chartWidth = 1100.0
	gutter     = 200.0 // left of the plots: axis and class names
	rightEdge  = chartWidth - 14
	rateHeight = 132.0
	lossRow    = 19.0
	latHeight  = 148.0
	panelGap   = 34.0
	laneHeight = 17.0
	maxLanes   = 7
	glyph      = 6.4 // width of a character of the labels, about
	maxColumns = 320
	perColumn  = 8 // requests, at least, so that a column is more than noise
	palette    = 8 // colours for releases in the style sheet
)

// chart is the timeline, ready to be drawn: three panels over one time axis.
type chart struct {
	Width, Height float64
	Left, Right   float64
	Step          string // how long one column is, in words
	Phases        []shade
	Marks         []label
	Numbered      bool // too many marks for labels: they are listed below
	Rate          panel
	Areas         []area
	Loss          panel
	Rows          []lossLine
	Latency       panel
	Band          string // p50 to p99
	P50, Max      string
	Times         []tick
	AxisY         float64
}

type panel struct {
	Top, Bottom float64
	Ticks       []tick
}

// Height is the panel's.
func (p panel) Height() float64 { return p.Bottom - p.Top }

type tick struct {
	At    float64 // x or y
	Label string
}

type shade struct {
	X, Width, Middle float64
	Name             string
	Odd              bool
}

type label struct {
	X, LabelX, LabelY, Top float64
	Label, Full            string
	End                    bool // anchored at its end, as it is near the right edge
}

type area struct {
	Color int
	Path  string
}

type lossLine struct {
	Y      float64
	Name   string
	Total  string
	Bars   []bar
	Severe bool // lost, as opposed to not sent
}

type bar struct {
	X, Y, Width float64
	Strong      string // opacity
	Title       string
}

// column is one step of the drawing: one or more Moments.
type column struct {
	at, width time.Duration
	Count
	releases map[string]int64
	classes  map[Class]int64
	Latency
}

// columns merges the timeline to what can be told apart on the page. The
// percentiles of merged moments are the highest among them (p50: the mean).
func (r *Result) columns() []column {
	if len(r.Timeline) == 0 || r.TimelineWidth <= 0 {
		return nil
	}
	per := (len(r.Timeline) + maxColumns - 1) / maxColumns
	if due := r.Plan.Rate * r.TimelineWidth.Seconds(); due > 0 && due*float64(per) < perColumn {
		per = int(math.Ceil(perColumn / due))
	}
	var list []column
	for part := range slices.Chunk(r.Timeline, max(per, 1)) {
		list = append(list, merge(part, r.TimelineWidth))
	}
	return r.lastFull(list)
}

// lastFull corrects the width of the last column, which the end may have cut.
func (r *Result) lastFull(list []column) []column {
	last := &list[len(list)-1]
	if left := r.Sending - last.at; left > 0 && left < last.width {
		if last.width = left; left < r.TimelineWidth/2 && len(list) > 1 && last.Lost == 0 {
			return list[:len(list)-1] // too short for a rate
		}
	}
	return list
}

func merge(part []Moment, width time.Duration) column {
	c := column{at: part[0].At, width: width * time.Duration(len(part)), releases: map[string]int64{}, classes: map[Class]int64{}}
	var weighted float64
	for _, m := range part {
		c.Sent, c.OK, c.Lost, c.NotSent = c.Sent+m.Sent, c.OK+m.OK, c.Lost+m.Lost, c.NotSent+m.NotSent
		for name, n := range m.ByRelease {
			c.releases[name] += n
		}
		for class, n := range m.ByClass {
			c.classes[class] += n
		}
		weighted += float64(m.Latency.P50) * float64(m.OK)
		c.P99, c.Max = max(c.P99, m.Latency.P99), max(c.Max, m.Latency.Max)
	}
	if c.OK > 0 {
		c.P50 = time.Duration(weighted / float64(c.OK))
	}
	return c
}

// drawing works out the chart's parts from top to bottom.
type drawing struct {
	r    *Result
	cols []column
	end  time.Duration
	chart
}

func (r *Result) chart() chart {
	d := drawing{r: r, cols: r.columns()}
	d.end = max(r.Sending, r.TimelineWidth, finestTimelineWidth)
	for _, m := range r.Marks {
		d.end = max(d.end, m.At)
	}
	d.Width, d.Left, d.Right = chartWidth, gutter, rightEdge
	if len(d.cols) > 0 {
		d.Step = seconds(d.cols[0].width)
	}
	top := d.marks(16) + 8
	top = d.rate(top + 20)
	top = d.losses(top + panelGap)
	top = d.latency(top + panelGap)
	d.axis(top)
	d.shades()
	return d.chart
}

func (d *drawing) x(at time.Duration) float64 {
	return round(gutter + (rightEdge-gutter)*float64(at)/float64(d.end))
}

func round(f float64) float64 { return math.Round(f*10) / 10 }

// marks places the labels in lanes such that none covers another.
func (d *drawing) marks(top float64) (bottom float64) {
	lanes := d.place(func(m Mark, _ int) string { return clean(m.Label, 44) })
	if lanes > maxLanes {
		d.Numbered = true
		lanes = d.place(func(_ Mark, i int) string { return fmt.Sprint(i + 1) })
	}
	for i := range d.Marks {
		f := &d.Marks[i]
		f.Top = top + f.LabelY*laneHeight
		f.LabelY = f.Top + 4
	}
	return top + float64(lanes)*laneHeight
}

func (d *drawing) place(text func(Mark, int) string) (lanes int) {
	var free []float64 // right end of the last label in each lane
	d.Marks = nil
	for i, m := range d.r.Marks {
		f := label{X: d.x(m.At), Label: text(m, i), Full: seconds(m.At) + ": " + m.Label}
		width := float64(len([]rune(f.Label)))*glyph + 10
		from := f.X
		if f.LabelX = f.X + 5; f.LabelX+width > rightEdge {
			f.End, f.LabelX, from = true, f.X-5, f.X-width
		}
		lane := slices.IndexFunc(free, func(end float64) bool { return end < from })
		if lane < 0 {
			lane = len(free)
			free = append(free, 0)
		}
		free[lane] = from + width
		f.LabelY = float64(lane)
		d.Marks = append(d.Marks, f)
	}
	return len(free)
}

// rate draws the answers per second, stacked by release.
func (d *drawing) rate(top float64) (bottom float64) {
	d.Rate = panel{Top: top, Bottom: top + rateHeight}
	most := 0.0
	for _, c := range d.cols {
		most = max(most, float64(c.OK)/c.width.Seconds())
	}
	step := niceStep(most / 4)
	ceiling := math.Max(math.Ceil(most*1.02/step)*step, step)
	y := func(v float64) float64 { return round(d.Rate.Bottom - rateHeight*v/ceiling) }
	for v := 0.0; v <= ceiling+step/2; v += step {
		d.Rate.Ticks = append(d.Rate.Ticks, tick{y(v), number(math.Round(v*100) / 100)})
	}
	below := make([]float64, len(d.cols))
	for i, name := range d.r.Releases {
		upper := make([]float64, len(d.cols))
		for k, c := range d.cols {
			upper[k] = below[k] + float64(c.releases[name])/c.width.Seconds()
		}
		d.Areas = append(d.Areas, area{i % palette, d.stairs(upper, below, y)})
		below = upper
	}
	return d.Rate.Bottom
}

// stairs is the outline between two step functions.
func (d *drawing) stairs(upper, lower []float64, y func(float64) float64) string {
	if len(d.cols) == 0 {
		return ""
	}
	var b strings.Builder
	sep := "M"
	for k, c := range d.cols {
		fmt.Fprintf(&b, "%s%g %gH%g", sep, d.x(c.at), y(upper[k]), d.x(c.at+c.width))
		sep = "L"
	}
	for k := len(d.cols) - 1; k >= 0; k-- {
		c := d.cols[k]
		fmt.Fprintf(&b, "L%g %gH%g", d.x(c.at+c.width), y(lower[k]), d.x(c.at))
	}
	return b.String() + "Z"
}

// losses draws a line for each class that occurred.
func (d *drawing) losses(top float64) (bottom float64) {
	list := d.r.lostClasses()
	d.Loss = panel{Top: top, Bottom: top + lossRow*float64(max(len(list), 1))}
	for i, class := range list {
		line := lossLine{Y: top + lossRow*float64(i), Name: class.Words(), Total: count(d.r.ByClass[class]), Severe: class != NotSent}
		for _, c := range d.cols {
			if n := c.classes[class]; n > 0 {
				line.Bars = append(line.Bars, d.bar(c, line.Y+2, n, class))
			}
		}
		d.Rows = append(d.Rows, line)
	}
	return d.Loss.Bottom
}

func (d *drawing) bar(c column, y float64, n int64, class Class) bar {
	share := float64(n) / float64(max(c.Sent+c.NotSent, 1))
	x := d.x(c.at)
	return bar{
		X: x, Y: y, Width: max(round(d.x(c.at+c.width)-x), 3), Strong: fmt.Sprintf("%.2f", 0.55+0.45*min(share*3, 1)),
		Title: fmt.Sprintf("%s %s at %s", count(n), class.Words(), seconds(c.at)),
	}
}

// latency draws p50 to p99 as a band and the maximum as a line, on a log scale.
func (d *drawing) latency(top float64) (bottom float64) {
	d.Latency = panel{Top: top, Bottom: top + latHeight}
	low, high := d.decades()
	y := func(v time.Duration) float64 {
		share := (math.Log10(max(float64(v), 1)) - low) / (high - low)
		return round(d.Latency.Bottom - latHeight*min(max(share, 0), 1))
	}
	for e := low; e <= high; e++ {
		v := time.Duration(math.Pow(10, e))
		d.Latency.Ticks = append(d.Latency.Ticks, tick{y(v), v.String()})
	}
	for _, run := range answeredRuns(d.cols) {
		d.Band += d.line(run, "M", func(c column) float64 { return y(c.P99) }) +
			d.back(run, func(c column) float64 { return y(c.P50) }) + "Z"
		d.P50 += d.line(run, "M", func(c column) float64 { return y(c.P50) })
		d.Max += d.line(run, "M", func(c column) float64 { return y(c.Max) })
	}
	return d.Latency.Bottom
}

// decades is the range of powers of ten, in nanoseconds.
func (d *drawing) decades() (low, high float64) {
	low, high = 6, 6
	for _, c := range d.cols {
		if c.OK > 0 {
			low = min(low, math.Floor(math.Log10(float64(max(c.P50, 1)))))
			high = max(high, math.Ceil(math.Log10(float64(max(c.Max, 1)))))
		}
	}
	return max(low, 3), max(high, low+1)
}

// answeredRuns splits the columns where nothing was answered: there the
// latency has a gap.
func answeredRuns(cols []column) (runs [][]column) {
	start := -1
	for i, c := range cols {
		switch {
		case c.OK > 0 && start < 0:
			start = i
		case c.OK == 0 && start >= 0:
			runs, start = append(runs, cols[start:i]), -1
		}
	}
	if start >= 0 {
		runs = append(runs, cols[start:])
	}
	return runs
}

func (d *drawing) line(cols []column, first string, y func(column) float64) string {
	var b strings.Builder
	for _, c := range cols {
		fmt.Fprintf(&b, "%s%g %gH%g", first, d.x(c.at), y(c), d.x(c.at+c.width))
		first = "L"
	}
	return b.String()
}

func (d *drawing) back(cols []column, y func(column) float64) string {
	var b strings.Builder
	for _, c := range slices.Backward(cols) {
		fmt.Fprintf(&b, "L%g %gH%g", d.x(c.at+c.width), y(c), d.x(c.at))
	}
	return b.String()
}

func (d *drawing) axis(top float64) {
	d.AxisY, d.Height = top, top+34
	step := time.Duration(niceStep(d.end.Seconds()/8) * float64(time.Second))
	if d.end > 8*time.Minute {
		step = max(step.Round(time.Minute), time.Minute)
	}
	for at := time.Duration(0); at <= d.end && step > 0; at += step {
		d.Times = append(d.Times, tick{d.x(at), axisLabel(at, d.end)})
	}
}

func axisLabel(at, end time.Duration) string {
	if end > 8*time.Minute {
		return fmt.Sprintf("%.0f min", at.Minutes())
	}
	return number(math.Round(at.Seconds()*100)/100) + " s"
}

func (d *drawing) shades() {
	for i, p := range d.r.Phases {
		x, to := d.x(p.Start), d.x(min(p.End, d.end))
		d.Phases = append(d.Phases, shade{X: x, Width: round(to - x), Middle: round((x + to) / 2), Name: p.Name, Odd: i%2 == 1})
	}
}

// niceStep is the smallest of 1, 2, 5 times a power of ten that is not below f.
func niceStep(f float64) float64 {
	if f <= 0 {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(f)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= f {
			return m * p
		}
	}
	return 10 * p
}
