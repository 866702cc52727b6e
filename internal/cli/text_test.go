package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0.0s", 0: "0.0s", 1234 * time.Millisecond: "1.2s", 9949 * time.Millisecond: "9.9s",
		10 * time.Second: "10s", 59600 * time.Millisecond: "1m0s", 5*time.Minute + 12*time.Second: "5m12s",
		59*time.Minute + 59*time.Second: "59m59s", time.Hour: "1h0m", 3*time.Hour + 5*time.Minute + 59*time.Second: "3h5m",
		24 * time.Hour: "1d0h", 98 * time.Hour: "4d2h", 400 * 24 * time.Hour: "400d0h",
	} {
		if got := ago(d); got != want {
			t.Errorf("ago(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestRound(t *testing.T) {
	for d, want := range map[time.Duration]string{
		2345 * time.Microsecond: "2ms", 999 * time.Millisecond: "999ms", 1234 * time.Millisecond: "1.2s", 62 * time.Second: "1m2s",
	} {
		if got := round(d).String(); got != want {
			t.Errorf("round(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 10<<10 - 1: "10239 B", 10 << 10: "10 KiB", 10<<20 - 1: "10239 KiB", 10 << 20: "10 MiB", 3 << 30: "3072 MiB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestFirstLine(t *testing.T) {
	for s, want := range map[string]string{"": "", "one": "one", "one\ntwo": "one", "\ntwo": ""} {
		if got := firstLine(s); got != want {
			t.Errorf("firstLine(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestSummary(t *testing.T) {
	for s, want := range map[string]string{
		"it ended: exit status 1; last in its log:\n    boom": "it ended: exit status 1",
		"it ended; its log is empty":                          "it ended; its log is empty",
	} {
		if got := summary(s); got != want {
			t.Errorf("summary(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	if got := plural(0, "file") + ", " + plural(1, "file") + ", " + plural(int64(2), "file"); got != "0 files, 1 file, 2 files" {
		t.Error(got)
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"plain\nlines": "plain\nlines", "a\tb": "a b", "\x1b[1;31mred\x1b[0m": "red", "\x1b]0;title\a": "]0;title",
		"back\bspace\r": "backspace", "\u202eright to left": "right to left", "ümläut 漢字": "ümläut 漢字", "\u009b31m": "31m",
	} {
		if got := printable(s); got != want {
			t.Errorf("printable(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{
		{"short", 10, "short"}, {"exactly", 7, "exactly"}, {"too long", 7, "too lo…"}, {"漢字漢字", 8, "漢字漢字"},
		{"漢字漢字", 7, "漢字漢…"}, {"漢字漢字", 6, "漢字…"}, {"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"}, {"", 1, ""}, {"ab", 1, "…"},
	} {
		got := clip(c.line, c.width)
		if got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.line, c.width, got, c.want)
		}
		if cells(got) > c.width {
			t.Errorf("clip(%q, %d) takes %d columns", c.line, c.width, cells(got))
		}
	}
}

func TestFit(t *testing.T) {
	var b strings.Builder
	for n := range 30 {
		fmt.Fprintf(&b, "line %d %s\n", n, strings.Repeat("x", 100))
	}
	got := strings.Split(strings.TrimSuffix(fit(b.String(), 40, 10), "\n"), "\n")
	if len(got) != 9 || got[8] != "… 22 more lines" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	for _, line := range got {
		if cells(line) > 40 {
			t.Errorf("%q is too wide", line)
		}
	}
	if got := fit("one\ntwo\n", 40, 10); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
}

func TestWriteTable(t *testing.T) {
	var b bytes.Buffer
	writeTable(&b, func(w out) { fmt.Fprint(w, "A\tB\t\nlonger\tx\t\n1\t2\tlast\n") })
	if want := "A       B\nlonger  x\n1       2  last\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
