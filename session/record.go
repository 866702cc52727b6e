package session

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seguehq/segue/store"
)

// A record is a session as it lies in the store: one JSON object whose members
// are the values, each kept as it was written. A release that cannot read a
// value, or has never heard of it, writes it back as it is.
//
// Names with a $ are the session's own: those that begin with one tell of the
// session, and NAME$2 is the value NAME in the second version of its shape.
type record map[string]json.RawMessage

const (
	formatName   = "$v"        // of the record; higher ones are not for us to read
	deadlineName = "$deadline" // Unix time in ms
	touchedName  = "$touched"  // when it was last written, likewise
	rememberName = "$remember" // whether the cookie outlives the browser, if that was said
	movedName    = "$moved"    // the token was renewed: the key of the session as it goes on
	markPrefix   = "$update$"  // and a commit with an update in it: when it was, likewise
)

// format is what this release writes. It grows when an older release would do
// harm to what it finds; for anything else a new $ name will do, since names that
// a release does not know are kept.
const format = 1

func decode(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("session: what is in the store is no session: %w", err)
	}
	if v := r.number(formatName); v > format {
		return nil, fmt.Errorf("%w: it has format %d, this release reads %d", ErrNewer, v, format)
	}
	if r.number(formatName) < 1 || r.number(deadlineName) < 1 {
		return nil, fmt.Errorf("session: what is in the store is no session: no %s or %s in it", formatName, deadlineName)
	}
	return r, nil
}

func newRecord(deadline time.Time) record {
	return record{formatName: number(format), deadlineName: number(deadline.UnixMilli())}
}

func (r record) encode() []byte {
	b := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(appendQuoted(b, name), ':'), r[name]...)
	}
	return append(b, '}')
}

// appendQuoted is quote, quicker for the names that there are.
func appendQuoted(b []byte, s string) []byte {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return append(b, quote(s)...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func quote(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string always has an encoding
	return b
}

func number(n int64) json.RawMessage { return strconv.AppendInt(nil, n, 10) }

// number is 0 if there is none.
func (r record) number(name string) int64 {
	n, err := strconv.ParseInt(string(r[name]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (r record) deadline() time.Time { return time.UnixMilli(r.number(deadlineName)).UTC() }
func (r record) touched() time.Time  { return time.UnixMilli(r.number(touchedName)) }

func (r record) moved() string {
	var key string
	if json.Unmarshal(r[movedName], &key) != nil {
		return ""
	}
	return key
}

// A commit with an update in it is known by its mark for a while, so that one
// which was done, and of which the store could not say so, is not done again.
const (
	maxMarks = 32
	markAge  = time.Minute
)

// forget drops marks that nobody asks for any more.
func (r record) forget(now time.Time) {
	var marks []string
	for name := range r {
		if strings.HasPrefix(name, markPrefix) {
			marks = append(marks, name)
		}
	}
	slices.SortFunc(marks, func(a, b string) int { return cmp.Compare(r.number(b), r.number(a)) })
	for i, name := range marks {
		if i >= maxMarks || now.UnixMilli()-r.number(name) > markAge.Milliseconds() {
			delete(r, name)
		}
	}
}

// values are the names of the values that the user has put, each once whatever
// its versions, sorted.
func (r record) values() []string {
	seen := map[string]bool{}
	for name := range r {
		if base := baseOf(name); base != "" {
			seen[base] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func (r record) has(base string) bool {
	for name := range r {
		if baseOf(name) == base {
			return true
		}
	}
	return false
}

// largest names the value that takes the most room.
func (r record) largest() (name string, size int) {
	for n, raw := range r {
		if len(raw) > size {
			name, size = n, len(raw)
		}
	}
	return name, size
}

// baseOf is the value's name without its version; empty for what the session
// keeps of itself.
func baseOf(name string) string {
	base, _, _ := strings.Cut(name, "$")
	return base
}

// versioned is the name under which a version of a value is kept.
func versioned(name string, version int) string {
	if version == 0 {
		return name
	}
	return name + "$" + strconv.Itoa(version)
}

// An entry is a record and where it lies.
type entry struct {
	key      string // empty: not in the store yet
	revision store.Revision
	record   record
}
