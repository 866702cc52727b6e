package featureflag

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
)

// schemaURL names the schema of flagd's document.
const schemaURL = "https://flagd.dev/schema/v0/flags.json"

// InForce is the document that is in force with what is laid over the flags. Flags
// that are removed or Broken are not in it.
func InForce(flags []Flag, shed *Shed) Definitions {
	d := Definitions{Schema: schemaURL, Flags: make(map[string]Definition, len(flags))}
	for _, f := range flags {
		if f.Removed == nil && f.Broken == "" {
			d.Flags[f.Key] = f.inForce(shed)
		}
	}
	return d
}

func (f Flag) inForce(shed *Shed) Definition {
	switch {
	case f.Killed != nil, shed.Covers(f.Definition):
		return f.Definition.off()
	case f.Ramp != nil:
		return f.Ramp.over(f.Definition)
	}
	return f.Definition
}

// Covers reports whether a flag of this definition is turned down. A nil Shed covers none.
func (s *Shed) Covers(d Definition) bool {
	if s == nil || s.Level == "" {
		return false
	}
	level, err := ParseImportance(s.Level)
	i := d.Importance()
	return err == nil && i != Critical && !level.Before(i)
}

// off is the definition while the flag is killed or shed.
func (d Definition) off() Definition {
	d.Targeting = nil
	variant, ok := d.OffVariant()
	if !ok {
		d.State = Disabled
		return d
	}
	d.DefaultVariant = &variant
	return d
}

// OffVariant is the variant that is in force while the flag is killed or shed: the one
// that Metadata's "off" names, or the one named "off", or the first whose value is
// false. Without one the flag is disabled then.
func (d Definition) OffVariant() (string, bool) {
	named, _ := d.Metadata["off"].(string)
	for _, v := range []string{named, "off"} {
		if _, ok := d.Variants[v]; ok {
			return v, true
		}
	}
	for _, v := range slices.Sorted(maps.Keys(d.Variants)) {
		if string(d.Variants[v]) == "false" {
			return v, true
		}
	}
	return "", false
}

// whole is what the weights of a fractional add up to: hundredths of a percent.
const whole = 10_000

// weight is the ramp's share as a fractional has it.
func (r *Ramp) weight() int {
	return int(math.Round(min(max(r.Percent, 0), 100) * whole / 100))
}

// over lays the ramp over a definition: who is in its share has its variant, the
// others what the definition gives them. The share is the first bucket of two whose
// weights always add up to the same, so that it only grows at its end.
func (r *Ramp) over(d Definition) Definition {
	weight := r.weight()
	if _, ok := d.Variants[r.Variant]; !ok || weight == 0 {
		return d
	}
	if weight == whole {
		d.DefaultVariant, d.Targeting = &r.Variant, nil
		return d
	}
	type list = []any
	type rule = map[string]any
	otherwise := d.Targeting
	if !d.Targeted() { // {} says nothing where it stands alone, but is a value within
		otherwise = json.RawMessage("null")
	}
	share := rule{"fractional": list{list{r.Variant, weight}, list{"", whole - weight}}}
	targeting, err := json.Marshal(rule{"if": list{rule{"==": list{share, r.Variant}}, r.Variant, otherwise}})
	if err != nil { // the definition's targeting is no JSON: it is told by its evaluations
		return d
	}
	d.Targeting = targeting
	return d
}
