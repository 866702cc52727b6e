package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seguehq/segue/featureflag"
)

// quietly is for commands: what they show says it all.
var quietly = featureflag.Log(slog.New(slog.DiscardHandler))

// A flagOf is a flag, and the services whose store it is in.
type flagOf struct {
	Services []string `json:"services"`
	featureflag.Flag
	shed *featureflag.Shed
}

// A flagIn is one that was found.
type flagIn struct {
	flag    flagOf
	in      storeIn
	control *featureflag.Control
}

// tell shows the flag as it has become.
func (f flagIn) tell(e *env, text func(w out, f flagOf)) error {
	now, err := f.control.Get(e, f.flag.Key)
	if err != nil {
		return err
	}
	f.flag.Flag = now
	return e.print(f.flag, func(w out) { text(w, f.flag) })
}

// onFlag does something with the flag of this name, in the one store that has it.
func onFlag(e *env, s *storeFlags, key string, do func(flagIn) error) error {
	all, done, err := s.open(e)
	if err != nil {
		return err
	}
	defer done()
	found, err := flagsNamed(e, all, key)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return unknownFlag(e, all, key)
	}
	return oneFlag(found, key, do)
}

// onAny is onFlag for one that may be removed.
func onAny(e *env, s *storeFlags, key string, do func(flagIn) error) error {
	all, done, err := s.open(e)
	if err != nil {
		return err
	}
	defer done()
	var found []flagIn
	for _, in := range all {
		c := featureflag.NewControl(in.Store, who())
		if _, err := c.History(e, key); err == nil {
			found = append(found, flagIn{flag: flagOf{Services: in.services, Flag: featureflag.Flag{Key: key}}, in: in, control: c})
		} else if !errors.Is(err, featureflag.ErrUnknown) {
			return fmt.Errorf("the store of %s: %w", in.name(), err)
		}
	}
	if len(found) == 0 {
		return unknownFlag(e, all, key)
	}
	return oneFlag(found, key, do)
}

func oneFlag(found []flagIn, key string, do func(flagIn) error) error {
	if len(found) > 1 {
		return &exitError{exitUsage, fmt.Sprintf("several services have a flag %q; name one: --service %s", key, found[0].in.services[0])}
	}
	err := do(found[0])
	if errors.Is(err, featureflag.ErrInvalid) || errors.Is(err, featureflag.ErrKilled) {
		return &exitError{exitUsage, refusal(err)}
	}
	return err
}

// refusal is an error of featureflag in the command's words.
func refusal(err error) string {
	text := strings.ReplaceAll(err.Error(), featureflag.ErrInvalid.Error()+": ", "")
	return strings.ReplaceAll(text, "featureflag: ", "")
}

func flagsNamed(e *env, all []storeIn, key string) (found []flagIn, err error) {
	for _, in := range all {
		c := featureflag.NewControl(in.Store, who())
		f, err := c.Get(e, key)
		if errors.Is(err, featureflag.ErrUnknown) {
			continue
		}
		shed, errShed := c.Shedding(e)
		if err = errors.Join(err, errShed); err != nil {
			return nil, fmt.Errorf("the store of %s: %w", in.name(), err)
		}
		found = append(found, flagIn{flagOf{in.services, f, shed}, in, c})
	}
	return found, nil
}

// unknownFlag names those that the user may have meant.
func unknownFlag(e *env, all []storeIn, key string) error {
	var names []string
	for _, in := range all {
		flags, _, err := featureflag.NewControl(in.Store, who()).List(e)
		if err != nil {
			return err
		}
		for _, f := range flags {
			names = append(names, f.Key)
		}
	}
	text := fmt.Sprintf("there is no flag %q", key)
	switch near := nearest(key, names); {
	case len(near) > 0:
		text += "; is it " + strings.Join(near, " or ") + "?"
	case len(names) == 0:
		text += fmt.Sprintf(", nor any other; `segue flag set %s off` makes one", key)
	default:
		text += "; `segue flag ls` lists those there are"
	}
	return &exitError{exitUsage, text}
}

// nearest are the names, three at most, that are a slip of the pen away.
func nearest(name string, names []string) []string {
	far := func(a string) int {
		if len(name) > 2 && strings.Contains(a, name) {
			return 1
		}
		return distance(strings.ToLower(a), strings.ToLower(name))
	}
	near := slices.DeleteFunc(slices.Clone(names), func(a string) bool { return far(a) > max(1, min(3, len(name)/3)) })
	slices.SortStableFunc(near, func(a, b string) int { return far(a) - far(b) })
	near = slices.Compact(near)
	return near[:min(3, len(near))]
}

// distance is how many letters are to be put in, taken out or changed to make b of
// a (Levenshtein's).
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, x := range from {
		before := row[0]
		row[0] = i + 1
		for j, y := range to {
			change := before
			if x != y {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, before+1)
		}
	}
	return row[len(to)]
}

// onPlace does something in the one store that is meant, for flags that are not
// there yet. A file that the agent keeps is made if there is an agent that will find it.
func onPlace(e *env, s *storeFlags, do func(storeIn) error) error {
	places, err := s.places(e)
	if err != nil {
		return err
	}
	if len(places) > 1 {
		var names []string
		for _, p := range places {
			names = append(names, p.services...)
		}
		return &exitError{exitUsage, fmt.Sprintf("which service is to have it? Name one: --service %s (%s)", names[0], strings.Join(names, ", "))}
	}
	if places[0].unused() && !exists(filepath.Join(e.state(), "lock")) {
		return &exitError{exitUsage, fmt.Sprintf("%s has no store yet, as no agent has run it here: `segue up` does, or name the variable that holds the store's URL: --store-from NAME", places[0].name())}
	}
	in, err := places[0].open(e)
	if err != nil {
		return err
	}
	defer in.Close()
	return do(in)
}

// read reads a file, or what comes in.
func (e *env) read(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(e.in)
	}
	return os.ReadFile(name)
}

// attributes reads NAME=VALUE.
func attributes(words []string) (map[string]any, error) {
	all := map[string]any{}
	for _, word := range words {
		name, text, ok := strings.Cut(word, "=")
		if !ok || name == "" {
			return nil, &exitError{exitUsage, fmt.Sprintf("--attr %s: it is NAME=VALUE, such as plan=gold", word)}
		}
		var v any = text
		if raw := wordJSON(text); raw[0] != '"' || strings.HasPrefix(text, `"`) {
			if err := json.Unmarshal(raw, &v); err != nil {
				return nil, err
			}
		}
		all[name] = v
	}
	return all, nil
}

// wordJSON is JSON as it stands, and any other text as a string.
func wordJSON(text string) json.RawMessage {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	raw, err := json.Marshal(text)
	if err != nil {
		return json.RawMessage(`""`)
	}
	return raw
}
