package featureflag

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Parse reads flagd's JSON; "flags" is an object, or a list of flags with a "key"
// each. An error says where the document is broken; then there is no Set. Unknown
// keys are passed over. What is wrong within one flag is told by Compile.
func Parse(data []byte) (Definitions, error) {
	var raw struct {
		Definitions
		Flags json.RawMessage `json:"flags"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return Definitions{}, placed(data, err, 0)
	}
	d := raw.Definitions
	if len(raw.Flags) == 0 || string(raw.Flags) == "null" {
		return Definitions{}, errors.New(`there is no "flags"`)
	}
	if raw.Flags[0] == '[' {
		flags, err := listed(data, raw.Flags)
		d.Flags = flags
		return d, err
	}
	var flags map[string]json.RawMessage
	if err := json.Unmarshal(raw.Flags, &flags); err != nil {
		return Definitions{}, placed(data, err, place(data, raw.Flags))
	}
	d.Flags = make(map[string]Definition, len(flags))
	for _, key := range slices.Sorted(maps.Keys(flags)) {
		var f Definition
		if err := json.Unmarshal(flags[key], &f); err != nil {
			return Definitions{}, fmt.Errorf("flag %q: %w", key, placed(data, err, place(data, flags[key])))
		}
		if key == "" {
			return Definitions{}, errors.New("a flag has no name")
		}
		d.Flags[key] = f
	}
	return d, nil
}

// listed reads the form that only flagd itself takes.
func listed(data []byte, raw json.RawMessage) (map[string]Definition, error) {
	var list []struct {
		Key string `json:"key"`
		Definition
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, placed(data, err, place(data, raw))
	}
	flags := make(map[string]Definition, len(list))
	for i, f := range list {
		if f.Key == "" {
			return nil, fmt.Errorf("flag %d of the list has no \"key\"", i+1)
		}
		if _, twice := flags[f.Key]; twice {
			return nil, fmt.Errorf("there are two flags %q", f.Key)
		}
		flags[f.Key] = f.Definition
	}
	return flags, nil
}

// place finds a part of data again: a RawMessage is a copy.
func place(data, part []byte) int { return max(bytes.Index(data, part), 0) }

// placed says line and column of an error of encoding/json in data, whose part
// from at on was read.
func placed(data []byte, err error, at int) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var offset int64
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
		err = fmt.Errorf("of type %s, which does not belong there", kind.Value)
		if kind.Field != "" {
			err = fmt.Errorf("%s: %w", kind.Field, err)
		}
	default:
		return err
	}
	before := data[:min(int64(len(data)), max(int64(at)+offset-1, 0))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}
