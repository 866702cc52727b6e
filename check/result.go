package check

import (
	"encoding/json"
	"time"
)

// A Verdict is what a case has come to.
type Verdict string

const (
	Pass Verdict = "pass" // nothing that the client did correctly failed
	Fail Verdict = "fail" // something did, or the server does not stop as it should
	Warn Verdict = "warn" // nothing was lost, because somebody else takes care, or by luck
	Skip Verdict = "skip" // the case does not apply
)

// A Result is the verdict of one case.
type Result struct {
	Case    string  `json:"case"`
	Verdict Verdict `json:"verdict"`
	// Outcome is what happened, by a fixed word that stands in the case's
	// documentation. The class and the mends go by it.
	Outcome Outcome `json:"outcome,omitempty"`
	// Observed says what happened, with the times.
	Observed string `json:"observed"`
	// Sent and Lost count requests, where the case sends several.
	Sent int `json:"sent,omitempty"`
	Lost int `json:"lost,omitempty"`
	// Mend is what to do, in the server's own terms where it is known.
	Mend string   `json:"mend,omitempty"`
	Took Duration `json:"took"` // from the signal to the end of what was waited for

	late bool // the case was not in position at the signal
}

// An Outcome is what happened in a case, by one word.
type Outcome string

// A Duration is written to JSON as a number of seconds.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).Round(time.Millisecond).String() }

func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(time.Duration(d).Seconds())
}

func (d *Duration) UnmarshalJSON(b []byte) error {
	var s float64
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*d = Duration(s * float64(time.Second))
	return nil
}

// A Report is what a check has found.
type Report struct {
	Target  string   `json:"target"`
	Server  Server   `json:"server"`
	Survey  *Survey  `json:"survey,omitempty"`
	Class   Class    `json:"class"`
	Results []Result `json:"results"` // in the suite's order
	Took    Duration `json:"took"`
	// ExitIdle and ExitBusy are how long the server took to exit.
	ExitIdle Duration `json:"exit_idle,omitempty"`
	ExitBusy Duration `json:"exit_busy,omitempty"`
	// Unfinished is why some cases could not be tried although they apply: the
	// server did not come back. "" if nothing is missing.
	Unfinished string `json:"unfinished,omitempty"`
}

// Count is how many cases have the verdict.
func (r *Report) Count(v Verdict) int {
	n := 0
	for _, c := range r.Results {
		if c.Verdict == v {
			n++
		}
	}
	return n
}

// Passed reports whether nothing failed, of all that was to be tried.
func (r *Report) Passed() bool { return r.Count(Fail) == 0 && r.Unfinished == "" }

// Of is the result of the case, and false if it was not asked for.
func (r *Report) Of(name string) (Result, bool) {
	for _, c := range r.Results {
		if c.Case == name {
			return c, true
		}
	}
	return Result{}, false
}
