package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// Start writes that an instance is about to be started, and gives it its ID.
// Its process is not known yet; see SetProcess.
func (j *Journal) Start(ctx context.Context, rollout int64, i *deploy.Instance) (deploy.Step, error) {
	var step deploy.Step
	err := j.tx(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM instances WHERE service = ? AND release = ?", i.Service, i.Release).Scan(&n); err != nil {
			return err
		}
		i.ID = fmt.Sprintf("%s-%d.%d", i.Service, i.Release, n+1)
		i.State = deploy.Starting
		if _, err := tx.ExecContext(ctx, "INSERT INTO instances (id, service, release, gen, state, port, pid, born, started) VALUES (?,?,?,?,?,?,0,0,?)",
			i.ID, i.Service, i.Release, i.Gen, i.State, i.Port, i.Started.UnixNano()); err != nil {
			return err
		}
		step = deploy.Step{At: i.Started, Rollout: rollout, Service: i.Service, Verb: deploy.StepStart, Instance: i.ID, Release: i.Release}
		return insertStep(ctx, tx, &step)
	})
	return step, j.wrap("write the start of an instance", err)
}

// SetProcess writes which process an instance is, before that process is let
// run the user's program.
func (j *Journal) SetProcess(ctx context.Context, id string, pid int, born uint64, port int) error {
	res, err := j.db.ExecContext(ctx, "UPDATE instances SET pid = ?, born = ?, port = ? WHERE id = ?", pid, int64(born), port, id)
	if err == nil {
		if n, rerr := res.RowsAffected(); rerr == nil && n == 0 {
			err = sql.ErrNoRows
		}
	}
	return j.wrap("write the process of "+id, err)
}

// Instances lists those that are not over, in the order they were started, of
// one service or, with "", of all.
func (j *Journal) Instances(ctx context.Context, service string) ([]deploy.Instance, error) {
	rows, err := j.db.QueryContext(ctx, `SELECT id, service, release, gen, state, port, pid, born, started, why FROM instances
		WHERE ? IN ('', service) AND state NOT IN (?, ?) ORDER BY rowid`, service, deploy.Stopped, deploy.Failed)
	if err != nil {
		return nil, j.wrap("read instances", err)
	}
	defer rows.Close()
	var is []deploy.Instance
	for rows.Next() {
		var i deploy.Instance
		var started, born int64
		if err := rows.Scan(&i.ID, &i.Service, &i.Release, &i.Gen, &i.State, &i.Port, &i.PID, &born, &started, &i.Why); err != nil {
			return nil, j.wrap("read instances", err)
		}
		i.Born, i.Started = uint64(born), time.Unix(0, started)
		is = append(is, i)
	}
	return is, j.wrap("read instances", rows.Err())
}
