package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/featureflag"
)

// A percentage is 25%, or 25.
type percentage float64

func (p *percentage) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(string(text), "%")), 64)
	if err != nil || !(n >= 0 && n <= 100) {
		return fmt.Errorf("%s is no share; it is 0%% to 100%%", text)
	}
	*p = percentage(n)
	return nil
}

// percent is a share as people write it.
func percent(p float64) string {
	return strconv.FormatFloat(math.Round(p*100)/100, 'f', -1, 64) + " %"
}

// percentArg is a share as a command takes it.
func percentArg(p float64) string { return strings.ReplaceAll(percent(p), " ", "") }

// shortly is a duration without the noughts at its end: 4h, 1h30m, 500ms.
func shortly(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// A flagList is what `segue flag ls --json` prints.
type flagList struct {
	Flags []flagOf `json:"flags"`
	Shed  []shedOf `json:"shed,omitempty"`
}

type shedOf struct {
	Services []string `json:"services"`
	featureflag.Shed
}

func writeFlags(w out, l flagList) {
	if len(l.Flags) == 0 {
		fmt.Fprintln(w, "no service has a flag yet; `segue flag set NAME off` makes one, docs/flags.md tells what for")
		return
	}
	writeTable(w, func(t out) {
		fmt.Fprintln(t, "FLAG\tIN FORCE\tVARIANTS\tIMPORTANCE\tCHANGED\tBY\tWHY")
		for _, f := range l.Flags {
			last := featureflag.Change{}
			if n := len(f.History); n > 0 {
				last = f.History[n-1]
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(f.Key), f.state(), printable(strings.Join(slices.Sorted(maps.Keys(f.Definition.Variants)), ", ")),
				f.Definition.Importance(), cmp.Or(clock(last.At), "-"), printable(last.By), printable(firstLine(last.Why)))
		}
	})
	for _, f := range l.Flags {
		if note := f.note(); note != "" {
			fmt.Fprintf(w, "%s: %s\n", printable(f.Key), note)
		}
	}
	for _, s := range l.Shed {
		fmt.Fprintf(w, "%s: short of capacity since %s; flags of %s are at their off variant: %s\n", strings.Join(s.Services, ", "), clock(s.At), upTo(s.Level), printable(s.Why))
	}
}

// upTo names the importances that are turned down at a level.
func upTo(level string) string {
	if level == featureflag.Low.String() {
		return "low importance"
	}
	return "importance up to " + printable(level)
}

// state is what is in force, in a few words.
func (f flagOf) state() string {
	switch {
	case f.Broken != "":
		return "broken"
	case f.Killed != nil:
		return f.offWords() + ", killed"
	case f.shed.Covers(f.Definition):
		return f.offWords() + ", shed"
	case f.Definition.State == featureflag.Disabled:
		return "disabled"
	case f.Ramp != nil:
		return f.rampState()
	}
	return f.rest()
}

// offWords are what it is while it is killed or shed.
func (f flagOf) offWords() string {
	if v, ok := f.Definition.OffVariant(); ok {
		return printable(v)
	}
	return "the caller's default"
}

// rest is what those get who are in no ramp.
func (f flagOf) rest() string {
	what := "the caller's default"
	if d := f.Definition.DefaultVariant; d != nil {
		what = printable(*d)
	}
	if f.Definition.Targeted() {
		return "targeting, else " + what
	}
	return what
}

func (f flagOf) rampState() string {
	r := f.Ramp
	text := percent(r.Percent) + " of " + printable(r.Variant)
	switch {
	case r.State == featureflag.RampRunning && r.To < r.Percent:
		return fmt.Sprintf("%s, %s left to %s", text, ago(r.Left()), percent(r.To))
	case r.State == featureflag.RampRunning:
		return fmt.Sprintf("%s, %s left", text, ago(r.Left()))
	case r.State == featureflag.RampStopped:
		return text + ", stopped"
	case r.Percent == 0:
		return f.rest()
	case r.Percent == 100:
		return printable(r.Variant) + ", ramped up"
	}
	return text
}

// rampWay is from where to where, in what time.
func (f flagOf) rampWay() string {
	r := f.Ramp
	if r.Over == 0 {
		return fmt.Sprintf("%s to %s at once", printable(r.Variant), percent(r.To))
	}
	return fmt.Sprintf("%s from %s to %s over %s", printable(r.Variant), percent(r.From), percent(r.To), shortly(r.Over))
}

// note is what to know beside that; "" is nothing.
func (f flagOf) note() string {
	switch r := f.Ramp; {
	case f.Broken != "":
		return printable(f.Broken) + "; `segue flag rm` forgets it"
	case f.Killed != nil:
		return "killed by " + stamped(*f.Killed)
	case r != nil && r.State == featureflag.RampStopped:
		return fmt.Sprintf("stopped at %s: %s", percent(r.Percent), printable(cmp.Or(r.Note, "by command")))
	}
	if problem := featureflag.Compile(featureflag.InForce([]featureflag.Flag{f.Flag}, nil)).Problems()[f.Key]; problem != nil {
		return fmt.Sprintf("it cannot be evaluated, and whoever asks gets his own default: %s", printable(problem.Error()))
	}
	return ""
}

// stamped is who did it, when and why.
func stamped(s featureflag.Stamp) string {
	text := fmt.Sprintf("%s at %s", printable(s.By), clock(s.At))
	if s.Why != "" {
		text += ": " + printable(s.Why)
	}
	return text
}

func writeFlag(w out, f flagOf) {
	fmt.Fprintf(w, "%s  %s\n", printable(f.Key), f.state())
	if note := f.note(); note != "" {
		fmt.Fprintf(w, "  %s\n", note)
	}
	line := func(name, text string) { fmt.Fprintf(w, "  %-12s%s\n", name, text) }
	d := f.Definition
	for _, v := range slices.Sorted(maps.Keys(d.Variants)) {
		text := printable(v) + " = " + printable(compact(d.Variants[v]))
		if d.DefaultVariant != nil && v == *d.DefaultVariant {
			text += ", the default"
		}
		line("variant", text)
	}
	if d.Targeted() {
		line("targeting", printable(compact(d.Targeting)))
	}
	if r := f.Ramp; r != nil {
		line("ramp", fmt.Sprintf("%s%s; begun by %s", f.rampWay(), guarded(r.Guard), stamped(r.Stamp)))
	}
	line("importance", d.Importance().String())
	if d.Public() {
		line("public", "browsers see it")
	}
	line("killed is", f.offWords())
	if n := len(f.History); n > 0 {
		last := f.History[n-1]
		line("changed", fmt.Sprintf("%s, by %s", printable(last.What), stamped(last.Stamp)))
	}
}

// compact is JSON in one line.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return string(raw)
	}
	return b.String()
}

// newest are the last n changes, the newest first; n 0 is all.
func newest(history []featureflag.Change, n int) []featureflag.Change {
	all := slices.Clone(history)
	slices.Reverse(all)
	if n > 0 {
		all = all[:min(n, len(all))]
	}
	return all
}

func writeChanges(w out, changes []featureflag.Change) {
	writeTable(w, func(t out) {
		fmt.Fprintln(t, "WHEN\tBY\tWHAT\tWHY")
		for _, c := range changes {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", c.At.Local().Format(time.DateTime), printable(c.By), printable(c.What), printable(firstLine(c.Why)))
		}
	})
}

// An evaluated flag, as OFREP's answer has it.
type evaluated struct {
	key string
	featureflag.Evaluation
}

func (v evaluated) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Key      string                `json:"key"`
		Value    any                   `json:"value,omitempty"`
		Variant  string                `json:"variant,omitempty"`
		Reason   featureflag.Reason    `json:"reason"`
		Metadata map[string]any        `json:"metadata,omitempty"`
		Err      featureflag.ErrorCode `json:"errorCode,omitempty"`
		Detail   string                `json:"errorDetails,omitempty"`
	}{v.key, v.Value, v.Variant, v.Reason, v.Metadata, v.Err, v.Detail})
}

func (v evaluated) write(w out, who string, f flagOf) {
	what, of := "the caller's default", ""
	if v.Variant != "" {
		raw, err := json.Marshal(v.Value)
		if err != nil {
			raw = []byte("?")
		}
		what, of = printable(string(raw)), ", variant "+printable(v.Variant)
	}
	fmt.Fprintf(w, "%s is %s for %s%s: %s\n", v.key, what, cmp.Or(printable(who), "nobody in particular"), of, v.why(f))
}

// why is the reason in words.
func (v evaluated) why(f flagOf) string {
	switch {
	case v.Err != "":
		return fmt.Sprintf("%s: %s", v.Err, printable(v.Detail))
	case f.Killed != nil:
		return fmt.Sprintf("%s; it is killed by %s", v.Reason, stamped(*f.Killed))
	case f.shed.Covers(f.Definition):
		return fmt.Sprintf("%s; it is shed", v.Reason)
	case f.Ramp != nil:
		return fmt.Sprintf("%s; its ramp is at %s of %s", v.Reason, percent(f.Ramp.Percent), printable(f.Ramp.Variant))
	}
	return string(v.Reason)
}
