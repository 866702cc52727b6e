package systemd

import (
	"strings"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// A setting is an assignment that counts, and where it stands.
type setting struct {
	value string
	at    lint.Place
	file  *lint.Object // the unit's own, or a drop-in
	index int          // among the assignments of its key there
}

// all are the assignments of a key that count: those of the unit, then those of
// its drop-ins, without what an empty one took back.
func (u *Unit) all(section, key string) []setting {
	var found []setting
	for _, layer := range u.layers {
		for i, e := range layer.Unit.All(section, key) {
			if e.Value == "" {
				found = nil
				continue
			}
			found = append(found, setting{e.Value, layer.At(section, key, i), layer, i})
		}
	}
	return found
}

// get is the assignment of a key that counts: the last. If there is none, its
// place is that of the section.
func (u *Unit) get(section, key string) setting {
	if found := u.all(section, key); len(found) > 0 {
		return found[len(found)-1]
	}
	return setting{at: u.Object.At(section, key), file: u.Object}
}

func (u *Unit) service(key string) setting { return u.get("Service", key) }

// words are the words of all assignments of a key: dependencies, for one, add up.
func (u *Unit) words(section, key string) []setting {
	var found []setting
	for _, s := range u.all(section, key) {
		for _, word := range strings.Fields(s.value) {
			found = append(found, setting{word, s.at, s.file, s.index})
		}
	}
	return found
}

// yes reads a boolean. ok is false if it is not set.
func (s setting) yes() (value, ok bool) {
	switch strings.ToLower(s.value) {
	case "1", "yes", "y", "true", "t", "on":
		return true, true
	case "0", "no", "n", "false", "f", "off":
		return false, true
	}
	return false, false
}

// span reads a time span; ok is false if there is none that can be read.
func (s setting) span() (d time.Duration, ok bool) {
	if s.value == "" {
		return 0, false
	}
	return parseSpan(s.value)
}

// put is the fix that writes another value in the place of a setting.
func (s setting) put(value, section, key string) *lint.Fix {
	return s.file.Put(value, section, key)
}

// drop is the fix that takes a setting out.
func (s setting) drop(section, key string) *lint.Fix {
	return s.file.Drop(section, key, s.index)
}

// stopTimeout is TimeoutStopSec, or what TimeoutSec says of it, whichever comes
// last; 0 is for ever, as systemd.service(5) says.
func (u *Unit) stopTimeout() (d time.Duration, set bool, at lint.Place) {
	at = u.service("TimeoutStopSec").at
	d = 90 * time.Second
	for _, layer := range u.layers {
		line := 0
		for _, key := range []string{"TimeoutSec", "TimeoutStopSec"} {
			for i, e := range layer.Unit.All("Service", key) {
				v, ok := parseSpan(e.Value)
				if !ok || e.Line < line {
					continue
				}
				line = e.Line
				d, set, at = v, true, layer.At("Service", key, i)
			}
		}
	}
	if d == 0 {
		d = forever
	}
	return d, set, at
}
