package migrate

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A store is the record of changes in the database that they change.
type store struct {
	db   *dialect.DB
	base string
}

// lastChanges is how many that have ended are told.
const lastChanges = 20

// tables are those of the record. Times are texts of RFC 3339 in UTC; is_open is 1
// or NULL, so that there is one open change of a schema at most. The lengths are
// such that MariaDB can make keys of them.
var tables = []string{
	`CREATE TABLE IF NOT EXISTS {changes} (
		id bigint PRIMARY KEY, base varchar(128) NOT NULL, is_open smallint, fresh smallint NOT NULL, state varchar(16) NOT NULL,
		migrations {text} NOT NULL, view_schema varchar(128) NOT NULL, script {text} NOT NULL, who varchar(255) NOT NULL,
		began varchar(40) NOT NULL, ready varchar(40) NOT NULL, ended varchar(40) NOT NULL, UNIQUE (base, is_open))`,
	`CREATE TABLE IF NOT EXISTS {steps} (
		change_id bigint NOT NULL, phase varchar(16) NOT NULL, step int NOT NULL, began varchar(40) NOT NULL, ended varchar(40) NOT NULL,
		last_key {text} NOT NULL, row_count bigint NOT NULL, row_total bigint NOT NULL, PRIMARY KEY (change_id, phase, step))`,
	`CREATE TABLE IF NOT EXISTS {migrations} (
		base varchar(128) NOT NULL, name varchar(255) NOT NULL, checksum varchar(64) NOT NULL, change_id bigint NOT NULL, applied varchar(40) NOT NULL,
		PRIMARY KEY (base, name))`,
}

// make makes the tables of the record where there are none.
func (s store) make(ctx context.Context, on dialect.Session) error {
	if has, err := s.exists(ctx, on); err != nil || has {
		return err
	}
	statements := tables
	if s.db.Kind == dialect.Postgres {
		statements = append([]string{"CREATE SCHEMA IF NOT EXISTS segue"}, tables...)
	}
	for _, statement := range statements {
		if s.db.Kind == dialect.MariaDB && strings.HasPrefix(statement, "CREATE TABLE") {
			statement += " ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
		}
		if _, err := on.ExecContext(ctx, s.query(statement)); err != nil {
			return fmt.Errorf("make the tables in which changes are written down: %w", err)
		}
	}
	return nil
}

// exists says whether something was ever written down.
func (s store) exists(ctx context.Context, on dialect.Session) (bool, error) {
	return s.db.HasTable(ctx, on, s.query("{migrations}")) // which is made last
}

// query fills in the names of tables and the marks of arguments.
func (s store) query(q string) string {
	prefix, text := "segue_", "text"
	switch s.db.Kind {
	case dialect.Postgres:
		prefix = "segue."
	case dialect.MariaDB:
		text = "longtext"
	}
	return s.db.Bind(strings.NewReplacer("{changes}", prefix+"changes", "{steps}", prefix+"steps", "{migrations}", prefix+"migrations", "{text}", text).Replace(q))
}

func (s store) exec(ctx context.Context, on dialect.Session, q string, args ...any) error {
	_, err := on.ExecContext(ctx, s.query(q), args...)
	return err
}

// migrationSum is a migration of a change as it is written down.
type migrationSum struct {
	Name string `json:"name"`
	Sum  string `json:"sum"`
}

// begin writes a change down, and gives it its number.
func (s store) begin(ctx context.Context, on dialect.Session, c *Change) error {
	if err := on.QueryRowContext(ctx, s.query("SELECT coalesce(max(id), 0) + 1 FROM {changes}")).Scan(&c.ID); err != nil {
		return err
	}
	var of []migrationSum
	for i, name := range c.Migrations {
		of = append(of, migrationSum{name, c.sums[i]})
	}
	migrations, err := json.Marshal(of)
	if err != nil {
		return err
	}
	script, err := json.Marshal(c.Script)
	if err != nil {
		return err
	}
	fresh := 0
	if c.fresh {
		fresh = 1
	}
	c.State, c.Began = Expanding, time.Now().UTC()
	return s.exec(ctx, on, `INSERT INTO {changes} (id, base, is_open, fresh, state, migrations, view_schema, script, who, began, ready, ended)
		VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, '', '')`,
		c.ID, s.base, fresh, string(c.State), string(migrations), c.Schema, string(script), shorten(c.Who, 255), format(c.Began))
}

// open gives the open change, nil if there is none.
func (s store) open(ctx context.Context, on dialect.Session) (*Change, error) {
	all, err := s.changes(ctx, on, "is_open = 1 ORDER BY id")
	if err != nil || len(all) == 0 {
		return nil, err
	}
	c := &all[0]
	c.Steps, err = s.steps(ctx, on, c.ID)
	return c, err
}

// ended gives the last changes that have ended, the newest first, without their
// scripts' statements.
func (s store) ended(ctx context.Context, on dialect.Session) ([]Change, error) {
	all, err := s.changes(ctx, on, fmt.Sprintf("is_open IS NULL ORDER BY id DESC LIMIT %d", lastChanges))
	for i := range all {
		all[i].Script = script.Script{}
	}
	return all, err
}

// fresh says that all that is written down was done to a database without anybody on
// it, and not to its end.
func (s store) fresh(ctx context.Context, on dialect.Session) (bool, error) {
	var other int
	err := on.QueryRowContext(ctx, s.query(`SELECT (SELECT count(*) FROM {changes} WHERE base = ? AND fresh = 0)
		+ (SELECT count(*) FROM {migrations} WHERE base = ? AND change_id = 0)`), s.base, s.base).Scan(&other)
	return other == 0, err
}

func (s store) changes(ctx context.Context, on dialect.Session, where string) (all []Change, err error) {
	rows, err := on.QueryContext(ctx, s.query(`SELECT id, state, migrations, view_schema, script, who, began, ready, ended
		FROM {changes} WHERE base = ? AND `+where), s.base)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		c, err := scanChange(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

func scanChange(rows *sql.Rows) (c Change, err error) {
	var migrations, script, began, ready, ended string
	if err := rows.Scan(&c.ID, &c.State, &migrations, &c.Schema, &script, &c.Who, &began, &ready, &ended); err != nil {
		return c, err
	}
	var of []migrationSum
	if err := errors.Join(json.Unmarshal([]byte(migrations), &of), json.Unmarshal([]byte(script), &c.Script)); err != nil {
		return c, fmt.Errorf("the record of change %d cannot be read: %w", c.ID, err)
	}
	for _, m := range of {
		c.Migrations, c.sums = append(c.Migrations, m.Name), append(c.sums, m.Sum)
	}
	c.Removes = len(c.Script.Contract) > 0
	c.Began, c.Ready, c.Ended = parse(began), parse(ready), parse(ended)
	return c, nil
}

func (s store) steps(ctx context.Context, on dialect.Session, id int64) (all []script.Record, err error) {
	rows, err := on.QueryContext(ctx, s.query(`SELECT phase, step, began, ended, last_key, row_count, row_total
		FROM {steps} WHERE change_id = ? ORDER BY began, step`), id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r script.Record
		var began, ended string
		if err := rows.Scan(&r.Phase, &r.Step, &began, &ended, &r.Last, &r.Rows, &r.Total); err != nil {
			return nil, err
		}
		r.Began, r.Ended = parse(began), parse(ended)
		all = append(all, r)
	}
	return all, rows.Err()
}

// applied gives the names of the migrations that are done, in their order.
func (s store) applied(ctx context.Context, on dialect.Session) (names []string, err error) {
	rows, err := on.QueryContext(ctx, s.query("SELECT name FROM {migrations} WHERE base = ?"), s.base)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.SortFunc(names, compareNames)
	return names, rows.Err()
}

// apply writes down that a migration is done; twice is once.
func (s store) apply(ctx context.Context, on dialect.Session, id int64, name, sum string) error {
	if err := s.exec(ctx, on, "DELETE FROM {migrations} WHERE base = ? AND name = ?", s.base, name); err != nil {
		return err
	}
	return s.exec(ctx, on, "INSERT INTO {migrations} (base, name, checksum, change_id, applied) VALUES (?, ?, ?, ?, ?)",
		s.base, name, sum, id, format(time.Now()))
}

func format(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

func parse(text string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, text) // the zero time for what was not yet
	return t
}

func shorten(text string, to int) string {
	if r := []rune(text); len(r) > to {
		return string(r[:to])
	}
	return text
}
