package lint

import (
	"fmt"
	"strings"
)

// A Doc is the documentation of a rule, which is its test as well.
type Doc struct {
	Kind     Kind
	Rule     string
	Hazard   string // one line
	Severity Severity
	Text     string // all of it, Markdown

	Bad, Good, Fixed []Block
}

// A Block is an example in a Doc.
type Block struct {
	Text string
	Line int // of the Doc, on which Text begins
}

// ParseDoc reads a rule's Markdown.
func ParseDoc(kind Kind, rule, text string) (*Doc, error) {
	d := &Doc{Kind: kind, Rule: rule, Text: text}
	lines := strings.Split(text, "\n")
	if lines[0] != "# "+rule {
		return nil, fmt.Errorf("%s.md begins with %q, not with %q", rule, lines[0], "# "+rule)
	}
	section := ""
	for i := 1; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "```"):
			start := i + 1
			for i++; i < len(lines) && lines[i] != "```"; i++ {
			}
			if i == len(lines) {
				return nil, fmt.Errorf("%s.md:%d: a block that does not end", rule, start)
			}
			d.add(section, Block{strings.Join(lines[start:i], "\n") + "\n", start + 1})
		case strings.HasPrefix(line, "## "):
			section = strings.TrimPrefix(line, "## ")
		case section == "" && strings.HasPrefix(line, "Severity: "):
			word, _, _ := strings.Cut(strings.TrimPrefix(line, "Severity: "), " ")
			d.Severity = Severity(word)
		case section == "" && d.Hazard == "":
			d.Hazard = line
		}
	}
	return d, d.complete()
}

func (d *Doc) add(section string, b Block) {
	switch section {
	case "Bad":
		d.Bad = append(d.Bad, b)
	case "Good":
		d.Good = append(d.Good, b)
	case "Fixed":
		d.Fixed = append(d.Fixed, b)
	}
}

func (d *Doc) complete() error {
	switch {
	case d.Hazard == "":
		return fmt.Errorf("%s.md says no hazard below its heading", d.Rule)
	case d.Severity != Error && d.Severity != Warning:
		return fmt.Errorf("%s.md: Severity: is error or warning, not %q", d.Rule, d.Severity)
	case len(d.Bad) == 0 || len(d.Good) == 0:
		return fmt.Errorf("%s.md has %d bad examples and %d good ones; it needs one of each", d.Rule, len(d.Bad), len(d.Good))
	}
	return nil
}
