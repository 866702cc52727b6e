package postgres

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// format is the version of tables and procedures. They say themselves which is the
// oldest that may use them, so that a later one need not end those that run: it
// adds what it has more.
//
//	1  entries, locks
//	2  writes below a bound
const (
	format = 2
	oldest = 1
)

// tables makes them. Keys are compared bytewise; values are not compressed, which
// those of a cache are already.
const tables = `
CREATE TABLE IF NOT EXISTS $entries (
	key text COLLATE "C" PRIMARY KEY,
	value bytea NOT NULL,
	revision bigint NOT NULL,
	expires timestamptz
) WITH (fillfactor = 80);
ALTER TABLE $entries ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS store_expires ON $entries (expires) WHERE expires IS NOT NULL;
CREATE SEQUENCE IF NOT EXISTS $revision;
CREATE TABLE IF NOT EXISTS $format (version integer NOT NULL, oldest integer NOT NULL);
INSERT INTO $format SELECT $version, $oldest WHERE NOT EXISTS (SELECT FROM $format);
UPDATE $format SET version = $version WHERE version < $version;`

// procedures are the operations that write, each one round trip.
//
// A put takes its turn first, by an advisory lock of the key, and draws the
// revision then: a number drawn before would let a write that waited here go back
// behind one that has been, and was deleted again. Each statement sees what was
// committed before it began (read committed).
//
// Who commits a notification holds a lock of the whole server meanwhile. So that
// no disk is waited for under it, the write is committed without, and an empty
// message after it with: that one's commit returns when all before it is on disk.
// With 16 writers that is ten times as fast. Others may see the entry before it is
// on disk, but the caller is told only then.
//
// The names end in a number, so that releases with different procedures can share
// tables.
const procedures = `
CREATE OR REPLACE PROCEDURE $put(the_key text, the_value bytea, ttl bigint, expect bigint, turn bigint, INOUT written bigint)
LANGUAGE plpgsql AS $body$
DECLARE
	until timestamptz;
BEGIN
	PERFORM pg_advisory_xact_lock(turn);
	until := clock_timestamp() + ttl * interval '1 microsecond'; -- null for ever
	IF expect > 0 THEN
		UPDATE $entries e SET value = the_value, revision = nextval('$revision'), expires = until
			WHERE e.key = the_key AND e.revision = expect AND $live
			RETURNING e.revision INTO written;
	ELSE
		INSERT INTO $entries AS e VALUES (the_key, the_value, nextval('$revision'), until)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision, expires = excluded.expires
			WHERE expect < 0 OR NOT $live
			RETURNING e.revision INTO written;
	END IF;
	IF written IS NOT NULL THEN
		PERFORM pg_notify($channel, the_key), set_config('synchronous_commit', 'off', true);
		COMMIT;
		PERFORM pg_logical_emit_message(true, 'segue', '');
	END IF;
END $body$;

CREATE OR REPLACE PROCEDURE $below(the_key text, the_value bytea, ttl bigint, bound bytea, turn bigint,
	INOUT written bigint, INOUT there bytea, INOUT there_revision bigint, INOUT there_expires timestamptz)
LANGUAGE plpgsql AS $body$
BEGIN
	PERFORM pg_advisory_xact_lock(turn);
	SELECT e.value, e.revision, e.expires INTO there, there_revision, there_expires
		FROM $entries e WHERE e.key = the_key AND $live AND e.value >= bound;
	IF FOUND THEN
		RETURN;
	END IF;
	INSERT INTO $entries AS e VALUES (the_key, the_value, nextval('$revision'), clock_timestamp() + ttl * interval '1 microsecond')
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, revision = excluded.revision, expires = excluded.expires
		RETURNING e.revision INTO written;
	PERFORM pg_notify($channel, the_key), set_config('synchronous_commit', 'off', true);
	COMMIT;
	PERFORM pg_logical_emit_message(true, 'segue', '');
END $body$;

CREATE OR REPLACE PROCEDURE $delete(the_key text, expect bigint, INOUT deleted bigint)
LANGUAGE plpgsql AS $body$
BEGIN
	DELETE FROM $entries e WHERE e.key = the_key AND (expect < 0 OR e.revision = expect AND $live)
		RETURNING e.revision INTO deleted;
	IF deleted IS NOT NULL THEN
		PERFORM pg_notify($channel, the_key), set_config('synchronous_commit', 'off', true);
		COMMIT;
		PERFORM pg_logical_emit_message(true, 'segue', '');
	END IF;
END $body$;`

// live is what has not expired.
const live = "(e.expires IS NULL OR e.expires > clock_timestamp())"

// fill puts names into a statement.
func (set *settings) fill(statement string) string {
	return strings.NewReplacer("$entries", set.table("store_entries"), "$revision", set.table("store_revision"),
		"$put", set.table("store_put_1"), "$below", set.table("store_put_below_1"), "$delete", set.table("store_delete_1"), "$live", live,
		"$format", set.table("store_format"), "$version", strconv.Itoa(format), "$oldest", strconv.Itoa(oldest),
		"$schema", pgx.Identifier{set.schema}.Sanitize(), "$channel", "'"+set.channel()+"'",
		"$lock", strconv.FormatInt(set.lock("\x00format"), 10)).Replace(statement)
}

// lock is the number of an advisory lock of this store. Two keys that share one
// wait for each other and nothing else.
func (set *settings) lock(key string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(set.schema + "\x00" + key)) // a hash takes everything
	return int64(h.Sum64())
}

// catchUp moves the sequence of revisions up to the clock, in microseconds. A
// server that has lost its last transactions (a failover, a backup put back) would
// hand out revisions a second time otherwise. Each new connection does it, as
// none outlives such a loss (but those to a PgBouncer), and none is made within
// 10 ms of it. That the sequence is so far behind keeps it above what others draw
// meanwhile.
func (set *settings) catchUp() string {
	return set.fill(`SELECT pg_advisory_xact_lock($lock);
SELECT setval('$revision', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) FROM $revision
	WHERE last_value < (extract(epoch FROM clock_timestamp()) - 0.01) * 1000000`)
}

// prepare sees that the tables are there and that this package knows them.
func (s *Store) prepare(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, s.set.config.ConnConfig)
	if err != nil {
		return s.fail(ctx, "open", "", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	version, needed, err := s.versions(ctx, conn)
	if err == nil && version < format {
		if err = s.create(ctx, conn); err == nil {
			_, needed, err = s.versions(ctx, conn)
		}
	}
	if err != nil {
		return s.fail(ctx, "open", "", err)
	}
	if needed > format {
		return fmt.Errorf("store: %s: the tables in schema %s are those of a newer release of Segue, which needs version %d; this one has %d: update it, or use another schema (?schema=name)",
			s.set.where, s.set.schema, needed, format)
	}
	return nil
}

// versions are that of the tables and the oldest that may use them, 0 if there are
// none.
func (s *Store) versions(ctx context.Context, conn *pgx.Conn) (version, needed int, err error) {
	err = conn.QueryRow(ctx, s.set.fill("SELECT version, oldest FROM $format"), pgx.QueryExecModeSimpleProtocol).Scan(&version, &needed)
	var refused *pgconn.PgError
	if errors.Is(err, pgx.ErrNoRows) || errors.As(err, &refused) && (refused.Code == undefinedTable || refused.Code == undefinedSchema) {
		return 0, 0, nil
	}
	return version, needed, err
}

// create makes schema and tables, all of them or none; of several that try at
// once, the others wait.
func (s *Store) create(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, s.set.fill("SELECT pg_advisory_xact_lock($lock)"), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
		var exists bool // asked, as CREATE SCHEMA IF NOT EXISTS wants a right even if it exists
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", pgx.QueryExecModeSimpleProtocol, s.set.schema).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			if _, err := tx.Exec(ctx, s.set.fill("CREATE SCHEMA $schema"), pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, s.set.fill(tables+procedures)+s.set.lockNames(lockTables), pgx.QueryExecModeSimpleProtocol)
		return err
	})
}
