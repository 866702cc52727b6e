package versions

import (
	"strings"

	"github.com/seguehq/segue/migrate/internal/operation"
)

// columnSQL gives a column of a new table. Its foreign key is added apart.
func columnSQL(col *operation.Column) string {
	var b strings.Builder
	b.WriteString(ident(col.Name) + " " + col.Type)
	if g := col.Generated; g != nil {
		b.WriteString(generatedSQL(g))
	}
	if col.Default != nil {
		b.WriteString(" DEFAULT " + *col.Default)
	}
	if !col.Nullable && !col.PK {
		b.WriteString(" NOT NULL")
	}
	if col.Unique {
		b.WriteString(" UNIQUE")
	}
	if k := col.Check; k != nil {
		b.WriteString(" CONSTRAINT " + ident(k.Name) + " " + checkSQL(k.Constraint, k.NoInherit))
	}
	return b.String()
}

func generatedSQL(g *operation.Generated) string {
	if g.Identity == nil {
		return " GENERATED ALWAYS AS (" + g.Expression + ") STORED"
	}
	when := g.Identity.UserSpecifiedValues
	if when == "" {
		when = "ALWAYS"
	}
	sql := " GENERATED " + when + " AS IDENTITY"
	if o := g.Identity.SequenceOptions; o != "" {
		sql += " (" + o + ")"
	}
	return sql
}

// constraintSQL gives a constraint of a new table, which is no foreign key.
func constraintSQL(k *operation.Constraint) string {
	sql := "CONSTRAINT " + ident(k.Name) + " "
	switch k.Type {
	case "check":
		return sql + checkSQL(k.Check, k.NoInherit)
	case "exclude":
		return sql + excludeSQL(k) + deferring(k.Deferrable, k.InitiallyDeferred)
	case "primary_key":
		sql += "PRIMARY KEY"
	default:
		sql += "UNIQUE"
		if k.NullsNotDistinct {
			sql += " NULLS NOT DISTINCT"
		}
	}
	return sql + " (" + idents(k.Columns) + ")" + indexParameters(k.IndexParameters) + deferring(k.Deferrable, k.InitiallyDeferred)
}

func checkSQL(condition string, noInherit bool) string {
	sql := "CHECK (" + condition + ")"
	if noInherit {
		sql += " NO INHERIT"
	}
	return sql
}

func excludeSQL(k *operation.Constraint) string {
	sql := "EXCLUDE"
	if m := k.Exclude.IndexMethod; m != "" {
		sql += " USING " + ident(m)
	}
	sql += " (" + k.Exclude.Elements + ")" + indexParameters(k.IndexParameters)
	if k.Exclude.Predicate != "" {
		sql += " WHERE (" + k.Exclude.Predicate + ")"
	}
	return sql
}

func indexParameters(p *operation.IndexParameters) string {
	if p == nil {
		return ""
	}
	var sql string
	if len(p.IncludeColumns) > 0 {
		sql += " INCLUDE (" + idents(p.IncludeColumns) + ")"
	}
	if p.StorageParameters != "" {
		sql += " WITH (" + p.StorageParameters + ")"
	}
	if p.Tablespace != "" {
		sql += " USING INDEX TABLESPACE " + ident(p.Tablespace)
	}
	return sql
}

func deferring(deferrable, initially bool) string {
	switch {
	case initially:
		return " DEFERRABLE INITIALLY DEFERRED"
	case deferrable:
		return " DEFERRABLE"
	}
	return ""
}

// actions gives what follows the columns of a foreign key; set are those of the
// table that a delete sets.
func actions(to *operation.TableReferences, set []string) string {
	var sql string
	if to.MatchType != "" {
		sql += " MATCH " + to.MatchType
	}
	if to.OnUpdate != "" {
		sql += " ON UPDATE " + to.OnUpdate
	}
	if to.OnDelete != "" {
		sql += " ON DELETE " + to.OnDelete
	}
	if len(set) > 0 {
		sql += " (" + idents(set) + ")"
	}
	return sql
}
