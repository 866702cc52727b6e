package versions

import (
	_ "embed"
	"encoding/json"
	"strings"

	"github.com/seguehq/segue/migrate/internal/script"
)

// shown is how the new version shows a table, as views.sql reads it.
type shown struct {
	Name    string        `json:"name"`
	Gone    bool          `json:"gone,omitempty"`
	Columns []shownColumn `json:"columns,omitempty"`
	Known   []string      `json:"known,omitempty"` // columns that are shown or meant not to be
}

type shownColumn struct {
	Name    string `json:"name"`
	Phys    string `json:"phys"`
	Default string `json:"default,omitempty"`
}

//go:embed views.sql
var viewsBody string

// views gives the step that makes the new version's views. It works out most of
// them when it is run, since plain SQL may have made tables and columns that nobody
// knew of when the change was compiled. It is alone so that the tables which were changed are
// not locked while it is at work, and can be repeated.
func (c *compiler) views() []script.Step {
	tables := map[string]shown{}
	for _, t := range c.tables {
		if t.dropped || t.Name != t.facts.Name || len(t.layers) > 0 || t.falls() {
			tables[t.facts.Name] = t.shown()
		}
	}
	text, err := json.Marshal(tables)
	if err != nil {
		panic(err) // strings only
	}
	body := say("DECLARE\n  version name := %s;\n  base name := %s;\n  old name := %s;\n  tables jsonb := %s;\nBEGIN\n%s;\nEND",
		literal(c.schema), literal(c.base), literal(c.old), literal(string(text)), strings.TrimSpace(viewsBody))
	s := c.step("views of version "+c.schema, "DO %s", dollars(body))
	s.Alone = true
	return []script.Step{s}
}

// falls tells whether the new version has a default of its own for a column.
func (t *table) falls() bool {
	for _, f := range t.now {
		if f.fallback != "" {
			return true
		}
	}
	return false
}

func (t *table) shown() shown {
	s := shown{Name: t.Name, Gone: t.dropped}
	for _, f := range t.now {
		s.Columns = append(s.Columns, shownColumn{f.Name, f.phys, f.fallback})
		s.Known = append(s.Known, f.phys)
	}
	for _, f := range t.before {
		if !t.now.has(f.column) {
			s.Known = append(s.Known, f.phys)
		}
	}
	return s
}

// createSchema gives the step that makes the version's schema.
func (c *compiler) createSchema() []script.Step {
	return []script.Step{
		c.step("schema "+c.schema, "CREATE SCHEMA IF NOT EXISTS %s", ident(c.schema)),
		c.step("schema "+c.schema, "COMMENT ON SCHEMA %s IS %s", ident(c.schema), literal(marker(c.base))),
	}
}

// dropSchema gives the step that takes the version's schema away, with its views
// and routines.
func (c *compiler) dropSchema() script.Step {
	return c.step("drop schema "+c.schema, "DROP SCHEMA IF EXISTS %s CASCADE", ident(c.schema))
}

// dropOld gives the step of contract that takes the old version's schema away.
func (c *compiler) dropOld() []script.Step {
	if c.old == "" {
		return nil
	}
	return []script.Step{c.step("drop schema "+c.old, "DROP SCHEMA IF EXISTS %s CASCADE", ident(c.old))}
}
