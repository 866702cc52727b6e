package featureflag

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Set gives a flag its definition, and makes the flag if need be. State "" is Enabled.
// A ramp, running or not, is over with it; a kill stays. A definition that cannot
// be evaluated is refused with ErrInvalid.
func (c *Control) Set(ctx context.Context, key string, d Definition, why string) error {
	d, err := checked(key, d)
	if err != nil {
		return err
	}
	return c.change(ctx, key, why, func(f *Flag) (string, error) {
		switch {
		case f.Broken != "":
			return "", fmt.Errorf("flag %q: %w: %s; remove it first", key, ErrInvalid, f.Broken)
		case f.Version > 0 && f.Removed == nil && f.Ramp == nil && same(f.Definition, d):
			return "", nil
		}
		what := f.define(d)
		if f.Ramp != nil {
			what += fmt.Sprintf("; the ramp of %s at %s is over", f.Ramp.Variant, percent(f.Ramp.Percent))
			f.Ramp = nil
		}
		return what, nil
	})
}

// checked is the definition as it is kept, or why it cannot be.
func checked(key string, d Definition) (Definition, error) {
	if err := CheckKey(key); err != nil {
		return d, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if d.State == "" {
		d.State = Enabled
	}
	one := Definitions{Flags: map[string]Definition{key: d}}
	if err := Compile(one).Problems()[key]; err != nil {
		return d, fmt.Errorf("flag %q: %w: %w", key, ErrInvalid, err)
	}
	return d, nil
}

// define gives f its definition and says so.
func (f *Flag) define(d Definition) string {
	verb := "set"
	if f.Version == 0 || f.Removed != nil {
		*f = Flag{Key: f.Key, Version: f.Version, History: f.History}
		verb = "made"
	}
	f.Definition = d
	what := verb + ": " + d.describe()
	if r := f.Ramp; r != nil && d.Variants[r.Variant] == nil {
		what += fmt.Sprintf("; the ramp of %s is over, as there is no such variant any more", r.Variant)
		f.Ramp = nil
	}
	return what
}

// describe says in a line what a definition is.
func (d Definition) describe() string {
	var parts []string
	switch {
	case d.State == Disabled:
		parts = append(parts, "disabled")
	case d.DefaultVariant == nil:
		parts = append(parts, "no default variant")
	default:
		parts = append(parts, *d.DefaultVariant)
	}
	parts = append(parts, "of "+strings.Join(slices.Sorted(maps.Keys(d.Variants)), ", "))
	if d.Targeted() {
		parts = append(parts, "with targeting")
	}
	return strings.Join(parts, " ")
}

// Kill puts a flag to its off variant for everybody, whatever else is laid over it.
// A running ramp stops. A flag that is killed stays as it is.
func (c *Control) Kill(ctx context.Context, key, why string) error {
	return c.changeKnown(ctx, key, why, func(f *Flag) (string, error) {
		if f.Killed != nil {
			return "", nil
		}
		stamp := c.stamp(why)
		f.Killed = &stamp
		what := "killed"
		if r := f.Ramp; r != nil && r.State == RampRunning {
			f.Ramp = r.stopped("the flag was killed", false)
			what += ", and its ramp stopped at " + percent(r.Percent)
		}
		return what, nil
	})
}

// Restore takes a kill back. A ramp that it stopped stays where it was. A flag that
// is not killed stays as it is.
func (c *Control) Restore(ctx context.Context, key, why string) error {
	return c.changeKnown(ctx, key, why, func(f *Flag) (string, error) {
		if f.Killed == nil {
			return "", nil
		}
		f.Killed = nil
		return "restored", nil
	})
}

// Remove forgets a flag: whoever evaluates it gets his own default. Its history stays
// for RemovedKept. A flags file that still has it brings it back.
func (c *Control) Remove(ctx context.Context, key, why string) error {
	return c.change(ctx, key, why, func(f *Flag) (string, error) {
		if f.Broken == "" && f.Version == 0 && len(f.Definition.Variants) == 0 || f.Removed != nil {
			return "", fmt.Errorf("flag %q: %w", key, ErrUnknown)
		}
		stamp := c.stamp(why)
		*f = Flag{Key: f.Key, Definition: f.Definition, History: f.History, Removed: &stamp}
		return "removed", nil
	})
}
