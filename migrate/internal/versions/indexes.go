package versions

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/migrate/internal/operation"
)

// A pendingIndex is one that is made when it is known what its columns become: an
// operation after it may replace them.
type pendingIndex struct {
	op        *operation.CreateIndex
	migration string
	table     *table
	row       row // when the operation was met, by whose names it speaks
}

// createIndex makes an index for both versions: it costs the old one's writes what
// it costs the new one's, and if it is unique it holds for both.
func (c *compiler) createIndex(op *operation.CreateIndex) error {
	t, err := c.table(op.Table)
	if err != nil {
		return err
	}
	if err := c.unused(op.Name); err != nil {
		return err
	}
	if err := t.whole("index"); err != nil {
		return err
	}
	for _, ic := range op.Columns {
		if _, err := t.column(ic.Column); err != nil {
			return err
		}
	}
	p := pendingIndex{op: op, migration: c.migration, table: t, row: t.now.clone()}
	c.indexes = append(c.indexes, p)
	c.made[op.Name] = t
	return nil
}

// whole refuses what PostgreSQL cannot give a partitioned table without blocking.
func (t *table) whole(what string) error {
	if t.Kind != "p" {
		return nil
	}
	return fmt.Errorf("table %s has partitions: PostgreSQL adds no %s to all of them without blocking their writers; do it in plain SQL for one after the other, then for the table", t.Name, what)
}

// unused refuses a name that an index or a constraint with one cannot have.
func (c *compiler) unused(name string) error {
	if what := c.relations[name]; what != "" {
		return fmt.Errorf("there is %s %s in schema %s already: choose another name", what, name, c.base)
	}
	if c.made[name] != nil {
		return fmt.Errorf("%s is made by an operation before this one: choose another name", name)
	}
	return nil
}

// makeIndexes adds the indexes, as the columns have become.
func (c *compiler) makeIndexes() error {
	for _, p := range c.indexes {
		c.migration = p.migration
		if p.table.dropped {
			continue
		}
		if err := c.makeIndex(p); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) makeIndex(p pendingIndex) error {
	op, t := p.op, p.table
	physical, logical := p.become()
	var parts, names []string
	for _, ic := range op.Columns {
		if physical[ic.Column] == "" {
			return fmt.Errorf("index %s: column %s.%s is dropped by an operation after it", op.Name, t.Name, ic.Column)
		}
		parts = append(parts, indexField(physical[ic.Column], ic))
		names = append(names, logical[ic.Column])
	}
	unique, note := "", "create index "+op.Name+" on "+op.Table
	if op.Unique {
		unique = "UNIQUE "
		c.ruleUnique(t, "index "+op.Name, names, substitute(op.Predicate, logical))
	}
	on := t.sql(c.catalog) + indexDefinition(op, parts, substitute(op.Predicate, physical))
	if t.created { // and empty
		c.expand(note, "CREATE %sINDEX %s ON %s", unique, ident(op.Name), on)
		return nil
	}
	c.index(op.Name, note, "CREATE %sINDEX CONCURRENTLY %s ON %s", unique, ident(op.Name), on)
	return nil
}

// become gives what the columns are called now that the operation speaks of: in
// the table, and by the new version.
func (p pendingIndex) become() (physical, logical map[string]string) {
	physical, logical = map[string]string{}, map[string]string{}
	for _, f := range p.row {
		if now := p.table.latest(f.phys); now != nil {
			physical[f.Name], logical[f.Name] = now.phys, now.Name
		}
	}
	return physical, logical
}

// indexDefinition gives what follows the table's name.
func indexDefinition(op *operation.CreateIndex, parts []string, predicate string) string {
	sql := " (" + strings.Join(parts, ", ") + ")"
	if op.Method != "" {
		sql = " USING " + op.Method + sql
	}
	if op.StorageParameters != "" {
		sql += " WITH (" + op.StorageParameters + ")"
	}
	if predicate != "" {
		sql += " WHERE (" + predicate + ")"
	}
	return sql
}

func indexField(name string, f operation.IndexField) string {
	sql := ident(name)
	if f.Collate != "" {
		sql += " COLLATE " + collation(f.Collate)
	}
	if o := f.Opclass; o != nil {
		sql += " " + o.Name
		if len(o.Params) > 0 {
			sql += " (" + strings.Join(o.Params, ", ") + ")"
		}
	}
	if f.Sort != "" {
		sql += " " + f.Sort
	}
	if f.Nulls != "" {
		sql += " NULLS " + f.Nulls
	}
	return sql
}

// collation quotes a collation's name, unless that has been done.
func collation(name string) string {
	if strings.Contains(name, `"`) {
		return name
	}
	return ident(name)
}

// dropIndex drops an index when the old version, whose queries may need it, is gone.
func (c *compiler) dropIndex(op *operation.DropIndex) error {
	t, index, err := c.indexOf(op.Name)
	if err != nil {
		return err
	}
	if index.Constraint != "" {
		return fmt.Errorf("index %s belongs to the constraint %s of table %s: drop that", op.Name, index.Constraint, t.Name)
	}
	t.without[op.Name] = true
	how := "CONCURRENTLY "
	if t.Kind == "p" { // which PostgreSQL refuses for partitioned ones
		how = ""
	}
	s := c.step("drop index "+op.Name, "DROP INDEX %sIF EXISTS %s", how, qualified(c.base, op.Name))
	s.Alone = t.Kind != "p"
	c.removals = append(c.removals, s)
	return nil
}

func (c *compiler) indexOf(name string) (*table, *indexFacts, error) {
	if c.made[name] != nil {
		return nil, nil, fmt.Errorf("%s is made by this very change: leave both out", name)
	}
	var all []string
	for _, t := range c.tables {
		for i := range t.Indexes {
			if t.Indexes[i].Name == name {
				return t, &t.Indexes[i], nil
			}
			all = append(all, t.Indexes[i].Name)
		}
	}
	return nil, nil, fmt.Errorf("there is no index %s in schema %s%s", name, c.base, nearest(name, all))
}
