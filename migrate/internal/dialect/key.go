package dialect

import (
	"context"
	"strings"
)

// Key gives a table's name as SQL wants it, with its schema where there are
// some, and the columns of its primary key, quoted. table is as a user writes it,
// quoted or not. What is not there is empty: it is no error that there is no such
// table, or no such key.
func (d *DB) Key(ctx context.Context, s Session, table string) (name string, key []string, err error) {
	switch d.Kind {
	case Postgres:
		return d.postgresKey(ctx, s, table)
	case MariaDB:
		return d.namedKey(ctx, s, unquote(table), "SELECT COLUMN_NAME FROM information_schema.STATISTICS "+
			"WHERE TABLE_SCHEMA = database() AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX")
	}
	name, key, err = d.namedKey(ctx, s, unquote(table), `SELECT name FROM (
		SELECT name, pk, min("notnull" OR upper(type) = 'INTEGER') OVER () AS sure FROM pragma_table_info(?) WHERE pk > 0) WHERE sure ORDER BY pk`)
	if err != nil || len(key) > 0 {
		return name, key, err
	}
	var tables int // one without a primary key, or with NULLs in it, has row numbers
	err = s.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?", unquote(table)).Scan(&tables)
	if tables > 0 {
		key = []string{"rowid"}
	}
	return name, key, err
}

func (d *DB) postgresKey(ctx context.Context, s Session, table string) (name string, key []string, err error) {
	rows, err := s.QueryContext(ctx, `SELECT format('%I.%I', n.nspname, c.relname), coalesce(quote_ident(a.attname), '')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
		LEFT JOIN unnest(i.indkey::int2[]) WITH ORDINALITY k(num, at) ON true
		LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num
		WHERE c.oid = to_regclass($1) ORDER BY k.at`, table)
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var column string
		if err := rows.Scan(&name, &column); err != nil {
			return "", nil, err
		}
		if column != "" {
			key = append(key, column)
		}
	}
	return name, key, rows.Err()
}

func (d *DB) namedKey(ctx context.Context, s Session, table, query string) (name string, key []string, err error) {
	rows, err := s.QueryContext(ctx, query, table)
	if err != nil {
		return "", nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return "", nil, err
		}
		key = append(key, d.Quote(column))
	}
	return d.Quote(table), key, rows.Err()
}

// HasTable says whether there is a table, whose name is written as in a statement.
func (d *DB) HasTable(ctx context.Context, s Session, name string) (has bool, err error) {
	query := "SELECT count(*) > 0 FROM sqlite_schema WHERE type = 'table' AND name = ?"
	switch d.Kind {
	case Postgres:
		query = "SELECT to_regclass($1) IS NOT NULL"
	case MariaDB:
		query = "SELECT count(*) > 0 FROM information_schema.TABLES WHERE TABLE_SCHEMA = database() AND TABLE_NAME = ?"
	}
	return has, s.QueryRowContext(ctx, query, name).Scan(&has)
}

// Empty says that there is no table of anybody's: those of extensions, and the record of
// changes, do not count. schema is PostgreSQL's.
func (d *DB) Empty(ctx context.Context, s Session, schema string) (empty bool, err error) {
	query, args := `SELECT count(*) = 0 FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'segue\_%' ESCAPE '\'`, []any{}
	switch d.Kind {
	case Postgres:
		query, args = `SELECT count(*) = 0 FROM pg_catalog.pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind IN ('r', 'p')
			AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`, []any{schema}
	case MariaDB:
		query = `SELECT count(*) = 0 FROM information_schema.TABLES WHERE TABLE_SCHEMA = database() AND TABLE_NAME NOT LIKE 'segue\_%'`
	}
	return empty, s.QueryRowContext(ctx, query, args...).Scan(&empty)
}

// unquote takes the quotes from a name.
func unquote(name string) string {
	for _, q := range []string{"`", `"`} {
		if len(name) > 1 && strings.HasPrefix(name, q) && strings.HasSuffix(name, q) {
			return strings.ReplaceAll(name[1:len(name)-1], q+q, q)
		}
	}
	return name
}
