package lint

import (
	"path/filepath"
	"strings"
)

var (
	unitName  = Pattern(`\.(service|socket|timer|path|target|mount|slice|scope)$`)
	unitStart = Pattern(`^\[[A-Z][A-Za-z]+\]$`)
	systemctl = Pattern(`^# (/\S*/[^/\s]+)$`) // as `systemctl cat` writes before each file
	dropIn    = Pattern(`(?:^|/)((?:[^/]+\.)?(?:service|socket|timer|path|target|mount|slice|scope))\.d/[^/]+\.conf$`)
)

// isUnit tells by the name or, of stdin, by the first line that says something.
func isUnit(f *File) bool {
	if f.Name != "-" {
		return isUnitPath(f.Name)
	}
	for n := 1; n <= f.Lines(); n++ {
		if line := strings.TrimSpace(f.Line(n)); line != "" && line[0] != '#' && line[0] != ';' {
			return unitStart().MatchString(line)
		}
	}
	return false
}

func isUnitPath(path string) bool {
	path = filepath.ToSlash(path)
	return unitName().MatchString(path) || dropIn().MatchString(path)
}

// A unitPart is the lines of one unit, or of one drop-in.
type unitPart struct {
	path  string
	lines []string
	first int
}

// units are those of a file: one, or several as `systemctl cat` prints them.
func units(f *File) []part {
	var parts []part
	now := unitPart{path: f.Name, first: 1}
	end := func() {
		for _, line := range now.lines {
			if saysUnit(line) {
				parts = append(parts, now)
				return
			}
		}
	}
	for n := 1; n <= f.Lines(); n++ {
		line := f.Line(n)
		if m := systemctl().FindStringSubmatch(line); m != nil && isUnitPath(m[1]) {
			end()
			now = unitPart{path: m[1], first: n}
		}
		now.lines = append(now.lines, line)
	}
	end()
	return parts
}

func saysUnit(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && line[0] != '#' && line[0] != ';'
}

func (p unitPart) line() int { return p.first }

func (p unitPart) load(f *File) Loaded {
	name := filepath.Base(p.path)
	m := dropIn().FindStringSubmatch(filepath.ToSlash(p.path))
	if m != nil {
		name = m[1]
	}
	u, problem := parseUnit(name, p.lines, p.first)
	if problem != nil {
		return Loaded{Problems: []*Problem{problem}}
	}
	u.Path, u.DropIn = p.path, m != nil
	o := &Object{File: f, Kind: Systemd, Name: name, Unit: u, first: u.line(nil), last: p.first + len(p.lines) - 1}
	return Loaded{Objects: []*Object{o}}
}
