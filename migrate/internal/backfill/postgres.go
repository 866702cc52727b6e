package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

type postgres struct{ quiet bool } // its probe writes nothing

func (*postgres) indexes(ctx context.Context, s dialect.Session, table string) ([]index, error) {
	all, err := records(ctx, s, `SELECT i.indexrelid, a.attname, a.attnotnull, t.typcategory
		FROM pg_index i
		CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, n)
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		JOIN pg_type t ON t.oid = a.atttypid
		WHERE i.indrelid = `+quote(table)+`::regclass AND i.indisunique AND i.indisvalid
		AND i.indpred IS NULL AND i.indexprs IS NULL AND k.n <= i.indnkeyatts
		ORDER BY i.indisprimary DESC, i.indexrelid, k.n`)
	if err != nil {
		return nil, err
	}
	var found []index
	before := ""
	for _, r := range all {
		if r["indexrelid"] != before {
			found, before = append(found, index{}), r["indexrelid"]
		}
		i := &found[len(found)-1]
		i.columns = append(i.columns, r["attname"])
		i.kinds = append(i.kinds, r["typcategory"])
		i.null = i.null || r["attnotnull"] != "true"
	}
	return found, nil
}

// quote writes a text as PostgreSQL and SQLite read it, whatever their settings.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

// key has literals without a type, which take the column's when they are compared
// to it. A time is written by ISO 8601, which does not depend on DateStyle.
func (*postgres) key(_ context.Context, _ dialect.Session, _ string, by index, columns []string) (key, error) {
	k := key{columns: columns}
	for i, c := range columns {
		text := c + "::text"
		if by.kinds[i] == "D" { // dates and times
			text = "to_json(" + c + ") #>> '{}'"
		}
		k.selects = append(k.selects, "quote_literal("+text+")")
		k.literal = append(k.literal, itself)
	}
	return k, nil
}

// estimate asks the planner, which looks at the size of the table as it is now.
func (*postgres) estimate(ctx context.Context, s dialect.Session, table string) (int64, error) {
	values, ok, err := row(ctx, s, "EXPLAIN (FORMAT JSON) SELECT FROM "+table, 1)
	if err != nil || !ok {
		return 0, err
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"`
		}
	}
	if err := json.Unmarshal([]byte(values[0].String), &plans); err != nil || len(plans) == 0 {
		return 0, fmt.Errorf("its plan is not understood: %w", err)
	}
	return int64(plans[0].Plan.Rows), nil
}

func (*postgres) settle(context.Context, dialect.Session) error { return nil }

// begin does not have the commit wait for the disk: after a crash of the server a
// batch and its record are either both there or both gone, and what comes after the
// backfill is on disk only if the backfill is.
func (*postgres) begin() string {
	return "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit = off"
}

// prepare asks whether somebody decodes the WAL, who would read the probe's words.
func (p *postgres) prepare(ctx context.Context, s dialect.Session) error {
	p.quiet = true
	_, decoded, err := row(ctx, s, "SELECT slot_name FROM pg_replication_slots WHERE slot_type = 'logical'", 1)
	if err != nil || decoded {
		return err
	}
	if err := exec(ctx, s, "SELECT pg_logical_emit_message(true, 'segue', '')"); err != nil {
		return err
	}
	p.quiet = false
	return nil
}

func (*postgres) clear(context.Context, dialect.Session) error { return nil }

// probe writes a message into the WAL, which nobody reads, and waits for the disk.
func (p *postgres) probe(ctx context.Context, s dialect.Session, read string) error {
	if p.quiet {
		return exec(ctx, s, read)
	}
	return exec(ctx, s, "SELECT pg_logical_emit_message(true, 'segue', ''), ("+read+")")
}

// look takes a session of which it may not see anything for one at work. Other
// connections of ours, by dialect's name for them, are not others.
func (*postgres) look(ctx context.Context, s dialect.Session, ours []int64) (view, error) {
	values, _, err := row(ctx, s, `SELECT
		(SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('client backend', 'parallel worker') AND pid NOT IN (`+list(ours)+`) AND application_name <> 'segue migrate'
			AND (state IS NULL OR state IN ('active', 'fastpath function call') OR state_change > clock_timestamp() - interval '1 second')),
		(SELECT (coalesce(max(extract(epoch FROM replay_lag)), 0) * 1000)::bigint FROM pg_stat_replication WHERE state = 'streaming')`, 2)
	if err != nil {
		return view{}, err
	}
	var others, lag int64
	_, err = fmt.Sscan(values[0].String+" "+values[1].String, &others, &lag)
	return view{others: others > 0, lag: time.Duration(lag) * time.Millisecond}, err
}
