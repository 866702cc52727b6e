package versions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/operation"
)

// createConstraint gives the new version columns of its own, which the constraint
// holds for: the old one's rows are converted to them.
func (c *compiler) createConstraint(op *operation.CreateConstraint) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	if err := c.newConstraint(t, op.Name); err != nil {
		return err
	}
	if op.Type == "primary_key" && t.primaryKey() != "" {
		return fmt.Errorf("table %s has a primary key already, %s", op.Table, t.primaryKey())
	}
	if op.Type != "check" {
		if err := t.whole(strings.ReplaceAll(op.Type, "_", " ") + map[string]string{"unique": " constraint"}[op.Type]); err != nil {
			return err
		}
	}
	if !t.created {
		if err := c.replaceColumns(t, op.Columns, op.Up, op.Down); err != nil {
			return err
		}
	}
	c.made[op.Name] = t
	columns := make([]string, len(op.Columns))
	for i, name := range op.Columns {
		f, err := t.column(name)
		if err != nil {
			return err
		}
		columns[i] = f.phys
	}
	switch op.Type {
	case "check":
		c.addCheck(t, op)
		return nil
	case "foreign_key":
		return c.addForeignKey(t, op, columns)
	}
	return c.addUnique(t, op, columns)
}

// newConstraint refuses a name that the table's constraint cannot have.
func (c *compiler) newConstraint(t *table, name string) error {
	if slices.ContainsFunc(t.Constraints, func(k constraintFacts) bool { return k.Name == name }) {
		return fmt.Errorf("table %s has a constraint %s already, until contract: choose another name", t.Name, name)
	}
	return c.unused(name)
}

func (t *table) primaryKey() string {
	for _, k := range t.Constraints {
		if k.Type == "p" && !t.without[k.Name] {
			return k.Name
		}
	}
	return ""
}

func (c *compiler) addCheck(t *table, op *operation.CreateConstraint) {
	condition := substitute(op.Check, t.physicalNames())
	add := say("ALTER TABLE %s ADD CONSTRAINT %s %s", t.sql(c.catalog), ident(op.Name), checkSQL(condition, op.NoInherit))
	if t.created {
		c.expand("add check "+op.Name, "%s", add)
		return
	}
	c.guard("add check "+op.Name, "%s NOT VALID", add)
	c.validate("validate check "+op.Name, "ALTER TABLE %s VALIDATE CONSTRAINT %s", t.sql(c.catalog), ident(op.Name))
	c.ruleCheck(t, op.Name, op.Check)
	c.dropsAtUndo(t, op.Name)
}

func (c *compiler) dropsAtUndo(t *table, name string) {
	c.undo("drop constraint "+name, "ALTER TABLE IF EXISTS %s DROP CONSTRAINT IF EXISTS %s", t.sql(c.catalog), ident(name))
}

func (c *compiler) addForeignKey(t *table, op *operation.CreateConstraint, columns []string) error {
	set := make([]string, len(op.References.OnDeleteSetColumns))
	for i, name := range op.References.OnDeleteSetColumns {
		f, err := t.column(name)
		if err != nil {
			return err
		}
		set[i] = f.phys
	}
	def, now, err := c.foreignKey(columns, op.References, set)
	if err != nil {
		return err
	}
	add := say("ALTER TABLE %s ADD CONSTRAINT %s %s", t.sql(c.catalog), ident(op.Name), def)
	switch {
	case t.created && now:
		c.expand("add foreign key "+op.Name, "%s", add)
		return nil
	case now:
		c.guard("add foreign key "+op.Name, "%s NOT VALID", add)
	default: // when its key's index is there
		c.checks = append(c.checks, c.step("add foreign key "+op.Name, "%s NOT VALID", add))
	}
	c.dropsAtUndo(t, op.Name)
	c.validate("validate foreign key "+op.Name, "ALTER TABLE %s VALIDATE CONSTRAINT %s", t.sql(c.catalog), ident(op.Name))
	c.ruleForeignKey(t, op.Name, op.Columns, op.References)
	return nil
}

// addUnique makes the index first, without blocking writers, and the constraint
// of it. A primary key follows at contract, when the columns have their names and are NOT NULL.
func (c *compiler) addUnique(t *table, op *operation.CreateConstraint, columns []string) error {
	kind := "UNIQUE"
	if op.Type == "primary_key" {
		kind = "PRIMARY KEY"
	}
	params, err := c.physicalParameters(t, op.IndexParameters)
	if err != nil {
		return err
	}
	if t.created {
		c.expand("add constraint "+op.Name, "ALTER TABLE %s ADD CONSTRAINT %s %s (%s)%s",
			t.sql(c.catalog), ident(op.Name), kind, idents(columns), indexParameters(params))
		return nil
	}
	c.ruleUnique(t, "constraint "+op.Name, op.Columns, "")
	c.index(op.Name, "create index "+op.Name+" on "+op.Table, "CREATE UNIQUE INDEX CONCURRENTLY %s ON %s (%s)%s",
		ident(op.Name), t.sql(c.catalog), idents(columns), strings.Replace(indexParameters(params), " USING INDEX TABLESPACE", " TABLESPACE", 1))
	use := say("ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s", t.sql(c.catalog), ident(op.Name), kind, ident(op.Name))
	if op.Type == "primary_key" {
		t.mustHaveValues(op.Columns)
		c.rename("add primary key "+op.Name, "%s", use)
		return nil
	}
	c.checks = append(c.checks, c.step("add constraint "+op.Name, "%s", use))
	c.dropsAtUndo(t, op.Name)
	return nil
}

func (c *compiler) physicalParameters(t *table, p *operation.IndexParameters) (*operation.IndexParameters, error) {
	if p == nil {
		return nil, nil
	}
	out := *p
	out.IncludeColumns = nil
	for _, name := range p.IncludeColumns {
		f, err := t.column(name)
		if err != nil {
			return nil, err
		}
		out.IncludeColumns = append(out.IncludeColumns, f.phys)
	}
	return &out, nil
}

// dropConstraint gives the new version a column without the constraint. It stands
// for the old one's column, to which new values are converted, until contract.
func (c *compiler) dropConstraint(op *operation.DropConstraint) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	k, err := c.droppable(t, op.Name)
	if err != nil {
		return err
	}
	if k == nil {
		return nil
	}
	names := t.logicalNames(k.Columns)
	if len(names) != 1 {
		return fmt.Errorf("constraint %s covers the columns %s: use drop_multicolumn_constraint", op.Name, strings.Join(names, ", "))
	}
	return c.dropConversion(t, k, map[string]string{names[0]: op.Up}, map[string]string{names[0]: op.Down})
}

func (c *compiler) dropMultiColumnConstraint(op *operation.DropMultiColumnConstraint) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	k, err := c.droppable(t, op.Name)
	if k == nil || err != nil {
		return err
	}
	up := map[string]string{}
	for _, name := range t.logicalNames(k.Columns) {
		if _, ok := op.Down[name]; !ok {
			return fmt.Errorf("constraint %s covers column %s, which has no expression in down", op.Name, name)
		}
		up[name] = ident(name)
		if expr, ok := op.Up[name]; ok {
			up[name] = expr
		}
	}
	for name := range op.Down {
		if _, ok := up[name]; !ok {
			return fmt.Errorf("constraint %s does not cover column %s, which has an expression in down", op.Name, name)
		}
	}
	return c.dropConversion(t, k, up, op.Down)
}

// droppable gives a constraint that is to be dropped; nil: it is of a table that
// this change makes, and dropped already.
func (c *compiler) droppable(t *table, name string) (*constraintFacts, error) {
	if t.created {
		c.expand("drop constraint "+name, "ALTER TABLE %s DROP CONSTRAINT %s", t.sql(c.catalog), ident(name))
		delete(c.made, name)
		return nil, nil
	}
	k := t.constraint(name)
	switch {
	case k == nil:
		return nil, fmt.Errorf("table %s has no constraint %s%s", t.Name, name, nearest(name, t.constraintNames()))
	case k.Type != "c" && k.Type != "f" && k.Type != "u":
		return nil, fmt.Errorf("constraint %s is neither unique, nor a check, nor a foreign key: it cannot be dropped for one version alone", name)
	case t.without[name]:
		return nil, fmt.Errorf("constraint %s is dropped by an operation before this one", name)
	}
	for _, in := range t.Inbound {
		if k.Type == "u" && slices.Equal(slices.Sorted(slices.Values(in.Columns)), slices.Sorted(slices.Values(k.Columns))) {
			return nil, fmt.Errorf("%s of table %s needs the constraint %s: drop that first, in a release before this one", in.Name, in.Table, name)
		}
	}
	return k, nil
}

func (t *table) constraint(name string) *constraintFacts {
	for i := range t.Constraints {
		if t.Constraints[i].Name == name {
			return &t.Constraints[i]
		}
	}
	return nil
}

func (t *table) constraintNames() []string {
	var all []string
	for _, k := range t.Constraints {
		all = append(all, k.Name)
	}
	return all
}

// logicalNames gives the new version's names of columns of the table.
func (t *table) logicalNames(phys []string) []string {
	var all []string
	for _, name := range phys {
		if f := t.latest(name); f != nil {
			all = append(all, f.Name)
		}
	}
	return all
}

func (c *compiler) dropConversion(t *table, k *constraintFacts, up, down map[string]string) error {
	t.without[k.Name] = true
	return c.replaceColumns(t, t.logicalNames(k.Columns), up, down)
}

// renameConstraint renames it when no version is left that may name it.
func (c *compiler) renameConstraint(op *operation.RenameConstraint) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	if !t.created && t.constraint(op.From) == nil && c.made[op.From] != t {
		return fmt.Errorf("table %s has no constraint %s%s", op.Table, op.From, nearest(op.From, t.constraintNames()))
	}
	if t.constraint(op.To) != nil {
		return fmt.Errorf("table %s has a constraint %s already", op.Table, op.To)
	}
	c.rename("rename constraint "+op.From+" to "+op.To, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s",
		t.sql(c.catalog), ident(op.From), ident(op.To))
	return nil
}

// replaceColumns gives the new version columns of its own in the place of some.
func (c *compiler) replaceColumns(t *table, names []string, up, down map[string]string) error {
	for _, name := range names {
		f, err := t.column(name)
		if err != nil {
			return err
		}
		if f.Generated {
			return fmt.Errorf("column %s.%s is generated: drop it, and add another", t.Name, name)
		}
	}
	c.layer(t, up, down)
	for _, name := range names {
		c.replace(t, t.now.find(name))
	}
	return nil
}

// mustHaveValues makes columns that a primary key will cover NOT NULL.
func (t *table) mustHaveValues(names []string) {
	for _, name := range names {
		t.now.find(name).NotNull = true
	}
}
