package journal

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

const selectRollouts = `SELECT id, service, kind, "from", "to", from_gen, to_gen, replicas, before, phase, who, why, reason, began, ended, mode, stage, stage_at, promoted, against, brings, fresh, migrated, did FROM rollouts`

// Open lists the rollouts that have not ended.
func (j *Journal) Open(ctx context.Context) ([]deploy.Rollout, error) {
	rs, err := scanRollouts(j.db.QueryContext(ctx, selectRollouts+" WHERE ended = 0 ORDER BY id"))
	return rs, j.wrap("read open rollouts", err)
}

// Rollout reads one rollout.
func (j *Journal) Rollout(ctx context.Context, id int64) (deploy.Rollout, error) {
	rs, err := scanRollouts(j.db.QueryContext(ctx, selectRollouts+" WHERE id = ?", id))
	if err == nil && len(rs) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return deploy.Rollout{}, j.wrap("read a rollout", err)
	}
	return rs[0], nil
}

// History lists the newest rollouts first, at most limit of them (0: all), of
// one service or, with "", of all.
func (j *Journal) History(ctx context.Context, service string, limit int) ([]deploy.Rollout, error) {
	if limit == 0 {
		limit = -1
	}
	rs, err := scanRollouts(j.db.QueryContext(ctx, selectRollouts+" WHERE ? IN ('', service) ORDER BY id DESC LIMIT ?", service, limit))
	return rs, j.wrap("read the history", err)
}

func scanRollouts(rows *sql.Rows, err error) ([]deploy.Rollout, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var rs []deploy.Rollout
	for rows.Next() {
		var r deploy.Rollout
		var began, ended, staged int64
		var brings string
		if err := rows.Scan(&r.ID, &r.Service, &r.Kind, &r.From, &r.To, &r.FromGen, &r.ToGen, &r.Replicas, &r.Before,
			&r.Phase, &r.Who, &r.Why, &r.Reason, &began, &ended,
			&r.Mode, &r.Stage, &staged, &r.Promoted, &r.Against, &brings, &r.Fresh, &r.Migrated, &r.Did); err != nil {
			return nil, err
		}
		r.Began = time.Unix(0, began)
		if ended != 0 {
			r.Ended = time.Unix(0, ended)
		}
		if staged != 0 {
			r.StageAt = time.Unix(0, staged)
		}
		if brings != "" {
			r.Brings = strings.Split(brings, "\n") // a file's name has none
		}
		rs = append(rs, r)
	}
	return rs, rows.Err()
}
