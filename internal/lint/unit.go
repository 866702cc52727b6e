package lint

import "strings"

// A Unit is a file in the format of systemd.syntax(7).
type Unit struct {
	Name     string // "web.service"; of a drop-in, the unit that it adds to
	Path     string // of its file, as it was named or as `systemctl cat` tells it
	DropIn   bool
	Sections []Section // in the order of the file; one may stand twice
}

// A Section is a [Name] and what follows it.
type Section struct {
	Name    string
	Line    int
	Entries []Entry
}

// An Entry is one assignment. What stands on continued lines is in one, with a
// space in place of each backslash and line end.
type Entry struct {
	Key, Value string
	Line       int // first
	Last       int // last, if it is continued
}

// All are the entries of a key, in the order of the file.
func (u *Unit) All(section, key string) []Entry {
	var found []Entry
	for _, s := range u.Sections {
		if s.Name != section {
			continue
		}
		for _, e := range s.Entries {
			if e.Key == key {
				found = append(found, e)
			}
		}
	}
	return found
}

// line is where a path stands; see Object.At.
func (u *Unit) line(path []any) int {
	line := 1
	if len(u.Sections) > 0 {
		line = u.Sections[0].Line
	}
	if len(path) == 0 {
		return line
	}
	section, _ := path[0].(string)
	for _, s := range u.Sections {
		if s.Name == section {
			line = s.Line
			break
		}
	}
	if len(path) < 2 {
		return line
	}
	key, _ := path[1].(string)
	entries := u.All(section, key)
	if len(path) > 2 {
		if i, ok := path[2].(int); ok && i >= 0 && i < len(entries) {
			return entries[i].Line
		}
	}
	if len(entries) > 0 {
		return entries[len(entries)-1].Line
	}
	return line
}

// parseUnit reads a unit from some lines of a file, of which the first has a number.
func parseUnit(name string, lines []string, first int) (*Unit, *Problem) {
	u := &Unit{Name: name}
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
			continue
		case line[0] == '[':
			if !strings.HasSuffix(line, "]") {
				return nil, &Problem{At: Place{Line: first + i, Column: 1}, What: "a section has no ]", Mend: "write " + line + "]"}
			}
			u.Sections = append(u.Sections, Section{Name: line[1 : len(line)-1], Line: first + i})
			continue
		}
		start := i
		text, i2 := continued(lines, i)
		i = i2
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, &Problem{At: Place{Line: first + start, Column: 1}, What: "this line is no Key=value", Mend: "a line that goes on ends with a backslash"}
		}
		if len(u.Sections) == 0 {
			return nil, &Problem{At: Place{Line: first + start, Column: 1}, What: "an assignment before any [Section]", Mend: "is this a systemd unit?"}
		}
		s := &u.Sections[len(u.Sections)-1]
		s.Entries = append(s.Entries, Entry{strings.TrimSpace(key), strings.TrimSpace(value), first + start, first + i})
	}
	return u, nil
}

// continued joins a line with those that it goes on in. Comments between them
// are left out, as systemd does.
func continued(lines []string, i int) (string, int) {
	text := strings.TrimLeft(lines[i], " \t")
	for strings.HasSuffix(text, `\`) && i+1 < len(lines) {
		i++
		if next := strings.TrimLeft(lines[i], " \t"); next != "" && (next[0] == '#' || next[0] == ';') {
			continue
		}
		text = strings.TrimSuffix(text, `\`) + " " + lines[i]
	}
	return text, i
}
