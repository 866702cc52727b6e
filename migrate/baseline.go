package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

// Baseline writes down that migrations up to the named one are in the database
// already, done by somebody else.
func (d *Database) Baseline(ctx context.Context, set Set, upTo string) error {
	at := slices.IndexFunc(set, func(m Migration) bool { return m.Name == upTo })
	if at < 0 {
		var names []string
		for _, m := range set {
			names = append(names, m.Name)
		}
		return fmt.Errorf("there is no migration %q; there are %s", upTo, strings.Join(names, ", "))
	}
	return d.work(ctx, func(r *runner) error {
		st, err := d.status(ctx, r.conn, set)
		if err != nil {
			return err
		}
		if st.Open != nil {
			return fmt.Errorf("%s is %s; first bring it to its end (`segue migrate contract`) or take it back (`segue migrate rollback`)", st.Open.name(), st.Open.State)
		}
		if err := d.store.make(ctx, r.conn); err != nil {
			return err
		}
		return r.inTransaction(ctx, func(tx *sql.Tx) error {
			for _, m := range set[:at+1].without(st.Applied) {
				if err := d.store.apply(ctx, tx, 0, m.Name, m.Sum); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// foreign refuses to do again what another tool has written down as done, in a
// database that nothing of ours is written down in.
func (d *Database) foreign(ctx context.Context, on dialect.Session, st Status) error {
	if len(st.Applied) > 0 || st.Open != nil || len(st.Last) > 0 {
		return nil
	}
	for _, tool := range d.tools() {
		done, err := d.doneBy(ctx, on, tool)
		if err != nil {
			return err
		}
		for _, name := range slices.Backward(st.Pending) {
			if slices.Contains(done, tool.key(name)) {
				return fmt.Errorf("%s has written down in this database that %s is done, and Segue has nothing written down; "+
					"if it and all before it are there, say so: segue migrate baseline %s", tool.name, name, name)
			}
		}
	}
	return nil
}

// A tool is another that changes databases, and keeps a record there.
type tool struct {
	name  string
	table string                   // its record
	query string                   // gives texts that name migrations that are done
	key   func(name string) string // such a text, of a migration's name
}

func (d *Database) tools() []tool {
	text := "CAST(version_id AS char(20))"
	if d.db.Kind != dialect.MariaDB {
		text = "CAST(version_id AS text)"
	}
	// goose writes a line more for what is taken back.
	tools := []tool{{"goose", "goose_db_version", "SELECT " + text + " FROM goose_db_version g WHERE version_id > 0 AND is_applied " +
		"AND id = (SELECT max(id) FROM goose_db_version l WHERE l.version_id = g.version_id)", number}}
	if d.db.Kind == dialect.Postgres {
		tools = append(tools, tool{"pgroll", "pgroll.migrations", "SELECT name::text FROM pgroll.migrations WHERE done AND schema::text = '" +
			strings.ReplaceAll(d.base, "'", "''") + "'", strings.Clone})
	}
	return tools
}

func (d *Database) doneBy(ctx context.Context, on dialect.Session, t tool) (names []string, err error) {
	if has, err := d.db.HasTable(ctx, on, t.table); err != nil || !has {
		return nil, err
	}
	rows, err := on.QueryContext(ctx, t.query)
	if err != nil {
		return nil, fmt.Errorf("ask what %s has done: %w", t.name, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, strings.TrimSpace(name))
	}
	return names, rows.Err()
}
