package featureflag

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
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
	// RawMessage is a copy: where it stands in data is found again, so that an error in it has its place.
	at := max(bytes.Index(data, raw.Flags), 0)
	flags, err := flagsOf(raw.Flags)
	if err != nil {
		return Definitions{}, placed(data, err, at)
	}
	d.Flags = flags
	return d, nil
}

func flagsOf(data []byte) (map[string]Definition, error) {
	flags := map[string]Definition{}
	if data[0] != '[' {
		err := json.Unmarshal(data, &flags)
		if _, ok := flags[""]; ok && err == nil {
			return nil, errors.New("a flag has no name")
		}
		return flags, err
	}
	var list []struct {
		Key string `json:"key"`
		Definition
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, err
	}
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
		if kind.Field != "" {
			err = fmt.Errorf("%s: a %s does not belong there", kind.Field, kind.Value)
		} else {
			err = fmt.Errorf("a %s does not belong there", kind.Value)
		}
	default:
		return err
	}
	before := data[:min(int64(len(data)), max(int64(at)+offset-1, 0))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return fmt.Errorf("line %d, column %d: %w", line, column, err)
}
