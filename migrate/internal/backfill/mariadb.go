package backfill

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

type mariadb struct{ quiet bool } // its probe writes nothing

func (*mariadb) indexes(ctx context.Context, s dialect.Session, table string) ([]index, error) {
	all, err := records(ctx, s, "SHOW INDEX FROM "+table)
	if err != nil {
		return nil, err
	}
	var found []index
	for _, r := range all {
		if r["non_unique"] != "0" {
			continue
		}
		if r["seq_in_index"] == "1" {
			found = append(found, index{})
		}
		i := &found[len(found)-1]
		i.columns = append(i.columns, r["column_name"])
		i.null = i.null || r["null"] == "YES" || r["sub_part"] != "" // a part of a text may be another's too
	}
	return found, nil
}

// key has what the server compares as the column's own type: digits for numbers,
// bytes for bytes, and the number of a word in an ENUM, which is what it is sorted by.
func (*mariadb) key(ctx context.Context, s dialect.Session, table string, _ index, columns []string) (key, error) {
	rows, err := s.QueryContext(ctx, "SELECT "+strings.Join(columns, ", ")+" FROM "+table+" LIMIT 0")
	if err != nil {
		return key{}, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return key{}, err
	}
	// Of (a, b) > (x, y) it uses no index.
	k := key{expanded: true}
	for i, c := range columns {
		selects, literal := "CAST("+c+" AS CHAR)", mariadbText
		switch t := strings.TrimPrefix(types[i].DatabaseTypeName(), "UNSIGNED "); t {
		case "ENUM", "SET", "BIT":
			c += " + 0"
			selects, literal = c, itself
		case "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "BIGINT", "YEAR", "DECIMAL":
			literal = itself
		case "FLOAT", "DOUBLE":
			selects, literal = "CAST("+c+" AS DOUBLE)", itself
		case "BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB":
			selects, literal = "HEX("+c+")", func(text string) string { return "x'" + text + "'" }
		}
		k.columns = append(k.columns, c)
		k.selects = append(k.selects, selects)
		k.literal = append(k.literal, literal)
	}
	return k, rows.Err()
}

// mariadbText writes a text as a literal. What may be read in more than one way
// (whether a backslash is one depends on sql_mode) is written as its bytes.
func mariadbText(text string) string {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '\'' || c == '\\' {
			return "_utf8mb4 x'" + hex.EncodeToString([]byte(text)) + "'"
		}
	}
	return "'" + text + "'"
}

func (*mariadb) estimate(ctx context.Context, s dialect.Session, table string) (int64, error) {
	plan, err := records(ctx, s, "EXPLAIN SELECT 1 FROM "+table)
	if err != nil || len(plan) == 0 {
		return 0, err
	}
	return strconv.ParseInt(plan[0]["rows"], 10, 64)
}

// settle has a batch lock its rows and not what lies between them, where others
// insert; except where the binary log holds statements, of which InnoDB then
// demands it.
func (*mariadb) settle(ctx context.Context, s dialect.Session) error {
	values, _, err := row(ctx, s, "SELECT @@log_bin AND @@binlog_format = 'STATEMENT'", 1)
	if err != nil {
		return err
	}
	level := "READ COMMITTED"
	if values[0].String == "1" {
		level = "REPEATABLE READ"
	}
	return exec(ctx, s, "SET SESSION TRANSACTION ISOLATION LEVEL "+level)
}

func (*mariadb) begin() string { return "START TRANSACTION" }

func (m *mariadb) prepare(ctx context.Context, s dialect.Session) error {
	m.quiet = true
	err := exec(ctx, s, "CREATE TABLE IF NOT EXISTS segue_canary (id int PRIMARY KEY, n bigint NOT NULL) ENGINE=InnoDB",
		"INSERT IGNORE INTO segue_canary VALUES (1, 0)")
	m.quiet = err != nil
	return err
}

func (m *mariadb) clear(ctx context.Context, s dialect.Session) error {
	if m.quiet {
		return nil
	}
	return exec(ctx, s, "DROP TABLE IF EXISTS segue_canary")
}

func (m *mariadb) probe(ctx context.Context, s dialect.Session, read string) error {
	if m.quiet {
		return exec(ctx, s, read)
	}
	return exec(ctx, s, read, "UPDATE segue_canary SET n = n + 1 WHERE id = 1")
}

func (*mariadb) look(ctx context.Context, s dialect.Session, ours []int64) (view, error) {
	values, _, err := row(ctx, s, `SELECT count(*) FROM information_schema.PROCESSLIST
		WHERE ID NOT IN (`+list(ours)+`) AND USER NOT IN ('system user', 'event_scheduler')
		AND COMMAND NOT IN ('Daemon', 'Binlog Dump', 'Slave_IO', 'Slave_SQL', 'Slave_worker')
		AND (COMMAND <> 'Sleep' OR TIME_MS < 1000)`, 1)
	if err != nil {
		return view{}, err
	}
	status, err := records(ctx, s, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_checkpoint_age', 'Innodb_checkpoint_max_age')")
	if err != nil {
		return view{}, err
	}
	of := map[string]float64{}
	for _, r := range status {
		n, err := strconv.ParseFloat(r["value"], 64)
		if err != nil {
			return view{}, fmt.Errorf("%s: %w", r["variable_name"], err)
		}
		of[strings.ToLower(r["variable_name"])] = n
	}
	v := view{others: values[0].String != "0"}
	if most := of["innodb_checkpoint_max_age"]; most > 0 {
		v.full = of["innodb_checkpoint_age"] / most
	}
	return v, nil
}
