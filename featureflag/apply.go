package featureflag

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Apply brings a document's flags into the store: new ones are made, those whose
// definition in the document is another than the document brought before get it, and keep
// what was laid over them. Flags that are not in it stay. It returns the keys
// that changed. What Evaluators and the document's Metadata say is written into each
// flag's definition. A document with a flag that cannot be evaluated changes
// nothing (ErrInvalid). A store that fails half way leaves flags unchanged; Apply
// again does the rest.
func (c *Control) Apply(ctx context.Context, d Definitions, why string) ([]string, error) {
	flags, err := d.alone()
	if err != nil {
		return nil, err
	}
	var changed []string
	for _, key := range slices.Sorted(maps.Keys(flags)) {
		did := false
		err := c.change(ctx, key, why, func(f *Flag) (what string, err error) {
			what, err = f.bring(flags[key])
			did = what != ""
			return what, err
		})
		if err != nil {
			return changed, err
		}
		if did {
			changed = append(changed, key)
		}
	}
	return changed, nil
}

// bring gives f the definition of a file, if that is another than before.
func (f *Flag) bring(d Definition) (what string, err error) {
	sum, err := digest(d)
	if err != nil || f.Broken == "" && f.Removed == nil && f.File == sum {
		return "", err
	}
	if f.Broken != "" { // the file knows better
		f.Broken = ""
	}
	what = "by file, " + f.define(d)
	f.File = sum
	return what, nil
}

func digest(d Definition) (string, error) {
	text, err := json.Marshal(d)
	return fmt.Sprintf("%x", sha256.Sum256(text))[:32], err
}

// alone gives the flags with all that they need of the document, checked.
func (d Definitions) alone() (map[string]Definition, error) {
	flags := make(map[string]Definition, len(d.Flags))
	var bad error
	for _, key := range slices.Sorted(maps.Keys(d.Flags)) {
		f := d.Flags[key]
		var err error
		if f.Targeting, err = d.inline(f.Targeting); err == nil {
			f.Metadata = d.told(f.Metadata)
			f, err = checked(key, f)
		} else {
			err = fmt.Errorf("flag %q: %w: %w", key, ErrInvalid, err)
		}
		bad = errors.Join(bad, err)
		flags[key] = f
	}
	return flags, bad
}

// told is a flag's metadata with the document's behind it.
func (d Definitions) told(own map[string]any) map[string]any {
	if len(d.Metadata) == 0 {
		return own
	}
	all := maps.Clone(d.Metadata)
	maps.Copy(all, own)
	return all
}

// inline puts evaluators in the places of what refers to them.
func (d Definitions) inline(targeting json.RawMessage) (json.RawMessage, error) {
	if !bytes.Contains(targeting, []byte(`"$ref"`)) {
		return targeting, nil
	}
	rule, err := d.resolve(targeting, 0)
	if err != nil {
		return nil, err
	}
	return json.Marshal(rule)
}

// deepest is how many evaluators may refer to one another: more is a circle.
const deepest = 32

func (d Definitions) resolve(raw json.RawMessage, depth int) (any, error) {
	if depth > deepest {
		return nil, errors.New("$evaluators refer to one another in a circle")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var rule any
	if err := dec.Decode(&rule); err != nil {
		return nil, err
	}
	return d.replace(rule, depth)
}

func (d Definitions) replace(rule any, depth int) (out any, err error) {
	switch x := rule.(type) {
	case map[string]any:
		if name, ok := x["$ref"].(string); ok && len(x) == 1 {
			raw, ok := d.Evaluators[name]
			if !ok {
				return nil, fmt.Errorf("there is no $evaluators entry %q", name)
			}
			return d.resolve(raw, depth+1)
		}
		for name := range x {
			if x[name], err = d.replace(x[name], depth); err != nil {
				return nil, err
			}
		}
	case []any:
		for i := range x {
			if x[i], err = d.replace(x[i], depth); err != nil {
				return nil, err
			}
		}
	}
	return rule, nil
}
