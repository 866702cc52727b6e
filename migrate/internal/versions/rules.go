package versions

import (
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A rule is what a constraint that this change makes asks of the rows that are
// there. It is looked at before they are filled in: hours are not spent on what fails in the end, and
// the error names rows, where PostgreSQL tells one or none.
type rule struct {
	migration string
	table     *table
	what      string // "check items_zip"
	breaks    string // what the rows do that break it
	code      string // SQLSTATE, by its name
	covers    []field
	// broken gives a SELECT of rows that break it, from the new version's rows.
	broken func(rows string) string
}

// rule adds one. names are the columns that tell a row to people.
func (c *compiler) rule(r rule, names []string) {
	r.migration = c.migration
	if r.table.created {
		return // and so without rows
	}
	for _, name := range names {
		if f := r.table.now.find(name); f != nil {
			r.covers = append(r.covers, *f)
		}
	}
	c.rules = append(c.rules, r)
}

// ruleCheck looks for rows that break a condition. NULL does not.
func (c *compiler) ruleCheck(t *table, name, condition string) {
	c.rule(rule{table: t, what: "check " + name, breaks: "is broken by", code: "check_violation",
		broken: func(rows string) string { return say("SELECT * FROM %s WHERE NOT (%s)", rows, condition) },
	}, t.telling(mentions(condition, t.Name, t.now.names())))
}

// ruleNotNull looks for NULLs.
func (c *compiler) ruleNotNull(t *table, f field) {
	c.rule(rule{table: t, what: "NOT NULL of column " + f.Name, breaks: "is broken by", code: "not_null_violation",
		broken: func(rows string) string { return say("SELECT * FROM %s WHERE %s IS NULL", rows, ident(f.Name)) },
	}, t.telling([]string{f.Name}))
}

// ruleUnique looks for what is there more than once.
func (c *compiler) ruleUnique(t *table, what string, columns []string, predicate string) {
	c.rule(rule{table: t, what: what, breaks: "would be unique, and more than one row has", code: "unique_violation",
		broken: func(rows string) string {
			where := present("", columns)
			if predicate != "" {
				where += " AND (" + predicate + ")"
			}
			return say("SELECT %s FROM %s WHERE %s GROUP BY %[1]s HAVING count(*) > 1", idents(columns), rows, where)
		},
	}, columns)
}

// ruleForeignKey looks for what refers to nothing. If the column that is referred
// to is itself to be filled in, nobody can tell yet.
func (c *compiler) ruleForeignKey(t *table, name string, columns []string, to *operation.TableReferences) {
	target, err := c.table(to.Table)
	if err != nil || len(columns) != len(to.Columns) {
		return
	}
	match := make([]string, len(columns))
	for i, key := range to.Columns {
		f := target.now.find(key)
		if f == nil || !target.created && !target.before.has(f.column) {
			return
		}
		match[i] = say("r.%s = n.%s", ident(f.phys), ident(columns[i]))
	}
	c.rule(rule{table: t, what: "foreign key " + name, breaks: "refers to nothing in " + to.Table + " from", code: "foreign_key_violation",
		broken: func(rows string) string {
			return say("SELECT * FROM (SELECT * FROM %s) n WHERE %s AND NOT EXISTS (SELECT 1 FROM %s r WHERE %s)",
				rows, present("n.", columns), target.sql(c.catalog), strings.Join(match, " AND "))
		},
	}, t.telling(columns))
}

// present is the condition that none of some columns is NULL.
func present(prefix string, columns []string) string {
	all := make([]string, len(columns))
	for i, name := range columns {
		all[i] = prefix + ident(name) + " IS NOT NULL"
	}
	return strings.Join(all, " AND ")
}

// telling gives the columns by which a row is told to people: its primary key, and
// more.
func (t *table) telling(more []string) []string {
	var all []string
	for _, k := range t.Constraints {
		if k.Type == "p" {
			all = append(all, t.logicalNames(k.Columns)...)
		}
	}
	for _, name := range more {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// lookAhead gives the steps that look for rows that break a rule, first of all in the backfill.
func (c *compiler) lookAhead() []script.Step {
	for _, t := range c.tables {
		if t.created || t.dropped {
			continue
		}
		for _, f := range t.fresh() {
			if f.checked() {
				c.migration = f.migration
				c.ruleNotNull(t, f)
			}
		}
	}
	var steps []script.Step
	for _, r := range c.rules {
		if !r.table.dropped && len(r.covers) > 0 && !r.stale() {
			steps = append(steps, c.lookFor(r))
		}
	}
	return steps
}

// stale tells whether an operation after it has changed what the rule speaks of.
func (r *rule) stale() bool {
	return slices.ContainsFunc(r.covers, func(f field) bool {
		now := r.table.now.find(f.Name)
		return now == nil || now.column != f.column
	})
}

// lookFor makes the step of a rule, which fails with up to three rows.
func (c *compiler) lookFor(r rule) script.Step {
	t := r.table
	rows := say("(SELECT * FROM %s) AS %s", t.sql(c.catalog), ident(t.Name))
	if t.carries() { // else nothing of it is to be filled in, and names are the table's own
		rows = say("(SELECT r.* FROM %s AS %[2]s CROSS JOIN LATERAL (%[3]s) AS r WHERE %[2]s.%[4]s = 0) AS %[5]s", t.sql(c.catalog), stored, t.ups(stored), state, ident(t.Name))
	} else if len(t.layers) > 0 {
		rows = say("(SELECT r.* FROM %s AS %s CROSS JOIN LATERAL (%s) AS r) AS %s", t.sql(c.catalog), stored, t.ups(stored), ident(t.Name))
	}
	told := make([]string, len(r.covers))
	for i, f := range r.covers {
		told[i] = say("%s || coalesce(pg_catalog.left(b.%s::text, 60), 'NULL')", literal(f.Name+" = "), ident(f.Name))
	}
	s := script.Step{Migration: r.migration, Note: "look whether rows of " + t.Name + " break " + r.what, Alone: true, Slow: true}
	s.SQL = "DO " + dollars(say(`DECLARE found text;
BEGIN
  PERFORM pg_catalog.set_config('search_path', %s, true);
  SELECT pg_catalog.string_agg(told, '; ') INTO found FROM (
    SELECT %s AS told FROM (%s LIMIT 3) AS b) AS x;
  IF found IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = %s, MESSAGE = pg_catalog.concat(%s, found, %s);
  END IF;
END`, literal(c.searchPath(c.old)), strings.Join(told, " || ', ' || "), r.broken(rows), literal(r.code),
		literal(say("%s of table %s %s ", r.what, t.Name, r.breaks)), literal("; mend these rows, or have the migration convert them (up)")))
	return s
}
