package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// A Current is what a service is when no rollout is under way.
type Current struct {
	Service  string
	Release  int // 0: none, the service is down
	Gen      int64
	Replicas int
}

// Services lists every service that was ever deployed, by name.
func (j *Journal) Services(ctx context.Context) ([]Current, error) {
	rows, err := j.db.QueryContext(ctx, "SELECT name, release, gen, replicas FROM services ORDER BY name")
	if err != nil {
		return nil, j.wrap("read services", err)
	}
	defer rows.Close()
	var cs []Current
	for rows.Next() {
		var c Current
		if err := rows.Scan(&c.Service, &c.Release, &c.Gen, &c.Replicas); err != nil {
			return nil, j.wrap("read services", err)
		}
		cs = append(cs, c)
	}
	return cs, j.wrap("read services", rows.Err())
}

// AddRelease gives r the next number of its service and writes it; a kept
// release with the same digest is returned instead of making another.
func (j *Journal) AddRelease(ctx context.Context, r deploy.Release) (deploy.Release, error) {
	err := j.tx(ctx, func(tx *sql.Tx) error {
		same, err := scanReleases(tx.QueryContext(ctx, selectReleases+" WHERE service = ? AND digest = ? AND kept = 1", r.Service, r.Digest))
		if err != nil {
			return err
		}
		if len(same) > 0 {
			r.Number, r.Made = same[0].Number, same[0].Made
			return nil
		}
		spec, err := json.Marshal(r.Spec)
		if err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(number), 0) + 1 FROM releases WHERE service = ?", r.Service).Scan(&r.Number); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO releases (service, number, digest, tree, spec, made) VALUES (?,?,?,?,?,?)",
			r.Service, r.Number, r.Digest, r.Tree, spec, r.Made.UnixNano())
		return err
	})
	return r, j.wrap("write a release of "+r.Service, err)
}

const selectReleases = "SELECT service, number, digest, tree, spec, made FROM releases"

// Release reads one release that is still kept.
func (j *Journal) Release(ctx context.Context, service string, number int) (*deploy.Release, error) {
	rs, err := scanReleases(j.db.QueryContext(ctx, selectReleases+" WHERE service = ? AND number = ? AND kept = 1", service, number))
	if err == nil && len(rs) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return nil, j.wrap("read a release of "+service, err)
	}
	return &rs[0], nil
}

// Releases lists the kept releases, newest first, of one service or, with "",
// of all.
func (j *Journal) Releases(ctx context.Context, service string) ([]deploy.Release, error) {
	rs, err := scanReleases(j.db.QueryContext(ctx, selectReleases+" WHERE ? IN ('', service) AND kept = 1 ORDER BY service, number DESC", service))
	return rs, j.wrap("read releases", err)
}

// DropRelease writes that a release is no longer kept; its number is never
// given again.
func (j *Journal) DropRelease(ctx context.Context, service string, number int) error {
	_, err := j.db.ExecContext(ctx, "UPDATE releases SET kept = 0 WHERE service = ? AND number = ?", service, number)
	return j.wrap("drop a release of "+service, err)
}

func scanReleases(rows *sql.Rows, err error) ([]deploy.Release, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var rs []deploy.Release
	for rows.Next() {
		var r deploy.Release
		var spec []byte
		var made int64
		if err := rows.Scan(&r.Service, &r.Number, &r.Digest, &r.Tree, &spec, &made); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(spec, &r.Spec); err != nil {
			return nil, errors.Join(errors.New("its settings cannot be read"), err)
		}
		r.Made = time.Unix(0, made)
		rs = append(rs, r)
	}
	return rs, rows.Err()
}
