package versions

import (
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/script"
)

// state is a column that says how far a row has come: 0 it has not been filled in,
// 1 it has, 2 the new release has written it. A backfill sets it to NULL, which
// means: fill it in, whoever you are.
const state = "_segue_state"

// The triggers' names sort behind those of others, which so have changed the row
// already: PostgreSQL runs them in the order of their names. Those for updates have a
// condition of their own, by which one that touches nothing of theirs calls no function.
const (
	upTrigger         = "~segue_up"
	upUpdateTrigger   = "~segue_up_update"
	downTrigger       = "~segue_down"
	downUpdateTrigger = "~segue_down_update"
)

// A target is a column that a trigger sets, by its name in the version that the
// value is computed for.
type target struct {
	field
	from sources
}

// upTargets gives the new columns whose values come from old ones.
func (t *table) upTargets() []target {
	var all []target
	from := t.upSources()
	for _, f := range t.now {
		if !t.before.has(f.column) && !f.Generated && t.computedUp(f.Name) {
			all = append(all, target{f, from[f.Name]})
		}
	}
	return all
}

// computedUp tells whether a new column has a value that is not its own.
func (t *table) computedUp(name string) bool {
	for i := len(t.layers) - 1; i >= 0; i-- {
		l := &t.layers[i]
		if _, is := l.up[name]; is {
			return true
		}
		if name = l.origin(name); l.before.find(name) == nil {
			return false
		}
	}
	return true
}

// downTargets gives the old columns whose values come from new ones.
func (t *table) downTargets() []target {
	var all []target
	from := t.downSources()
	for _, f := range t.before {
		if !t.now.has(f.column) && !f.Generated && t.computedDown(f.Name) {
			all = append(all, target{f, from[f.Name]})
		}
	}
	return all
}

func (t *table) computedDown(name string) bool {
	for i := range t.layers {
		l := &t.layers[i]
		if _, is := l.down[name]; is {
			return true
		}
		if name = l.fate(name); l.after.find(name) == nil {
			return false
		}
	}
	return true
}

// upTouched gives the columns that the old release changes with an effect.
func (t *table) upTouched() sources {
	var all sources
	for _, g := range t.upTargets() {
		all = all.with(g.from)
	}
	return all
}

// downTouched gives the columns that the new release changes with an effect, be it
// only that the row has its mark.
func (t *table) downTouched() sources {
	var all sources
	for _, g := range t.downTargets() {
		all = all.with(g.from)
	}
	for _, f := range t.fresh() {
		if !f.Generated {
			all = all.with(sources{f.phys})
		}
	}
	return all
}

// carries tells whether the versions have values to carry over.
func (t *table) carries() bool {
	return !t.created && !t.dropped && len(t.layers) > 0 && (len(t.upTargets()) > 0 || len(t.downTargets()) > 0)
}

// assign sets the targets of a record for which again holds, or whose sources have
// changed, from the row that rows selects.
func assign(targets []target, rows string) string {
	var b strings.Builder
	for len(targets) > 0 {
		from := targets[0].from
		var into, values []string
		rest := targets[:0:0]
		for _, g := range targets {
			if slices.Equal(g.from, from) {
				into = append(into, "NEW."+ident(g.phys))
				values = append(values, "r."+ident(g.Name))
			} else {
				rest = append(rest, g)
			}
		}
		b.WriteString(say("  IF again OR %s THEN\n    SELECT %s INTO %s FROM (%s) AS r;\n  END IF;\n",
			from.changed(), strings.Join(values, ", "), strings.Join(into, ", "), rows))
		targets = rest
	}
	return b.String()
}

// upBody is the trigger's for rows that the old release writes, and the backfill.
// What the backfill writes is the row as it was: triggers of others that keep the
// time of a change, say, have no part in it.
func (t *table) upBody() string {
	return say(`#variable_conflict use_column
DECLARE again boolean := TG_OP = 'INSERT';
BEGIN
  IF TG_OP = 'UPDATE' THEN
    again := OLD.%[1]s = 0;
    IF NEW.%[1]s IS NULL THEN
      NEW := OLD;
    END IF;
  END IF;
%[2]s  IF NEW.%[1]s = 0 THEN
    NEW.%[1]s := 1;
  END IF;
  RETURN NEW;
END`, state, assign(t.upTargets(), t.ups("NEW")))
}

// downBody is the trigger's for rows that the new release writes. A row that the
// backfill has not come to yet is filled in first, so that what the new release has
// changed is told from what was not there.
func (t *table) downBody() string {
	return say(`#variable_conflict use_column
DECLARE again boolean := TG_OP = 'INSERT'; u record;
BEGIN
%[2]s%[3]s  NEW.%[1]s := 2;
  RETURN NEW;
END`, state, t.fillFirst(), assign(t.downTargets(), t.downs("NEW")))
}

func (t *table) fillFirst() string {
	ups := t.upTargets()
	if len(ups) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(say("  IF TG_OP = 'UPDATE' AND OLD.%s = 0 THEN\n    SELECT * INTO u FROM (%s) AS r;\n", state, t.ups("OLD")))
	for _, g := range ups {
		b.WriteString(say(`    IF NOT %s THEN
      NEW.%[2]s := u.%[3]s;
    END IF;
    OLD.%[2]s := u.%[3]s;
`, sources{g.phys}.changed(), ident(g.phys), ident(g.Name)))
	}
	b.WriteString("  END IF;\n")
	return b.String()
}

// triggers gives the steps that make the functions and the triggers. The functions
// live in the new version's schema and find tables as the version does that their
// expressions are of.
func (c *compiler) triggers(t *table) []script.Step {
	var steps []script.Step
	fn := func(kind, body, path string) {
		steps = append(steps, c.step("carry over what is written to "+t.facts.Name+": "+kind,
			"CREATE OR REPLACE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql SET search_path = %s AS %s",
			qualified(c.schema, function(kind, t.facts.Name)), path, dollars(body)))
	}
	trigger := func(name, kind, event, when string, args ...any) {
		steps = append(steps, c.step("carry over what is written to "+t.facts.Name+": "+kind,
			"CREATE TRIGGER %s BEFORE %s ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %s()",
			ident(name), event, t.sql(c.catalog), say(when, args...), qualified(c.schema, function(kind, t.facts.Name))))
	}
	version := literal(c.schema)
	fn("up", t.upBody(), c.searchPath(c.old))
	trigger(upTrigger, "up", "INSERT", "pg_catalog.current_schema() IS DISTINCT FROM %s", version)
	trigger(upUpdateTrigger, "up", "UPDATE", "NEW.%[1]s IS NULL OR (OLD.%[1]s = 0 OR %[2]s) AND pg_catalog.current_schema() IS DISTINCT FROM %[3]s",
		state, t.upTouched().changed(), version)
	fn("down", t.downBody(), c.searchPath(c.schema))
	trigger(downTrigger, "down", "INSERT", "pg_catalog.current_schema() = %s", version)
	trigger(downUpdateTrigger, "down", "UPDATE", "NEW.%[1]s IS NOT NULL AND (OLD.%[1]s = 0 OR %[2]s) AND pg_catalog.current_schema() = %[3]s",
		state, t.downTouched().changed(), version)
	return steps
}

// function is the name of a trigger's function.
func function(kind, table string) string { return fit("_segue_" + kind + "_" + table) }

// searchPath gives what expressions of a version find their names in.
func (c *compiler) searchPath(version string) string {
	var path []string
	for _, s := range append([]string{version, c.base}, c.path...) {
		if s != "" && !slices.Contains(path, s) {
			path = append(path, s)
		}
	}
	return idents(append(path, "pg_temp"))
}

// dollars quotes the body of a function.
func dollars(body string) string {
	tag := "$segue$"
	for strings.Contains(body, tag) {
		tag = strings.Replace(tag, "$segue", "$segue_", 1)
	}
	return tag + "\n" + body + "\n" + tag
}

// dropTriggers gives the steps that end the carrying over.
func (c *compiler) dropTriggers() []script.Step {
	var steps []script.Step
	for _, t := range c.tables {
		if !t.carries() {
			continue
		}
		for _, name := range []string{upTrigger, upUpdateTrigger, downTrigger, downUpdateTrigger} {
			steps = append(steps, c.step("carry over nothing more of "+t.facts.Name,
				"DROP TRIGGER IF EXISTS %s ON %s", ident(name), t.sql(c.catalog)))
		}
		for _, kind := range []string{"up", "down"} {
			steps = append(steps, c.step("carry over nothing more of "+t.facts.Name,
				"DROP FUNCTION IF EXISTS %s()", qualified(c.schema, function(kind, t.facts.Name))))
		}
	}
	return steps
}
