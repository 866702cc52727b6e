package postgres

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/seguehq/segue/store"
)

// A lock is the rows of those who stand in its line; the holder's has a token. A
// free lock has none.
//
// Each operation is a call of one of the functions, and so one round trip and one
// transaction. They take their turn first, by an advisory lock of the key, and see
// what was committed until then, as each statement of a volatile function does.
const lockTables = `
CREATE TABLE IF NOT EXISTS $parties (
	key text COLLATE "C" NOT NULL,
	place bigint GENERATED ALWAYS AS IDENTITY,
	id text NOT NULL,
	owner text NOT NULL,
	wake text NOT NULL,
	lease interval NOT NULL,
	lasts interval NOT NULL,
	until timestamptz NOT NULL,
	since timestamptz NOT NULL,
	token bigint,
	PRIMARY KEY (key, place)
);

-- makes the first of the line the holder, and wakes it unless it is the one who asks
CREATE OR REPLACE FUNCTION $grant(k text, asking text) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
	moment timestamptz := clock_timestamp();
	granted record;
BEGIN
	UPDATE $parties SET token = nextval('$revision'), since = moment, lasts = lease, until = moment + lease
		WHERE key = k AND place = (SELECT min(place) FROM $parties WHERE key = k)
		RETURNING id, wake INTO granted;
	IF granted.id <> asking AND granted.wake <> '' THEN
		PERFORM pg_notify($channel, granted.wake);
	END IF;
END $body$;

-- takes out the dead; a time that ends later than it may is of a clock that was set back
CREATE OR REPLACE FUNCTION $settle(k text, asking text) RETURNS void LANGUAGE plpgsql AS $body$
DECLARE
	moment timestamptz := clock_timestamp();
BEGIN
	UPDATE $parties SET until = moment + lasts WHERE key = k AND until > moment + lasts;
	DELETE FROM $parties WHERE key = k AND until <= moment;
	IF EXISTS (SELECT FROM $parties WHERE key = k) AND NOT EXISTS (SELECT FROM $parties WHERE key = k AND token IS NOT NULL) THEN
		PERFORM $grant(k, asking);
	END IF;
END $body$;

CREATE OR REPLACE FUNCTION $acquire(turn bigint, k text, asking text, its_owner text, its_wake text, its_lease bigint, its_place bigint, try boolean,
	OUT granted bigint, OUT ahead bigint, OUT holder text, OUT its text, OUT at timestamptz, OUT left_us bigint) LANGUAGE plpgsql AS $body$
DECLARE
	lease_time interval := its_lease * interval '1 microsecond';
	place_time interval := its_place * interval '1 microsecond';
	moment timestamptz;
	mine record;
BEGIN
	PERFORM pg_advisory_xact_lock(turn);
	PERFORM $settle(k, asking);
	moment := clock_timestamp();
	SELECT p.place, p.token INTO mine FROM $parties p WHERE p.key = k AND p.id = asking;
	IF FOUND THEN
		UPDATE $parties p SET lease = lease_time,
			lasts = CASE WHEN p.token IS NULL THEN place_time ELSE lease_time END,
			until = moment + CASE WHEN p.token IS NULL THEN place_time ELSE lease_time END
			WHERE p.key = k AND p.place = mine.place;
	ELSIF NOT EXISTS (SELECT FROM $parties p WHERE p.key = k) THEN
		granted := nextval('$revision');
		INSERT INTO $parties (key, id, owner, wake, lease, lasts, until, since, token)
			VALUES (k, asking, its_owner, its_wake, lease_time, lease_time, moment + lease_time, moment, granted);
		ahead := 0; holder := asking; its := its_owner; at := moment; left_us := its_lease;
		RETURN;
	ELSIF NOT try THEN
		INSERT INTO $parties (key, id, owner, wake, lease, lasts, until, since)
			VALUES (k, asking, its_owner, its_wake, lease_time, place_time, moment + place_time, moment)
			RETURNING place, token INTO mine;
	END IF;
	granted := coalesce(mine.token, 0);
	SELECT count(*) INTO ahead FROM $parties p WHERE p.key = k AND (mine.place IS NULL OR p.place < mine.place);
	SELECT p.id, p.owner, p.since, (extract(epoch FROM p.until - moment) * 1000000)::bigint INTO holder, its, at, left_us
		FROM $parties p WHERE p.key = k AND p.token IS NOT NULL;
END $body$;

CREATE OR REPLACE FUNCTION $extend(turn bigint, k text, asking text, its_lease bigint) RETURNS boolean LANGUAGE plpgsql AS $body$
DECLARE
	lease_time interval := its_lease * interval '1 microsecond';
BEGIN
	PERFORM pg_advisory_xact_lock(turn);
	PERFORM $settle(k, asking);
	UPDATE $parties SET lasts = lease_time, until = clock_timestamp() + lease_time WHERE key = k AND id = asking AND token IS NOT NULL;
	RETURN FOUND;
END $body$;

CREATE OR REPLACE FUNCTION $release(turn bigint, k text, asking text) RETURNS boolean LANGUAGE plpgsql AS $body$
DECLARE
	gone record;
BEGIN
	PERFORM pg_advisory_xact_lock(turn);
	PERFORM $settle(k, asking);
	DELETE FROM $parties WHERE key = k AND id = asking RETURNING token INTO gone;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF gone.token IS NOT NULL THEN
		PERFORM $grant(k, asking);
	END IF;
	RETURN true;
END $body$;
`

// lockNames puts the names of locks into a statement, and all others.
func (set *settings) lockNames(statement string) string {
	return set.fill(strings.NewReplacer("$parties", set.table("store_lock_parties"), "$grant", set.table("store_lock_grant_1"),
		"$settle", set.table("store_lock_settle_1"), "$acquire", set.table("store_lock_acquire_1"), "$extend", set.table("store_lock_extend_1"),
		"$release", set.table("store_lock_release_1")).Replace(statement))
}

type lockStatements struct{ acquire, extend, release, list, sweep string }

func newLockStatements(set settings) lockStatements {
	return lockStatements{
		acquire: set.lockNames("SELECT granted, ahead, holder, its, at, left_us FROM $acquire($1, $2, $3, $4, $5, $6, $7, $8)"),
		extend:  set.lockNames("SELECT $extend($1, $2, $3, $4)"),
		release: set.lockNames("SELECT $release($1, $2, $3)"),
		list: set.lockNames(`SELECT key, coalesce(token, 0), id, owner, since,
	(extract(epoch FROM least(until - clock_timestamp(), lasts)) * 1000000)::bigint
	FROM $parties WHERE key >= $1::text AND key < $2::text AND until > clock_timestamp() ORDER BY key, place`),
		// Those of whom nobody has heard for an hour: the last who wanted a lock has died.
		sweep: set.lockNames("DELETE FROM $parties WHERE until < now() - interval '1 hour'"),
	}
}

// turn is the number of a lock's advisory lock.
func (set *settings) turn(key string) int64 { return set.lock("\x00lock\x00" + key) }

// AcquireLock implements store.Locker.
func (s *Store) AcquireLock(ctx context.Context, r store.LockRequest) (store.LockGrant, error) {
	if err := r.Check(); err != nil {
		return store.LockGrant{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.LockGrant{}, err
	}
	var g store.LockGrant
	var left int64
	err := s.try(ctx, untouched, func() error {
		return s.pool.QueryRow(ctx, s.sql.lock.acquire, s.set.turn(r.Key), r.Key, r.ID, r.Owner, r.Wake, r.Lease.Microseconds(), r.Place.Microseconds(), r.Try).
			Scan(&g.Token, &g.Ahead, &g.Holder.ID, &g.Holder.Owner, &g.Holder.Since, &left)
	})
	if err != nil {
		return store.LockGrant{}, s.fail(ctx, "lock", r.Key, err)
	}
	g.Holder.Left = max(time.Duration(left)*time.Microsecond, 0)
	return g, nil
}

// ExtendLock implements store.Locker.
func (s *Store) ExtendLock(ctx context.Context, key, id string, lease time.Duration) error {
	return s.changeLock(ctx, "extend the lock", key, s.sql.lock.extend, s.set.turn(key), key, id, lease.Microseconds())
}

// ReleaseLock implements store.Locker.
func (s *Store) ReleaseLock(ctx context.Context, key, id string) error {
	return s.changeLock(ctx, "release the lock", key, s.sql.lock.release, s.set.turn(key), key, id)
}

func (s *Store) changeLock(ctx context.Context, doing, key, statement string, args ...any) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	var done bool
	err := s.try(ctx, untouched, func() error { return s.pool.QueryRow(ctx, statement, args...).Scan(&done) })
	if err == nil && !done {
		return store.ErrConflict
	}
	return s.fail(ctx, doing, key, err)
}

// Locks implements store.Locker.
func (s *Store) Locks(ctx context.Context, prefix string) iter.Seq2[store.LockState, error] {
	return func(yield func(store.LockState, error) bool) {
		states, err := s.lockStates(ctx, prefix)
		if err != nil {
			yield(store.LockState{}, err)
			return
		}
		for _, state := range states {
			if state.Holder.ID != "" && !yield(state, nil) {
				return
			}
		}
	}
}

// A standing is a row.
type standing struct {
	key   string
	token store.Revision
	store.LockParty
}

func (s *Store) lockStates(ctx context.Context, prefix string) ([]store.LockState, error) {
	if !utf8.ValidString(prefix) {
		return nil, fmt.Errorf("store: list the locks of %q: the prefix is not UTF-8", prefix)
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	var rows []standing
	err := s.try(ctx, broken, func() error {
		r, err := s.pool.Query(ctx, s.sql.lock.list, prefix, after(prefix))
		if err != nil {
			return err
		}
		rows, err = pgx.CollectRows(r, func(row pgx.CollectableRow) (p standing, err error) {
			var left int64
			err = row.Scan(&p.key, &p.token, &p.ID, &p.Owner, &p.Since, &left)
			p.Left = time.Duration(left) * time.Microsecond
			return p, err
		})
		return err
	})
	return states(rows), s.fail(ctx, "list the locks of", prefix, err)
}

// states puts rows together that are of the same lock.
func states(rows []standing) (all []store.LockState) {
	for _, p := range rows {
		if len(all) == 0 || all[len(all)-1].Key != p.key {
			all = append(all, store.LockState{Key: p.key})
		}
		state := &all[len(all)-1]
		if p.token != 0 {
			state.Token, state.Holder = p.token, p.LockParty
		} else {
			state.Waiters = append(state.Waiters, p.LockParty)
		}
	}
	return all
}
