package backfill

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/migrate/internal/dialect"
)

// sqlite has one writer at a time, and whoever waits looks again now and then: what
// others feel is how long they wait for their turn.
type sqlite struct {
	version string       // of the data as others have left them, when the last batch began
	written atomic.Int64 // when it was seen that somebody else has written, in Unix nanoseconds
}

func (*sqlite) indexes(ctx context.Context, s dialect.Session, table string) ([]index, error) {
	schema, name := "main", names(table)
	if len(name) > 1 {
		schema = name[0]
	}
	bare := quote(name[len(name)-1]) + ", " + quote(schema)
	columns, err := records(ctx, s, "SELECT name, type, \"notnull\", pk FROM pragma_table_info("+bare+")")
	if err != nil {
		return nil, err
	}
	list, err := records(ctx, s, "SELECT wr FROM pragma_table_list WHERE schema = "+quote(schema)+" AND name = "+quote(name[len(name)-1])+" COLLATE NOCASE")
	if err != nil {
		return nil, err
	}
	var found []index
	if len(list) == 1 && list[0]["wr"] == "0" {
		found = append(found, rowid(columns))
	}
	filled := map[string]bool{}
	for _, c := range columns {
		filled[c["name"]] = c["notnull"] == "1"
	}
	all, err := records(ctx, s, `SELECT l.name AS "index", i.seqno, i.name FROM pragma_index_list(`+bare+`) AS l, pragma_index_info(l.name, `+quote(schema)+`) AS i
		WHERE l."unique" AND NOT l.partial ORDER BY l.origin = 'pk' DESC, l.seq, i.seqno`)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r["seqno"] == "0" {
			found = append(found, index{})
		}
		i := &found[len(found)-1]
		i.columns = append(i.columns, r["name"])
		i.null = i.null || !filled[r["name"]] // an expression has no name
	}
	return found, nil
}

// rowid is the key that a table has without an index, by the name of the column
// that stands for it, if there is one.
func rowid(columns []map[string]string) index {
	name, primary := "rowid", 0
	for _, c := range columns {
		if c["pk"] != "0" {
			primary++
			if strings.EqualFold(c["type"], "INTEGER") {
				name = c["name"]
			}
		}
	}
	if primary != 1 {
		name = "rowid"
	}
	return index{columns: []string{name}}
}

func (*sqlite) key(_ context.Context, _ dialect.Session, _ string, _ index, columns []string) (key, error) {
	k := key{columns: columns}
	for _, c := range columns {
		k.selects = append(k.selects, "quote("+c+")")
		k.literal = append(k.literal, itself)
	}
	return k, nil
}

func (*sqlite) estimate(ctx context.Context, s dialect.Session, table string) (int64, error) {
	values, _, err := row(ctx, s, "SELECT count(*) FROM "+table, 1)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(values[0].String, 10, 64)
}

func (*sqlite) settle(context.Context, dialect.Session) error { return nil }
func (*sqlite) begin() string                                 { return "BEGIN IMMEDIATE" }

// prepare lets a probe wait for as long as it takes: it is to see that.
func (*sqlite) prepare(ctx context.Context, s dialect.Session) error {
	return exec(ctx, s, "PRAGMA busy_timeout = 20000")
}

func (*sqlite) clear(context.Context, dialect.Session) error { return nil }

// probe waits for its turn to write, as others do, and writes nothing.
func (*sqlite) probe(ctx context.Context, s dialect.Session, _ string) error {
	return exec(ctx, s, "BEGIN IMMEDIATE", "COMMIT")
}

// notice sees, within a batch, whether somebody else has written since the last one.
func (l *sqlite) notice(ctx context.Context, s dialect.Session) error {
	values, _, err := row(ctx, s, "PRAGMA data_version", 1)
	if err != nil {
		return err
	}
	if version := values[0].String; l.version != version {
		if l.version != "" {
			l.written.Store(time.Now().UnixNano())
		}
		l.version = version
	}
	return nil
}

func (l *sqlite) look(context.Context, dialect.Session, []int64) (view, error) {
	return view{others: time.Since(time.Unix(0, l.written.Load())) < 2*time.Second}, nil
}
