package featureflag

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A flag is a Definition, ready to be evaluated.
type flag struct {
	key       string
	problem   error // it cannot be evaluated
	disabled  bool
	variants  map[string]*variant
	otherwise *variant // nil: the caller's default
	targeting node     // nil: there is none
	metadata  map[string]any
}

type variant struct {
	name  string
	value value
	any   any // value, as it is given away
}

// An outcome says why an evaluation gave what it gave.
type outcome struct {
	reason Reason
	code   ErrorCode
	err    error
}

func compileFlag(key string, d Definition, r *resolver, shared map[string]any) *flag {
	f := &flag{key: key, metadata: merged(shared, d.Metadata), disabled: d.State == Disabled}
	f.problem = f.compile(d, r)
	return f
}

func (f *flag) compile(d Definition, r *resolver) error {
	if d.State != Enabled && d.State != Disabled {
		return fmt.Errorf("state %q is neither ENABLED nor DISABLED", d.State)
	}
	if err := f.compileVariants(d); err != nil {
		return err
	}
	if err := checkMetadata(d); err != nil {
		return err
	}
	if !d.Targeted() {
		return nil
	}
	tree, err := r.targeting(d.Targeting)
	if err == nil {
		err = check(tree, false)
	}
	if err != nil {
		return fmt.Errorf("targeting: %w", err)
	}
	f.targeting = compile(tree)
	return nil
}

// Targeted reports whether Targeting says anything: null and {} do not. One that is no
// JSON does; what is wrong with it is told by the flag's evaluations.
func (d Definition) Targeted() bool {
	var tree any
	if len(d.Targeting) == 0 {
		return false
	}
	if len(d.Targeting) > 64 || json.Unmarshal(d.Targeting, &tree) != nil { // a short one may be {} or null with spaces
		return true
	}
	m, ok := tree.(map[string]any)
	return tree != nil && (!ok || len(m) > 0)
}

func (f *flag) compileVariants(d Definition) error {
	if len(d.Variants) == 0 {
		return errors.New("there are no variants")
	}
	f.variants = make(map[string]*variant, len(d.Variants))
	var sort *variant
	for _, name := range slices.Sorted(maps.Keys(d.Variants)) {
		v, err := newVariant(name, d.Variants[name])
		if err != nil {
			return fmt.Errorf("variant %q: %w", name, err)
		}
		if sort == nil {
			sort = v
		}
		if sort.value.kind != v.value.kind {
			return fmt.Errorf("variants %q and %q are not of one type", sort.name, name)
		}
		f.variants[name] = v
	}
	if d.DefaultVariant == nil || *d.DefaultVariant == "" {
		return nil
	}
	if f.otherwise = f.variants[*d.DefaultVariant]; f.otherwise == nil {
		return fmt.Errorf("defaultVariant %q is not among the variants", *d.DefaultVariant)
	}
	return nil
}

// maxNumber is the greatest integer up to which JSON's numbers are the same in every
// language (flagd's decision "numeric coercion").
const maxNumber = 1<<53 - 1

func newVariant(name string, raw json.RawMessage) (*variant, error) {
	var x any
	if err := json.Unmarshal(raw, &x); err != nil {
		return nil, err
	}
	v := &variant{name: name, value: valueOf(x), any: x}
	switch {
	case name == "":
		return nil, errors.New("it has no name")
	case v.value.kind == null:
		return nil, errors.New("null is no value")
	case v.value.kind == number && (v.value.num > maxNumber || v.value.num < -maxNumber):
		return nil, fmt.Errorf("%s is beyond ±%d, and so not the same number in every language", raw, int64(maxNumber))
	}
	return v, nil
}

func checkMetadata(d Definition) error {
	if _, err := d.importance(); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if p, ok := d.Metadata["public"]; ok {
		if _, ok := p.(bool); !ok {
			return fmt.Errorf("metadata: public %v is neither true nor false", p)
		}
	}
	if off, ok := d.Metadata["off"]; ok {
		name, _ := off.(string)
		if _, ok := d.Variants[name]; !ok {
			return fmt.Errorf("metadata: off %v is not among the variants", off)
		}
	}
	return nil
}

func merged(shared, own map[string]any) map[string]any {
	if len(shared) == 0 {
		return own
	}
	m := maps.Clone(shared)
	for k, v := range own {
		if v != nil {
			m[k] = v
		}
	}
	return m
}

// evaluate follows flagd's "Flag Definitions": what targeting names, else the
// default variant, else (nil) the caller's default.
func (f *flag) evaluate(c Context) (*variant, outcome) {
	switch {
	case f.problem != nil:
		return nil, outcome{Failed, ParseError, f.problem}
	case f.disabled:
		return nil, outcome{reason: IsDisabled}
	case f.targeting == nil && f.otherwise == nil:
		return nil, outcome{reason: Default}
	case f.targeting == nil:
		return f.otherwise, outcome{reason: Static}
	}
	named := f.targeting(env{flag: f.key, key: c.Key, attributes: c.Attributes})
	name := ""
	switch named.kind {
	case null:
		return f.otherwise, outcome{reason: Default}
	case text:
		name = named.str
	case boolean:
		name = "false"
		if named.num != 0 {
			name = "true"
		}
	case failed:
		return nil, f.failed(named.any.(error))
	default:
		name = nameOf(named)
	}
	if v, ok := f.variants[name]; ok {
		return v, outcome{reason: TargetingMatch}
	}
	return nil, outcome{Failed, General, unknownVariant(name)}
}

func (f *flag) failed(err error) outcome {
	if errors.Is(err, errContext) {
		return outcome{Failed, InvalidContext, err}
	}
	return outcome{Failed, ParseError, err}
}

// nameOf is a number or a list as JSON has it: flagd takes 1 for the variant "1".
func nameOf(v value) string {
	data, err := json.Marshal(v.asAny())
	if err != nil {
		return ""
	}
	return string(data)
}

// unknownVariant is a targeting's result that names none. It is an error whose text is
// made when it is asked for.
type unknownVariant string

func (e unknownVariant) Error() string {
	return fmt.Sprintf("targeting gives %.100q, which is not among the variants", string(e))
}
