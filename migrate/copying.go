package migrate

import (
	"regexp"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/phased"
	"github.com/seguehq/segue/migrate/internal/script"
)

// besideOthers has MariaDB refuse what it could do only by copying the table while
// nobody writes to it. It is the server's own word, where the gate judges by shapes.
const besideOthers = "SET STATEMENT alter_algorithm='INPLACE' FOR "

// firstMariaDB is the first version that knows this; MySQL's numbers are below it.
const firstMariaDB = 100307

var (
	definesTable = regexp.MustCompile(`(?is)^(?:ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?|CREATE\s+(?:UNIQUE\s+)?INDEX\s.*?\sON\s+)([^\s(]+)`)
	makesTable   = regexp.MustCompile(`(?is)^CREATE\s+(?:OR\s+REPLACE\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([^\s(]+)`)
	saysHow      = regexp.MustCompile(`(?i)\b(?:ALGORITHM|LOCK)\s*=`)
)

// guard puts that in front of the statements that do not say themselves how they
// are to be done. A table that the change makes has no writers yet, and what
// somebody has set a rule aside for was decided there.
func (d *Database) guard(statements []phased.Statement, findings []Finding) {
	if d.db.Kind != dialect.MariaDB || d.db.Version < firstMariaDB {
		return
	}
	var made []string
	for i := range statements {
		s := &statements[i]
		if m := makesTable.FindStringSubmatch(s.Step.SQL); m != nil {
			made = append(made, strings.Trim(m[1], "`"))
		}
		m := definesTable.FindStringSubmatch(s.Step.SQL)
		if m == nil || s.Phase == script.Undo || saysHow.MatchString(s.Step.SQL) || slices.Contains(made, strings.Trim(m[1], "`")) {
			continue
		}
		end := s.Line + strings.Count(s.SQL, "\n")
		decided := func(f Finding) bool { return f.Unsafe != "" && f.File == s.File && f.Line >= s.Line && f.Line <= end }
		if !slices.ContainsFunc(findings, decided) {
			s.Step.SQL = besideOthers + s.Step.SQL
		}
	}
}
