package featureflag

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seguehq/segue/internal/unknown"
	"github.com/seguehq/segue/store"
)

// Where flags are in a store.
const (
	watched   = "flag"     // what both keys below begin with
	keyPrefix = "flag/"    // + a flag's key
	shedKey   = "flagshed" // while something is shed
)

// maxKey bounds a flag's key, in bytes: what others lay in front of it has room, too.
const maxKey = 200

// CheckKey reports what is no key of a flag.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("featureflag: a flag without a name")
	case len(key) > maxKey:
		return fmt.Errorf("featureflag: a flag's name of %d bytes; it has %d at most", len(key), maxKey)
	case !utf8.ValidString(key) || strings.ContainsFunc(key, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("featureflag: %q is no name of a flag: it has a blank or a control character in it", key)
	}
	return nil
}

// A record is a flag as it was read, with what a newer release has written of it
// and this one does not know.
type record struct {
	Flag
	raw      json.RawMessage // nil: there is none
	revision store.Revision
}

// decode reads an entry. If that is not possible the Flag says why, as Broken.
func decode(e store.Entry) record {
	r := record{raw: e.Value, revision: e.Revision}
	err := json.Unmarshal(e.Value, &r.Flag)
	if err == nil && len(r.Definition.Variants) == 0 && r.Removed == nil {
		err = fmt.Errorf("there is no definition in it")
	}
	key := strings.TrimPrefix(e.Key, keyPrefix)
	if err != nil {
		r.Flag = Flag{Broken: fmt.Sprintf("the entry in the store cannot be read: %v", err)}
	}
	r.Key = key
	return r
}

// encode is what is to stand in place of what was read: f, with a line more in its
// history (nil: none), and beside it what this release does not know of r.
func (r record) encode(f Flag, line *Change) ([]byte, error) {
	if f.History = r.History; line != nil {
		f.History = lastOf(append(slices.Clip(r.History), *line))
	}
	value, err := json.Marshal(f)
	if err != nil || r.raw == nil || r.Broken != "" {
		return value, err
	}
	var before, after map[string]json.RawMessage
	if err := cmp.Or(json.Unmarshal(r.raw, &before), json.Unmarshal(value, &after)); err != nil {
		return nil, err
	}
	if same(r.Definition, f.Definition) {
		after["definition"] = before["definition"]
	}
	if r.Ramp != nil && f.Ramp != nil && r.Ramp.At.Equal(f.Ramp.At) {
		if after["ramp"], err = unknown.Keep[Ramp](before["ramp"], after["ramp"]); err != nil {
			return nil, err
		}
	}
	if after["history"], err = lines(before["history"], line); err != nil {
		return nil, err
	}
	if value, err = json.Marshal(after); err != nil {
		return nil, err
	}
	return unknown.Keep[Flag](r.raw, value)
}

// lines is a history as it was written, with a line more.
func lines(before json.RawMessage, line *Change) (json.RawMessage, error) {
	var all []json.RawMessage
	if len(before) > 0 {
		if err := json.Unmarshal(before, &all); err != nil {
			return nil, err
		}
	}
	if line != nil {
		raw, err := json.Marshal(line)
		if err != nil {
			return nil, err
		}
		all = lastOf(append(all, raw))
	}
	return json.Marshal(all)
}

// lastOf is what a history keeps.
func lastOf[L any](all []L) []L { return all[max(0, len(all)-HistoryKept):] }

func same(a, b Definition) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
