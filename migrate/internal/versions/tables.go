package versions

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/operation"
	"github.com/seguehq/segue/migrate/internal/script"
)

// tableOps is what the operations of this file and its neighbours leave for the end.
type tableOps struct {
	surroundings
	indexes      []pendingIndex
	made         map[string]*table // indexes and constraints, by this change
	drops        []drop
	tableRenames []script.Step   // of contract, behind everything that speaks of tables
	replaced     map[string]bool // names of routines whose old ones contract drops
	newRoutines  []script.Step   // of expand, behind the views, which they may speak of
	settled      []script.Step   // of contract, when tables have their names: the new routines in the base schema
	rules        []rule
	showAgain    bool // plain SQL runs at contract
}

func newTableOps(s surroundings) tableOps {
	return tableOps{surroundings: s, made: map[string]*table{}, replaced: map[string]bool{}}
}

// applyToTable adds what an operation does that is not about a column alone.
func (c *compiler) applyToTable(op operation.Operation) error {
	switch op := op.(type) {
	case *operation.CreateTable:
		return c.createTable(op)
	case *operation.DropTable:
		return c.dropTable(op)
	case *operation.RenameTable:
		return c.renameTable(op)
	case *operation.CreateIndex:
		return c.createIndex(op)
	case *operation.DropIndex:
		return c.dropIndex(op)
	case *operation.CreateConstraint:
		return c.createConstraint(op)
	case *operation.DropConstraint:
		return c.dropConstraint(op)
	case *operation.DropMultiColumnConstraint:
		return c.dropMultiColumnConstraint(op)
	case *operation.RenameConstraint:
		return c.renameConstraint(op)
	case *operation.SetReplicaIdentity:
		return c.setReplicaIdentity(op)
	case *operation.SQL:
		return c.plainSQL(op)
	case *operation.CreateRoutine:
		return c.createRoutine(op)
	case *operation.DropRoutine:
		return c.dropRoutine(op)
	}
	return errors.ErrUnsupported
}

// createTable makes the table as it is to be: nobody knows it but the new version.
func (c *compiler) createTable(op *operation.CreateTable) error {
	if err := c.free(op.Name); err != nil {
		return err
	}
	t := created(op)
	c.tables = append(c.tables, t)
	lines := make([]string, 0, len(op.Columns)+len(op.Constraints))
	var keys []string
	for i := range op.Columns {
		lines = append(lines, columnSQL(&op.Columns[i]))
		if op.Columns[i].PK {
			keys = append(keys, op.Columns[i].Name)
		}
	}
	if len(keys) > 0 {
		lines = append(lines, say("PRIMARY KEY (%s)", idents(keys)))
	}
	for i := range op.Constraints {
		if k := &op.Constraints[i]; k.Type != "foreign_key" {
			lines = append(lines, constraintSQL(k))
		}
	}
	c.expand("create table "+op.Name, "CREATE TABLE %s (\n  %s\n)", t.sql(c.catalog), strings.Join(lines, ",\n  "))
	c.undo("drop table "+op.Name, "DROP TABLE IF EXISTS %s", t.sql(c.catalog))
	c.loses("rows of table "+op.Name+", which the old release does not know", "SELECT count(*) FROM %s", t.sql(c.catalog))
	c.describe(t, op)
	return c.refer(t, op)
}

// free refuses the name of something that is there until contract.
func (c *compiler) free(name string) error {
	for _, t := range c.tables {
		if t.Name == name && !t.dropped {
			return fmt.Errorf("there is a table %s already", name)
		}
		if t.facts.Name == name {
			return fmt.Errorf("the table %s of the old release is there until contract: choose another name, or do it in the next release", name)
		}
	}
	if what := c.relations[name]; what != "" {
		return fmt.Errorf("there is %s %s in schema %s already: choose another name", what, name, c.base)
	}
	return nil
}

// created gives the table for what follows.
func created(op *operation.CreateTable) *table {
	f := facts{Name: op.Name, Kind: "r", Identity: "d"}
	for i := range op.Columns {
		col := &op.Columns[i]
		cf := columnFacts{Name: col.Name, Type: col.Type, NotNull: !col.Nullable || col.PK, Comment: col.Comment, Target: -1}
		if serial := serials[strings.ToLower(col.Type)]; serial != "" {
			cf.Type = serial
		}
		if col.Default != nil {
			cf.Default = *col.Default
		}
		if g := col.Generated; g != nil && g.Identity != nil {
			cf.Identity = "a"
			if g.Identity.UserSpecifiedValues == "BY DEFAULT" {
				cf.Identity = "d"
			}
		} else if g != nil {
			cf.Generated, cf.Default = true, g.Expression
		}
		f.Columns = append(f.Columns, cf)
		f.Order = append(f.Order, col.Name)
	}
	t := newTable(f)
	t.created = true
	return t
}

func (c *compiler) describe(t *table, op *operation.CreateTable) {
	if op.Comment != "" {
		c.expand("comment on table "+op.Name, "COMMENT ON TABLE %s IS %s", t.sql(c.catalog), literal(op.Comment))
	}
	for i := range op.Columns {
		if col := &op.Columns[i]; col.Comment != "" {
			c.expand("comment on column "+op.Name+"."+col.Name, "COMMENT ON COLUMN %s.%s IS %s",
				t.sql(c.catalog), ident(col.Name), literal(col.Comment))
		}
	}
}

// refer adds a new table's foreign keys. The table is empty: there is nothing
// to validate, and the other's writers wait for no more than the lock.
func (c *compiler) refer(t *table, op *operation.CreateTable) error {
	for i := range op.Columns {
		col := &op.Columns[i]
		if r := col.References; r != nil {
			if err := c.reference(t, r.Name, []string{col.Name}, single(r), deferring(r.Deferrable, r.InitiallyDeferred)); err != nil {
				return err
			}
		}
	}
	for i := range op.Constraints {
		k := &op.Constraints[i]
		if k.Type == "foreign_key" {
			if err := c.reference(t, k.Name, k.Columns, k.References, deferring(k.Deferrable, k.InitiallyDeferred)); err != nil {
				return err
			}
		}
	}
	return nil
}

// single gives the foreign key of one column in the form of several.
func single(r *operation.References) *operation.TableReferences {
	return &operation.TableReferences{
		Table: r.Table, Columns: []string{r.Column}, OnDelete: r.OnDelete, OnUpdate: r.OnUpdate, MatchType: r.MatchType,
	}
}

func (c *compiler) reference(t *table, name string, columns []string, to *operation.TableReferences, deferring string) error {
	def, now, err := c.foreignKey(columns, to, to.OnDeleteSetColumns)
	if err != nil {
		return fmt.Errorf("foreign key %s: %w", name, err)
	}
	add := say("ALTER TABLE %s ADD CONSTRAINT %s %s%s", t.sql(c.catalog), ident(name), def, deferring)
	if now {
		c.expand("add foreign key "+name, "%s", add)
		return nil
	}
	c.checks = append(c.checks, c.step("add foreign key "+name, "%s", add)) // when its key's index is there
	return nil
}

// foreignKey gives the definition, for columns by their names in the table, of
// which some may be those that a delete sets, and tells whether what it refers to is
// there before the backfill.
func (c *compiler) foreignKey(columns []string, to *operation.TableReferences, set []string) (def string, now bool, err error) {
	target, err := c.table(to.Table)
	if err != nil {
		return "", false, err
	}
	now = true
	keys := make([]string, len(to.Columns))
	for i, name := range to.Columns {
		f, err := target.column(name)
		if err != nil {
			return "", false, err
		}
		keys[i] = f.phys
		now = now && (target.created || target.before.has(f.column))
	}
	return say("FOREIGN KEY (%s) REFERENCES %s (%s)%s", idents(columns), target.sql(c.catalog), idents(keys), actions(to, set)), now, nil
}

// A drop is a table that contract drops.
type drop struct {
	*table
	migration string
}

// dropTable takes the table from the new version. What only the old one knows is
// dropped by dropTables.
func (c *compiler) dropTable(op *operation.DropTable) error {
	t, err := c.table(op.Name)
	if err != nil {
		return err
	}
	if t.created {
		return fmt.Errorf("table %s is made by this very change: leave both out", op.Name)
	}
	for _, d := range t.Dependents {
		return fmt.Errorf("%s depends on table %s: drop it first, in a release before this one", d.What, op.Name)
	}
	t.dropped = true
	c.drops = append(c.drops, drop{t, c.migration})
	return nil
}

// dropTables gives contract's step that drops the tables, all at once: they may
// refer to each other.
func (c *compiler) dropTables() ([]script.Step, error) {
	if len(c.drops) == 0 {
		return nil, nil
	}
	var names, quoted []string
	for _, d := range c.drops {
		t := d.table
		c.migration = d.migration
		for _, in := range t.Inbound {
			if other := c.physical(in.Table); in.Schema != c.base || other == nil || !other.loses(in.Name) {
				return nil, fmt.Errorf("table %s cannot be dropped: %s of table %s refers to it; drop that constraint, too", t.Name, in.Name, in.Table)
			}
		}
		names = append(names, t.facts.Name)
		quoted = append(quoted, t.sql(c.catalog))
	}
	return []script.Step{c.step("drop table "+strings.Join(names, ", "), "DROP TABLE IF EXISTS %s", strings.Join(quoted, ", "))}, nil
}

// physical gives a table by the name that it has until contract.
func (c *catalog) physical(name string) *table {
	for _, t := range c.tables {
		if t.facts.Name == name {
			return t
		}
	}
	return nil
}

// loses tells whether contract drops a constraint: itself, its table, or a column
// that it covers.
func (t *table) loses(constraint string) bool {
	if t.dropped || t.without[constraint] {
		return true
	}
	i := slices.IndexFunc(t.Constraints, func(k constraintFacts) bool { return k.Name == constraint })
	return i < 0 || slices.ContainsFunc(t.Constraints[i].Columns, func(name string) bool {
		return t.latest(name) == nil
	})
}

// latest gives the column of the new version that one of the table is or has
// become, by its name in the table; nil: the new version has none.
func (t *table) latest(phys string) *field {
	for i := range t.now {
		for col := t.now[i].column; col != nil; col = col.replaces {
			if col.phys == phys {
				return &t.now[i]
			}
		}
	}
	return nil
}

// renameTable gives the table its new name in the new version, and at contract.
func (c *compiler) renameTable(op *operation.RenameTable) error {
	t, err := c.table(op.From)
	if err != nil {
		return err
	}
	for _, other := range c.tables {
		if other.Name == op.To && !other.dropped {
			return fmt.Errorf("there is a table %s already", op.To)
		}
	}
	if what := c.relations[op.To]; what != "" && what != "table" {
		return fmt.Errorf("there is %s %s in schema %s already: choose another name", what, op.To, c.base)
	}
	s := c.step("rename table "+op.From+" to "+op.To, "ALTER TABLE %s RENAME TO %s", qualified(c.base, op.From), ident(op.To))
	c.tableRenames = append(c.tableRenames, s)
	t.Name = op.To
	return nil
}
