package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/featureflag"
)

type flagSetCmd struct {
	Key     string `arg:"" help:"The flag."`
	Variant string `arg:"" optional:"" help:"on, off or another variant: what everybody gets."`
	storeFlags
	Definition string   `help:"Take the whole definition (one flag of flagd's JSON) from a file; - is what comes in." placeholder:"FILE"`
	Variants   []string `help:"The variants and their values, as JSON or plain words, all of one kind. Default of a new flag: on=true,off=false." placeholder:"NAME=VALUE,…"`
	Default    string   `help:"The variant for those of whom targeting says nothing." placeholder:"VARIANT"`
	Targeting  string   `help:"JsonLogic that gives the name of a variant; null takes it away." placeholder:"JSON"`
	Importance string   `help:"low, normal, high or critical: what is turned down first under pressure, and what never." enum:"low,normal,high,critical," default:"" placeholder:"WORD"`
	Off        string   `help:"The variant while it is killed or shed. Default: off, or the one that is false." placeholder:"VARIANT"`
	Public     *bool    `negatable:"" help:"Show it to browsers, or no longer."`
	Why        string   `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *flagSetCmd) Help() string {
	return `Examples:
  segue flag set new-checkout off
  segue flag set new-checkout on --why "it has been at 100 % for a week"
  segue flag set colour blue --variants red=#f00,blue=#00f --public
  segue flag set colour --targeting '{"if": [{"ends_with": [{"var": "email"}, "@shop.example"]}, "red"]}'
  segue flag set recommendations --importance low     # turned down first when there is no room
  segue flag set new-checkout --definition checkout.json

What is not said stays. A ramp of the flag is over with it; a kill stays.`
}

func (c *flagSetCmd) Run(e *env) error {
	all, done, err := c.open(e)
	if err != nil {
		return err
	}
	defer done()
	found, err := flagsNamed(e, all, c.Key)
	switch {
	case err != nil:
		return err
	case len(found) > 0:
		return oneFlag(found, c.Key, func(f flagIn) error { return c.set(e, f) })
	}
	return onPlace(e, &c.storeFlags, func(s storeIn) error {
		f := flagIn{flagOf{Services: s.services, Flag: featureflag.Flag{Key: c.Key}}, s, featureflag.NewControl(s.Store, who())}
		return oneFlag([]flagIn{f}, c.Key, func(f flagIn) error { return c.set(e, f) })
	})
}

func (c *flagSetCmd) set(e *env, f flagIn) error {
	before := f.flag
	d, err := c.make(e, before)
	if err != nil {
		return err
	}
	if err := f.control.Set(e, c.Key, d, c.Why); err != nil {
		return err
	}
	return f.tell(e, func(w out, f flagOf) {
		verb := ""
		switch {
		case before.Version == 0:
			verb = "made; "
		case f.Version == before.Version:
			verb = "as it was; "
		}
		fmt.Fprintf(w, "%s: %sit is %s\n", f.Key, verb, f.state())
		if f.Killed != nil {
			fmt.Fprintf(w, "  it stays so until `segue flag restore %s`\n", f.Key)
		}
		if r := before.Ramp; r != nil && f.Ramp == nil && r.Percent > 0 && r.Percent < 100 {
			fmt.Fprintf(w, "  its ramp of %s at %s is over\n", r.Variant, percent(r.Percent))
		}
	})
}

// make is what was there with what is to be another.
func (c *flagSetCmd) make(e *env, f flagOf) (featureflag.Definition, error) {
	d := f.Definition
	d.Metadata = maps.Clone(d.Metadata)
	if c.Definition != "" {
		data, err := e.read(c.Definition)
		if err != nil {
			return d, err
		}
		d = featureflag.Definition{}
		if err := json.Unmarshal(data, &d); err != nil {
			return d, &exitError{exitUsage, fmt.Sprintf("%s: it is to be one flag of flagd's JSON, such as {\"variants\": {\"on\": true, \"off\": false}, \"defaultVariant\": \"off\"}: %v", c.Definition, err)}
		}
	} else if f.Version == 0 && c.Variant == "" && c.Default == "" {
		return d, &exitError{exitUsage, fmt.Sprintf("there is no flag %q yet; say what it is to be at first: segue flag set %s off", c.Key, c.Key)}
	}
	if err := c.variants(&d); err != nil {
		return d, err
	}
	if err := c.target(&d); err != nil {
		return d, err
	}
	c.metadata(&d)
	return d, nil
}

func (c *flagSetCmd) variants(d *featureflag.Definition) error {
	if len(c.Variants) > 0 {
		d.Variants = map[string]json.RawMessage{}
	}
	for _, word := range c.Variants {
		name, value, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return &exitError{exitUsage, fmt.Sprintf("--variants %s: they are NAME=VALUE, such as red=#f00,blue=#00f; those with commas in them are set by --definition", word)}
		}
		d.Variants[name] = wordJSON(value)
	}
	if d.Variants == nil {
		d.Variants = map[string]json.RawMessage{"on": []byte("true"), "off": []byte("false")}
	}
	for _, variant := range []string{c.Default, c.Variant, c.Off} {
		if _, ok := d.Variants[variant]; !ok && variant != "" {
			return &exitError{exitUsage, fmt.Sprintf("%s has no variant %q; it has %s. Others are made by --variants", c.Key, variant, strings.Join(slices.Sorted(maps.Keys(d.Variants)), ", "))}
		}
	}
	return nil
}

func (c *flagSetCmd) target(d *featureflag.Definition) error {
	if c.Targeting != "" {
		if !json.Valid([]byte(c.Targeting)) {
			return &exitError{exitUsage, fmt.Sprintf("--targeting: %s is no JSON; it looks like '{\"if\": [{\"==\": [{\"var\": \"plan\"}, \"gold\"]}, \"on\"]}'", c.Targeting)}
		}
		if d.Targeting = json.RawMessage(c.Targeting); c.Targeting == "null" {
			d.Targeting = nil
		}
	}
	if c.Default != "" {
		d.DefaultVariant = &c.Default
	}
	if c.Variant == "" {
		return nil
	}
	if d.Targeted() {
		return &exitError{exitUsage, fmt.Sprintf("%s has targeting, which comes before what everybody gets: say `--targeting null` to take it away as well, or `--default %s` to change only what the others get", c.Key, c.Variant)}
	}
	d.State, d.DefaultVariant = featureflag.Enabled, &c.Variant
	return nil
}

// metadata says what is said by words of its own.
func (c *flagSetCmd) metadata(d *featureflag.Definition) {
	say := func(name string, value any) {
		if d.Metadata == nil {
			d.Metadata = map[string]any{}
		}
		d.Metadata[name] = value
	}
	if c.Importance != "" {
		say("importance", c.Importance)
	}
	if c.Off != "" {
		say("off", c.Off)
	}
	if c.Public != nil {
		say("public", *c.Public)
	}
}

type flagRampCmd struct {
	Key   string      `arg:"" help:"The flag."`
	Share *percentage `arg:"" optional:"" help:"The share in the end, such as 25%; --to 25% is the same. Default: 100%."`
	storeFlags
	Over      time.Duration `help:"How long it takes. Without it: at once." placeholder:"DURATION"`
	From      *percentage   `help:"Where it begins. Default: where a ramp of the same variant stands, else 0 %." placeholder:"PERCENT"`
	Variant   string        `help:"The variant. Default: on, or the only one beside the default." placeholder:"NAME"`
	MaxErrors percentage    `name:"max-errors" default:"1%" help:"It stops by itself when more of the service's requests fail."`
	MaxP95    time.Duration `name:"max-p95" help:"It stops when the 95th percentile of latencies is above. Default: not looked at." placeholder:"DURATION"`
	NoGuard   bool          `name:"no-guard" help:"Do not look at errors and latency."`
	Back      bool          `help:"When it stops by itself: back to where it began, instead of staying."`
	Follow    bool          `short:"f" help:"Show how it gets on, until it has ended; exit code 1 if it stopped."`
	Why       string        `help:"Why, for the history." placeholder:"TEXT"`
}

func (c *flagRampCmd) Help() string {
	return `Examples:
  segue flag ramp new-checkout --to 100% --over 4h
  segue flag ramp new-checkout --to 5%                       # at once
  segue flag ramp new-checkout --to 100% --over 4h --max-errors 0.5% --max-p95 500ms --back --follow
  segue flag ramp new-checkout --to 0% --over 10m            # down again
  segue flag ramp colour --variant red --to 50% --over 24h

Who is in the share follows from the flag and the targeting key: while it grows, nobody who has the
variant loses it. It comes before the flag's targeting. A ramp over a time is moved by the agent that
runs the service; without one, go by steps: --to 5%, --to 25%, …`
}

func (c *flagRampCmd) Run(e *env) error {
	return onFlag(e, &c.storeFlags, c.Key, func(f flagIn) error {
		r, err := c.ramp(e, f.flag)
		if err != nil {
			return err
		}
		if b := f.flag.Ramp; c.From != nil && *c.From == 0 && b != nil && b.Variant == r.Variant && b.Percent > 0 { // zero is where that stands
			if err := f.control.Ramp(e, c.Key, featureflag.Ramp{Variant: r.Variant}, "to begin anew"); err != nil {
				return err
			}
		}
		if err := f.control.Ramp(e, c.Key, r, c.Why); err != nil {
			return err
		}
		if err := f.tell(e, c.tell); err != nil {
			return err
		}
		if r.Over > 0 {
			c.agent(e, f)
		}
		if !c.Follow {
			return nil
		}
		return followRamp(e, f)
	})
}

// share is where the ramp goes. Everywhere else --to is an engine.
func (c *flagRampCmd) share(e *env) (percentage, error) {
	to := percentage(100)
	said := e.flags.To != "" && e.flags.To[0] >= '0' && e.flags.To[0] <= '9'
	switch {
	case said && c.Share != nil:
		return 0, &exitError{exitUsage, fmt.Sprintf("a ramp to %s, or to %s? Say one", percent(float64(*c.Share)), e.flags.To)}
	case c.Share != nil:
		return *c.Share, nil
	case said:
		if err := to.UnmarshalText([]byte(e.flags.To)); err != nil {
			return 0, &exitError{exitUsage, "--to: " + err.Error()}
		}
	}
	return to, nil
}

func (c *flagRampCmd) ramp(e *env, f flagOf) (featureflag.Ramp, error) {
	share, err := c.share(e)
	if err != nil {
		return featureflag.Ramp{}, err
	}
	r := featureflag.Ramp{Variant: c.Variant, To: float64(share), Over: c.Over}
	if c.From != nil {
		r.From = float64(*c.From)
	}
	if r.Variant == "" {
		if r.Variant, err = f.rampVariant(); err != nil {
			return r, err
		}
	}
	if !c.NoGuard && c.Over > 0 {
		r.Guard = &featureflag.Guard{Errors: float64(c.MaxErrors), P95: c.MaxP95, Back: c.Back}
	}
	return r, nil
}

// rampVariant is the one that a ramp is of when none is said.
func (f flagOf) rampVariant() (string, error) {
	d := f.Definition
	if f.Ramp != nil && d.Variants[f.Ramp.Variant] != nil {
		return f.Ramp.Variant, nil
	}
	if d.Variants["on"] != nil {
		return "on", nil
	}
	var others []string
	for _, v := range slices.Sorted(maps.Keys(d.Variants)) {
		if d.DefaultVariant == nil || v != *d.DefaultVariant {
			others = append(others, v)
		}
	}
	if len(others) == 1 {
		return others[0], nil
	}
	return "", &exitError{exitUsage, fmt.Sprintf("a ramp of which variant? Name one: --variant %s", strings.Join(slices.Sorted(maps.Keys(d.Variants)), ", --variant "))}
}

func (c *flagRampCmd) tell(w out, f flagOf) {
	r := f.Ramp
	if r == nil {
		return
	}
	if r.Over == 0 {
		fmt.Fprintf(w, "%s: %s\n", f.Key, f.state())
		return
	}
	fmt.Fprintf(w, "%s: %s%s\n", f.Key, f.rampWay(), guarded(r.Guard))
}

// guarded says when a ramp stops by itself.
func guarded(g *featureflag.Guard) string {
	if g == nil {
		return ""
	}
	text := "; it stops above " + percent(max(g.Errors, 0)) + " errors"
	if g.Errors == 0 {
		text = "; it stops above 1 % errors"
	}
	if g.P95 > 0 {
		text += " or a p95 of " + shortly(g.P95)
	}
	if g.Back {
		text += ", and goes back then"
	}
	return text
}

// agent says so if there is none that moves the ramp.
func (c *flagRampCmd) agent(e *env, f flagIn) {
	st, err := e.agent().Status(e)
	if e.Err() != nil {
		return
	}
	for _, s := range st.Services {
		if slices.Contains(f.in.services, s.Name) {
			return
		}
	}
	why := fmt.Sprintf("no agent that answers here runs %s", f.in.name())
	if err != nil {
		why = "no agent answers here"
	}
	at := f.flag.rampAt(c.From)
	fmt.Fprintf(e.err, "segue: %s: an agent that does moves the ramp; without one it stays at %s. Go by steps then: segue flag ramp %s --to %s\n",
		why, percent(at), c.Key, percentArg(nextShare(at)))
}

// nextShare is one that a careful person would try next.
func nextShare(from float64) float64 {
	for _, p := range []float64{1, 5, 25, 50} {
		if p > from {
			return p
		}
	}
	return 100
}

func (f flagOf) rampAt(from *percentage) float64 {
	switch {
	case from != nil:
		return float64(*from)
	case f.Ramp != nil:
		return f.Ramp.Percent
	}
	return 0
}
