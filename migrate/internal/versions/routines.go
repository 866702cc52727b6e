package versions

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A routine is a function or procedure of the base schema.
type routine struct {
	Name       string
	Arguments  string   // that tell it from others of the name
	Fixed      string   // why it cannot be dropped: "an aggregate", "an extension's"
	Limited    bool     // not everybody may call it
	Grants     []string // who may, quoted
	Dependents []string // what uses it and would go with it, as PostgreSQL describes it
}

// surroundings is what is there besides the tables.
type surroundings struct {
	relations map[string]string // names that are taken in the base schema, and by what
	routines  []routine
}

//go:embed routines.sql
var routinesQuery string

// look asks for the surroundings of a catalog's tables.
func (c *catalog) look(ctx context.Context, q Queryer) (surroundings, error) {
	var text string
	if err := one(ctx, q, &text, routinesQuery, c.base, c.old); err != nil {
		return surroundings{}, err
	}
	var all struct {
		Relations map[string]string
		Routines  []routine
	}
	err := json.Unmarshal([]byte(text), &all)
	return surroundings{all.Relations, all.Routines}, err
}

// createRoutine makes it in the new version's schema, where that version finds it
// before those of the same name in the base schema, which the old one goes on to call.
// Contract puts it in their place: all of them, so that a change of the signature
// leaves none behind.
func (c *compiler) createRoutine(op *operation.CreateRoutine) error {
	head, err := operation.ParseRoutine(op.SQL)
	if err != nil {
		return err
	}
	if err := c.dropBase(op.Name); err != nil {
		return err
	}
	create := func(schema, path, before string) script.Step {
		return c.step("create routine "+op.Name+" in schema "+schema, "%s",
			c.inPath(path, before+"CREATE OR REPLACE "+head.Kind+" "+qualified(schema, op.Name)+head.Rest))
	}
	c.newRoutines = append(append(c.newRoutines, create(c.schema, c.schema, "")), c.limit(c.schema, op.Name)...)
	// A body that fits the views, by which releases go on to call it, need not fit the
	// tables, whose columns may be in another order: contract is not to fail of that.
	c.settled = append(append(c.settled, create(c.base, "", "SET LOCAL check_function_bodies = off;\n")), c.limit(c.base, op.Name)...)
	return nil
}

// dropRoutine has contract drop what there is of the name. Until then the new
// version could call it, too.
func (c *compiler) dropRoutine(op *operation.DropRoutine) error {
	var names []string
	for _, r := range c.routines {
		names = append(names, r.Name)
	}
	if !slices.Contains(names, op.Name) {
		return fmt.Errorf("there is no function or procedure %s in schema %s%s", op.Name, c.base, nearest(op.Name, names))
	}
	return c.dropBase(op.Name)
}

// dropBase has contract drop all routines of a name.
func (c *compiler) dropBase(name string) error {
	if c.replaced[name] {
		return nil
	}
	c.replaced[name] = true
	for _, r := range c.routines {
		if r.Name != name {
			continue
		}
		if r.Fixed != "" {
			return fmt.Errorf("%s(%s) in schema %s is %s: take another name", r.Name, r.Arguments, c.base, r.Fixed)
		}
		for _, d := range r.Dependents {
			return fmt.Errorf("%s uses %s(%s), which is one for all versions: take another name, or change it in plain SQL", d, r.Name, r.Arguments)
		}
		c.contract("drop routine "+name, "DROP ROUTINE IF EXISTS %s(%s)", qualified(c.base, name), r.Arguments)
	}
	return nil
}

// inPath has a statement find what it names as a version finds it; empty: as it is
// in the base schema.
func (c *compiler) inPath(version, sql string) string {
	const set = "SELECT pg_catalog.set_config('%s', %s, true);\n"
	return say(set, "segue.search_path", "pg_catalog.current_setting('search_path')") +
		say(set, "search_path", literal(c.searchPath(version))) +
		sql + "\n;\n" +
		say(set, "search_path", "pg_catalog.current_setting('segue.search_path')")
}

// limit leaves new routines to those who may call the ones before them, if not
// everybody may.
func (c *compiler) limit(schema, name string) []script.Step {
	i := slices.IndexFunc(c.routines, func(r routine) bool { return r.Name == name && r.Limited })
	if i < 0 {
		return nil
	}
	all := "EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', r.f)"
	for _, who := range c.routines[i].Grants {
		all += ";\n    EXECUTE pg_catalog.format('GRANT EXECUTE ON ROUTINE %s TO ', r.f) || " + literal(who)
	}
	return []script.Step{c.step("who may call "+name+" in schema "+schema, "%s", "DO "+dollars(say(`DECLARE r record;
BEGIN
  FOR r IN SELECT p.oid::pg_catalog.regprocedure AS f FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = %s AND p.proname = %s
  LOOP
    %s;
  END LOOP;
END`, literal(schema), literal(name), all)))}
}
