package compose

import (
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// The types of this file read what compose allows in more than one form. What
// is of no form that they know they pass over: compose itself refuses it.

// A text is a scalar of any kind, its variables replaced as far as they are known.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	switch {
	case json.Unmarshal(data, &s) == nil:
		*t = text(interpolate(s))
	case len(data) > 0 && data[0] != '{' && data[0] != '[' && string(data) != "null":
		*t = text(data)
	}
	return nil
}

// known reports whether nothing in it is a variable without a default.
func (t text) known() bool { return !strings.Contains(string(t), "${") }

func (t text) yes() bool { return t == "true" || t == "yes" || t == "on" }

// A count is a number; ok only if it is there and known.
type count struct {
	n  int
	ok bool
}

func (c *count) UnmarshalJSON(data []byte) error {
	var t text
	_ = t.UnmarshalJSON(data)
	n, err := strconv.Atoi(string(t))
	*c = count{n, err == nil && n >= 0}
	return nil
}

func (c count) or(n int) int {
	if c.ok {
		return c.n
	}
	return n
}

// A span is a duration. set without ok is one whose value is not known.
type span struct {
	time.Duration
	set, ok bool
}

func (s *span) UnmarshalJSON(data []byte) error {
	var t text
	_ = t.UnmarshalJSON(data)
	if t == "" {
		return nil
	}
	d, ok := lint.Seconds(string(t), time.Second)
	*s = span{d, true, ok}
	return nil
}

// or is the duration, or another if none is there.
func (s span) or(d time.Duration) time.Duration {
	if s.set {
		return s.Duration
	}
	return d
}

// A command is a list of words, or one line, which compose splits as a shell
// does, but runs in none.
type command []string

func (c *command) UnmarshalJSON(data []byte) error {
	var list []text
	var line text
	if json.Unmarshal(data, &list) == nil && list != nil {
		*c = make(command, len(list))
		for i, word := range list {
			(*c)[i] = string(word)
		}
		return nil
	}
	_ = line.UnmarshalJSON(data)
	*c = lint.Words(string(line))
	return nil
}

// pairs are a mapping, or a list of KEY=VALUE.
type pairs map[string]string

func (p *pairs) UnmarshalJSON(data []byte) error {
	var mapping map[string]text
	var list []text
	if *p == nil {
		*p = pairs{}
	}
	if json.Unmarshal(data, &mapping) == nil {
		for k, v := range mapping {
			(*p)[k] = string(v)
		}
		return nil
	}
	_ = json.Unmarshal(data, &list)
	for _, line := range list {
		k, v, _ := strings.Cut(string(line), "=")
		(*p)[k] = v
	}
	return nil
}

// A dependency is an entry of depends_on, in its long form or its short one.
type dependency struct {
	Condition text `json:"condition"`
	Restart   text `json:"restart"`

	index int // in the short form
	short bool
}

type dependencies map[string]dependency

func (d *dependencies) UnmarshalJSON(data []byte) error {
	var long map[string]dependency
	var short []text
	if *d == nil {
		*d = dependencies{}
	}
	if json.Unmarshal(data, &long) == nil {
		for name, dep := range long {
			(*d)[name] = dep
		}
		return nil
	}
	_ = json.Unmarshal(data, &short)
	for i, name := range short {
		(*d)[string(name)] = dependency{Condition: "service_started", index: i, short: true}
	}
	return nil
}

// extends is a service's name, or that and a file.
type extends struct {
	Service text `json:"service"`
	File    text `json:"file"`
}

func (e *extends) UnmarshalJSON(data []byte) error {
	type plain extends
	if json.Unmarshal(data, (*plain)(e)) != nil {
		_ = e.Service.UnmarshalJSON(data)
	}
	return nil
}

// A mount is an entry of volumes, in its long form or its short one.
type mount struct {
	Type     text `json:"type"`
	Source   text `json:"source"`
	ReadOnly text `json:"read_only"`
}

func (m *mount) UnmarshalJSON(data []byte) error {
	type plain mount
	if json.Unmarshal(data, (*plain)(m)) == nil {
		return nil
	}
	var short text
	_ = short.UnmarshalJSON(data)
	parts := strings.Split(string(short), ":")
	if len(parts) > 1 {
		m.Source = text(parts[0])
	}
	if options := parts[len(parts)-1]; len(parts) > 2 && slices.Contains(strings.Split(options, ","), "ro") {
		m.ReadOnly = "true"
	}
	return nil
}

// written reports whether what a container writes there outlives it. A socket
// and single files are no state.
func (m mount) written() bool {
	source := string(m.Source)
	return source != "" && !m.ReadOnly.yes() && m.Type != "tmpfs" && path.Ext(source) == ""
}
