package drill

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// -reports writes the sample reports there, to be looked at.
var reports = flag.String("reports", "", "directory to write sample reports to")

func render(t *testing.T, r *Result) (html, plain string) {
	t.Helper()
	var h, x bytes.Buffer
	if err := r.WriteHTML(&h); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteText(&x); err != nil {
		t.Fatal(err)
	}
	return h.String(), x.String()
}

func TestReports(t *testing.T) {
	for name, losses := range map[string]int{"clean": 0, "lossy": 23} {
		html, plain := render(t, sample(losses))
		words := map[string][]string{
			"clean": {"0 lost", "12,400 requests", "release 42", "b2 ready", "before", "6,200 on fresh connections"},
			"lossy": {"23 lost", "connection refused", "503 with Retry-After", "Nothing was listening"},
		}[name]
		for _, w := range words {
			if !strings.Contains(html, w) {
				t.Errorf("%s.html lacks %q", name, w)
			}
		}
		if !strings.HasPrefix(plain, "verdict   "+words[0]+" of ") {
			t.Errorf("%s.txt begins %q", name, plain[:60])
		}
		if *reports != "" {
			write(t, name+".html", html)
			write(t, name+".txt", plain)
		}
	}
}

func write(t *testing.T, name, s string) {
	if err := os.WriteFile(filepath.Join(*reports, name), []byte(s), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestHTMLIsSelfContained: nothing is loaded from anywhere.
func TestHTMLIsSelfContained(t *testing.T) {
	html, _ := render(t, sample(23))
	if found := regexp.MustCompile(`(?i)<(link|img|iframe|script)[^>]*(src|href)|@import|url\([^#]|xlink|fetch\(|ZgotmplZ`).FindString(html); found != "" {
		t.Errorf("found %q", found)
	}
}

// TestHTMLEscapes: what servers and commands say is text, and stays it.
func TestHTMLEscapes(t *testing.T) {
	r := sample(5)
	evil := `"><script>alert(1)</script>`
	r.Label = evil
	r.Marks = append(r.Marks, Mark{time.Second, evil})
	r.Failures[0].Err, r.Failures[0].Release, r.Failures[0].SegueError = evil, evil, evil
	r.Releases[0] = evil
	r.ByRelease[evil] = 1
	r.Plan.Targets[0].URL = evil
	html, _ := render(t, r)
	if strings.Contains(html, "<script>alert") || strings.Count(html, "</script>") != 1 {
		t.Error("markup from outside got through")
	}
}

// TestMarksDoNotOverlap, however many there are.
func TestMarksDoNotOverlap(t *testing.T) {
	for _, n := range []int{0, 1, 5, 30, 200} {
		r := sample(0)
		r.Marks = nil
		for i := range n {
			r.Marks = append(r.Marks, Mark{time.Duration(i*i%62) * time.Second, "instance b" + strings.Repeat("x", i%20)})
		}
		checkMarks(t, r.chart(), n)
	}
}

func checkMarks(t *testing.T, c chart, n int) {
	t.Helper()
	if len(c.Marks) != n {
		t.Fatalf("%d marks of %d", len(c.Marks), n)
	}
	type span struct{ y, from, to float64 }
	var taken []span
	for _, m := range c.Marks {
		width := float64(len([]rune(m.Label))) * glyph
		s := span{m.LabelY, m.LabelX, m.LabelX + width}
		if m.End {
			s.from, s.to = m.LabelX-width, m.LabelX
		}
		if s.to > chartWidth {
			t.Errorf("%q is cut off", m.Label)
		}
		for _, o := range taken {
			if o.y == s.y && s.from < o.to && o.from < s.to {
				t.Errorf("with %d marks, %q covers another", n, m.Label)
			}
		}
		taken = append(taken, s)
	}
}

// TestReportsOfLittle: results with next to nothing in them can be shown.
func TestReportsOfLittle(t *testing.T) {
	for name, r := range map[string]*Result{
		"zero":     {},
		"one lost": {Count: Count{Sent: 1, Lost: 1}, ByClass: map[Class]int64{Refused: 1}, TimelineWidth: time.Second, Timeline: []Moment{{Count: Count{Sent: 1, Lost: 1}}}},
	} {
		html, plain := render(t, r)
		if html == "" || plain == "" || strings.Contains(html, "NaN") || strings.Contains(html, "Inf") {
			t.Errorf("%s: %s", name, plain)
		}
	}
}

func TestVerdictWords(t *testing.T) {
	r := sample(0)
	got := r.Verdict().String()
	const expect = "0 lost of 12,400 requests (200/s for 62 s; 6,200 on fresh connections, 4,960 kept alive, 1,240 over HTTP/2)"
	if got != expect {
		t.Errorf("got  %s\nwant %s", got, expect)
	}
	if r.NotSent = 7; r.Verdict().Pass {
		t.Error("what could not be sent proves nothing")
	}
	r.NotSent, r.Lateness.P99 = 0, time.Second
	if v := r.Verdict(); !v.Pass || v.Caveat == "" {
		t.Errorf("a late drill: %+v", v)
	}
}
