package operation

import (
	"fmt"
	"slices"
	"strings"
)

// maxName is what PostgreSQL keeps of a name, in bytes; it cuts off the rest
// without a word.
const maxName = 63

// check holds a migration to the rules that span keys.
func check(c cursor, m *Migration) {
	_, list := c.n.get("operations")
	for i, op := range m.Operations {
		e := list.items[i].entries[0]
		at := cursor{r: c.r, n: e.value, path: fmt.Sprintf("operations[%d].%s", i, op.Kind())}
		if r, ok := op.(ruled); ok {
			r.rules(at)
		}
		at.names()
		if sql, ok := op.(*SQL); ok && !sql.OnComplete && len(m.Operations) > 1 {
			at.fail("statements that run when the change begins cannot stand beside other operations, which would not know what they did",
				"put them into a migration of their own, or set onComplete: true")
		}
	}
}

// ruled is an operation with rules of its own.
type ruled interface{ rules(c cursor) }

// at moves to a key, or stays where there is none.
func (c cursor) at(key string) cursor {
	if k, v := c.n.get(key); k != nil {
		return c.to(key, v)
	}
	return c
}

// names refuses names of tables and the like that PostgreSQL would cut.
func (c cursor) names() {
	for _, key := range []string{"name", "to", "table", "column"} {
		if _, v := c.n.get(key); v != nil && v.kind == text && len(v.text) > maxName {
			c.to(key, v).fail(fmt.Sprintf("the name has %d bytes; PostgreSQL keeps %d", len(v.text), maxName), "shorten it")
		}
	}
}

func (o *CreateTable) rules(c cursor) {
	if len(o.Columns) == 0 {
		c.at("columns").fail("a table without columns", "name at least one")
		return
	}
	seen, keys := map[string]bool{}, false
	for i := range o.Columns {
		col, at := &o.Columns[i], c.index("columns", i)
		if seen[col.Name] {
			at.at("name").fail("there are two columns "+clip(col.Name), "rename one")
		}
		seen[col.Name] = true
		keys = keys || col.PK
		col.rules(at)
	}
	for i, k := range o.Constraints {
		at := c.index("constraints", i)
		k.rules(at, seen)
		if k.Type == "primary_key" && keys {
			at.at("type").fail("the table has two primary keys: this one, and columns with pk: true", "keep one of them")
		}
		keys = keys || k.Type == "primary_key"
	}
}

// index moves to an entry of a list.
func (c cursor) index(key string, i int) cursor {
	list := c.at(key)
	return cursor{r: c.r, n: list.n.items[i], path: fmt.Sprintf("%s[%d]", list.path, i)}
}

func (col *Column) rules(c cursor) {
	c.names()
	g := col.Generated
	switch {
	case g == nil:
	case g.Expression != "" && g.Identity != nil:
		c.at("generated").fail("a column is generated from an expression or an identity, not both", "keep one of them")
	case g.Expression == "" && g.Identity == nil:
		c.at("generated").fail("neither expression nor identity is given", "add one of them")
	case col.Default != nil:
		c.at("default").fail("a generated column has no default", "take it out")
	}
}

func (k Constraint) rules(c cursor, columns map[string]bool) {
	c.names()
	needsColumns := k.Type == "unique" || k.Type == "primary_key" || k.Type == "foreign_key"
	switch {
	case needsColumns && len(k.Columns) == 0:
		c.fail("the key columns is missing", "name what the constraint covers")
	case k.Type == "check" && k.Check == "":
		c.fail("the key check is missing", "give the condition")
	case k.Type == "foreign_key" && k.References == nil:
		c.fail("the key references is missing", "say which table and columns")
	case k.Type == "exclude" && k.Exclude == nil:
		c.fail("the key exclude is missing", "give at least its elements")
	case k.Type == "exclude" && len(k.Columns) > 0:
		c.at("columns").fail("an exclusion has no columns of its own", "name them in exclude.elements")
	}
	for _, name := range k.Columns {
		if !columns[name] {
			c.at("columns").fail("the table has no column "+clip(name), didYouMean(name, keysOf(columns)))
		}
	}
	c.sameNumber(k.Type, k.Columns, k.References)
}

// sameNumber holds both sides of a foreign key to one number of columns.
func (c cursor) sameNumber(kind string, columns []string, to *TableReferences) {
	if kind == "foreign_key" && to != nil && len(to.Columns) != len(columns) {
		c.at("references").fail(fmt.Sprintf("%d columns refer to %d", len(columns), len(to.Columns)), "name as many on both sides")
	}
}

func (o *RenameTable) rules(c cursor)      { c.renames(o.From, o.To) }
func (o *RenameColumn) rules(c cursor)     { c.renames(o.From, o.To) }
func (o *RenameConstraint) rules(c cursor) { c.renames(o.From, o.To) }

func (c cursor) renames(from, to string) {
	if from == to {
		c.at("to").fail("it has that name already", "")
	}
}

func (o *AddColumn) rules(c cursor) { o.Column.rules(c.at("column")) }

func (o *AlterColumn) rules(c cursor) {
	if o.Name == "" && o.Type == "" && o.Nullable == nil && !o.Default.Set && !o.Comment.Set &&
		o.Unique == nil && o.Check == nil && o.References == nil {
		c.fail("nothing is altered", "give at least one of type, nullable, default, comment, unique, check, references")
	}
}

func (o *CreateIndex) rules(c cursor) {
	if len(o.Columns) == 0 {
		c.at("columns").fail("an index without columns", "name at least one")
	}
	if o.Unique && o.Method != "" && o.Method != "btree" {
		c.at("method").fail("only a btree can be unique", "take one of them out")
	}
}

func (o *CreateConstraint) rules(c cursor) {
	switch {
	case o.Type != "check" && len(o.Columns) == 0:
		c.fail("the key columns is missing", "name what the constraint covers")
		return
	case o.Type == "check" && o.Check == "":
		c.fail("the key check is missing", "give the condition")
	case o.Type == "foreign_key" && o.References == nil:
		c.fail("the key references is missing", "say which table and columns")
	}
	if len(o.Columns) == 0 {
		o.Columns = keysOf(o.Up)
	}
	c.covers("up", o.Columns, o.Up)
	c.covers("down", o.Columns, o.Down)
	c.sameNumber(o.Type, o.Columns, o.References)
}

func (o *DropMultiColumnConstraint) rules(c cursor) {
	if len(o.Down) == 0 {
		c.at("down").fail("there is no column", "give each that the constraint covers its expression")
		return
	}
	if o.Up != nil {
		c.covers("up", keysOf(o.Down), o.Up)
	}
}

// covers holds expressions to the columns that are covered: each one, and no other.
func (c cursor) covers(key string, columns []string, exprs map[string]string) {
	at := c.at(key)
	for _, name := range columns {
		if _, ok := exprs[name]; !ok {
			at.fail("there is no expression for the column "+clip(name), "add "+clip(name)+": "+clip(name)+" if the value stays as it is")
		}
	}
	for _, name := range keysOf(exprs) {
		if !slices.Contains(columns, name) {
			at.at(name).fail("the constraint does not cover the column "+clip(name), "take it out, or name it in columns")
		}
	}
}

func (o *SetReplicaIdentity) rules(c cursor) {
	if (o.Identity.Type == "index") != (o.Identity.Index != "") {
		c.at("identity").fail("an index is named exactly if the type is index", "")
	}
}

func (o *SQL) rules(c cursor) {
	if o.OnComplete && o.Down != "" {
		c.at("down").fail("what runs at contract is not taken back", "take down or onComplete out")
	}
}

func (o *CreateRoutine) rules(c cursor) {
	head, err := ParseRoutine(o.SQL)
	if err != nil {
		c.at("sql").fail(err.Error(), "write CREATE FUNCTION "+clip(o.Name)+"(…) …")
		return
	}
	if head.Name != o.Name {
		c.at("sql").fail(fmt.Sprintf("the statement makes %s, and name says %s", clip(head.Name), clip(o.Name)),
			"make them the same; without quotes SQL takes "+clip(strings.ToLower(o.Name)))
	}
}
