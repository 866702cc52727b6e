package drill

import (
	"fmt"
	"strings"
	"time"
)

// Verdict is a result in one sentence.
type Verdict struct {
	// Pass is whether this is proof that nothing was lost: something was sent,
	// nothing lost, and everything that was due could be sent.
	Pass bool `json:"pass"`
	// Short: "0 lost of 12,402 requests".
	Short string `json:"short"`
	// Detail: "200/s for 62 s; 6,201 on fresh connections, 6,201 kept alive".
	Detail string `json:"detail"`
	// Caveat is set when the drill itself fell short, "" otherwise.
	Caveat string `json:"caveat,omitempty"`
}

// String is the whole sentence.
func (v Verdict) String() string {
	s := v.Short
	if v.Detail != "" {
		s += " (" + v.Detail + ")"
	}
	if v.Caveat != "" {
		s += "; " + v.Caveat
	}
	return s
}

// lateEnough is a lateness of the drill itself that is worth a caveat.
const lateEnough = 100 * time.Millisecond

// Verdict judges the result.
func (r *Result) Verdict() Verdict {
	v := Verdict{
		Pass:   r.Lost == 0 && r.NotSent == 0 && r.Sent > 0,
		Short:  fmt.Sprintf("%s lost of %s", count(r.Lost), plural(r.Sent, "request")),
		Detail: r.detail(),
	}
	switch {
	case r.Sent+r.NotSent == 0:
		v.Short, v.Detail, v.Caveat = "nothing was sent", "", "so nothing is proved"
	case r.NotSent > 0:
		v.Caveat = fmt.Sprintf("%s more were due, but the drill itself could not send them", count(r.NotSent))
	case r.Lateness.P99 > lateEnough:
		v.Caveat = fmt.Sprintf("the drill itself was late (p99 %s): latencies and timeouts may be its own", millis(r.Lateness.P99))
	}
	return v
}

func (r *Result) detail() string {
	parts := []string{}
	for _, m := range modes {
		if s := r.ByMode[m]; s.Sent > 0 {
			parts = append(parts, count(s.Sent)+" "+m.Words())
		}
	}
	return fmt.Sprintf("%s/s for %s; %s", number(r.Plan.Rate), seconds(r.Sending), strings.Join(parts, ", "))
}

// count is n with commas.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return count(n) + " " + what + "s"
}

func number(f float64) string {
	if f == float64(int64(f)) {
		return count(int64(f))
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".")
}

// seconds is a length of time as people say it.
func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
}

// millis is a latency in milliseconds, to three digits.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case d == 0:
		return "–"
	case ms < 0.995:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 9.95:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 9999.5:
		return fmt.Sprintf("%.0f ms", ms)
	default:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
}
