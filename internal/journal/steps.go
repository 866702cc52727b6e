package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// after is the state that an instance is in once a step is written.
var after = map[deploy.Verb]deploy.State{
	deploy.StepReady:  deploy.Ready,
	deploy.StepShift:  deploy.Serving,
	deploy.StepDrain:  deploy.Draining,
	deploy.StepStop:   deploy.Stopping,
	deploy.StepGone:   deploy.Stopped,
	deploy.StepFailed: deploy.Failed,
}

// Begin writes a new rollout and its first step, and gives it its ID. It
// returns a *BusyError when the service has one that has not ended.
func (j *Journal) Begin(ctx context.Context, r *deploy.Rollout) (deploy.Step, error) {
	var step deploy.Step
	err := j.tx(ctx, func(tx *sql.Tx) error {
		if open, err := scanRollouts(tx.QueryContext(ctx, selectRollouts+" WHERE service = ? AND ended = 0", r.Service)); err != nil {
			return err
		} else if len(open) > 0 {
			return &BusyError{Rollout: open[0]}
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO rollouts (service, kind, "from", "to", from_gen, to_gen, replicas, before, phase, who, why, began, mode, against, brings, fresh)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`, r.Service, r.Kind, r.From, r.To, r.FromGen, 0, r.Replicas, r.Before, r.Phase, r.Who, r.Why, r.Began.UnixNano(), r.Mode, r.Against, strings.Join(r.Brings, "\n"), r.Fresh)
		if err != nil {
			return err
		}
		if r.ID, err = res.LastInsertId(); err != nil {
			return err
		}
		if r.ToGen = r.ID; r.Kind.Keeps() {
			r.ToGen = r.FromGen
		}
		if _, err = tx.ExecContext(ctx, "UPDATE rollouts SET to_gen = ? WHERE id = ?", r.ToGen, r.ID); err != nil {
			return err
		}
		step = deploy.Step{At: r.Began, Rollout: r.ID, Service: r.Service, Verb: deploy.StepBegin, Release: r.To, Note: r.Why}
		return insertStep(ctx, tx, &step)
	})
	if busy, ok := err.(*BusyError); ok {
		return step, busy
	}
	return step, j.wrap("begin a rollout", err)
}

// BusyError says which rollout is in the way of another.
type BusyError struct{ Rollout deploy.Rollout }

func (e *BusyError) Error() string {
	r := e.Rollout
	return fmt.Sprintf("%s is busy with rollout %d (%s of release %d, begun %s by %s); wait for it with --wait, or see `segue status`",
		r.Service, r.ID, r.Kind, r.To, r.Began.Local().Format("15:04:05"), r.Who)
}

// Append writes a step and what it changes, in one transaction: the state of
// its instance, the phase of its rollout, and at the end what the service now
// is. When it returns the step is on disk. It fills in s.Seq.
func (j *Journal) Append(ctx context.Context, s *deploy.Step) error {
	err := j.tx(ctx, func(tx *sql.Tx) error {
		if err := insertStep(ctx, tx, s); err != nil {
			return err
		}
		if state, ok := after[s.Verb]; ok {
			return setState(ctx, tx, s, state)
		}
		switch s.Verb {
		case deploy.StepStage:
			return stage(ctx, tx, s)
		case deploy.StepPromote:
			return changeOne(ctx, tx, s, "UPDATE rollouts SET promoted = max(promoted, ?) WHERE id = ? AND phase = ?", s.Stage)
		case deploy.StepExpanded, deploy.StepBackfilled, deploy.StepContracted:
			return changeOne(ctx, tx, s, "UPDATE rollouts SET migrated = ?, did = ? WHERE id = ? AND phase = ?", s.Verb, s.Note)
		case deploy.StepBack:
			return turnBack(ctx, tx, s)
		case deploy.StepEnd:
			return end(ctx, tx, s)
		}
		return nil
	})
	return j.wrap(fmt.Sprintf("write step %q of %s", s.Verb, s.Service), err)
}

func insertStep(ctx context.Context, tx *sql.Tx, s *deploy.Step) error {
	res, err := tx.ExecContext(ctx, "INSERT INTO steps (at, rollout, service, verb, instance, release, note, stage) VALUES (?,?,?,?,?,?,?,?)",
		s.At.UnixNano(), s.Rollout, s.Service, s.Verb, s.Instance, s.Release, s.Note, s.Stage)
	if err != nil {
		return err
	}
	s.Seq, err = res.LastInsertId()
	return err
}

func setState(ctx context.Context, tx *sql.Tx, s *deploy.Step, next deploy.State) error {
	var now deploy.State
	if err := tx.QueryRowContext(ctx, "SELECT state FROM instances WHERE id = ?", s.Instance).Scan(&now); err != nil {
		return fmt.Errorf("instance %s: %w", s.Instance, err)
	}
	if now == next {
		return nil // a step that is taken again after a restart
	}
	if err := now.To(next); err != nil {
		return fmt.Errorf("instance %s: %w", s.Instance, err)
	}
	why := ""
	if next == deploy.Failed {
		why = s.Note
	}
	_, err := tx.ExecContext(ctx, "UPDATE instances SET state = ?, why = ? WHERE id = ?", next, why, s.Instance)
	return err
}

// stage writes that the next stage is entered; stages are never gone back in.
func stage(ctx context.Context, tx *sql.Tx, s *deploy.Step) error {
	return changeOne(ctx, tx, s, "UPDATE rollouts SET stage = ?, stage_at = ? WHERE id = ? AND phase = ? AND stage < ?1", s.Stage, s.At.UnixNano())
}

// changeOne changes the rollout of a step while it goes forward.
func changeOne(ctx context.Context, tx *sql.Tx, s *deploy.Step, query string, args ...any) error {
	res, err := tx.ExecContext(ctx, query, append(args, s.Rollout, deploy.Forward)...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("rollout %d does not go forward, or is past stage %d", s.Rollout, s.Stage))
	}
	return nil
}

// turnBack writes why a rollout is undone; the first reason stays.
func turnBack(ctx context.Context, tx *sql.Tx, s *deploy.Step) error {
	r, err := rolloutIn(ctx, tx, s.Rollout)
	if err != nil || r.Phase == deploy.Backward {
		return err
	}
	if err := r.Phase.To(deploy.Backward); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE rollouts SET phase = ?, reason = ? WHERE id = ?", deploy.Backward, s.Note, s.Rollout)
	return err
}

func rolloutIn(ctx context.Context, tx *sql.Tx, id int64) (deploy.Rollout, error) {
	rs, err := scanRollouts(tx.QueryContext(ctx, selectRollouts+" WHERE id = ?", id))
	if err == nil && len(rs) == 0 {
		err = sql.ErrNoRows
	}
	if err != nil {
		return deploy.Rollout{}, fmt.Errorf("rollout %d: %w", id, err)
	}
	return rs[0], nil
}

// end closes a rollout. What the service is from now on follows from its
// phase: forward ends as done, backward as rolled back.
func end(ctx context.Context, tx *sql.Tx, s *deploy.Step) error {
	r, err := rolloutIn(ctx, tx, s.Rollout)
	if err != nil {
		return err
	}
	phase, release, gen, replicas := deploy.Done, r.To, r.ToGen, r.Replicas
	if r.Phase == deploy.Backward {
		phase, release, gen, replicas = deploy.RolledBack, r.From, r.FromGen, r.Before
	}
	if err := r.Phase.To(phase); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE rollouts SET phase = ?, ended = ? WHERE id = ?", phase, s.At.UnixNano(), r.ID); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO services (name, release, gen, replicas) VALUES (?,?,?,?)
		ON CONFLICT (name) DO UPDATE SET release = excluded.release, gen = excluded.gen, replicas = excluded.replicas`,
		r.Service, release, gen, replicas)
	return err
}

const selectSteps = "SELECT seq, at, rollout, service, verb, instance, release, note, stage FROM steps"

// Steps lists the steps of a rollout with a sequence number above since.
func (j *Journal) Steps(ctx context.Context, rollout, since int64) ([]deploy.Step, error) {
	steps, err := scanSteps(j.db.QueryContext(ctx, selectSteps+" WHERE rollout = ? AND seq > ? ORDER BY seq", rollout, since))
	return steps, j.wrap("read steps", err)
}

func scanSteps(rows *sql.Rows, err error) ([]deploy.Step, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var steps []deploy.Step
	for rows.Next() {
		var s deploy.Step
		var at int64
		if err := rows.Scan(&s.Seq, &at, &s.Rollout, &s.Service, &s.Verb, &s.Instance, &s.Release, &s.Note, &s.Stage); err != nil {
			return nil, err
		}
		s.At = time.Unix(0, at)
		steps = append(steps, s)
	}
	return steps, rows.Err()
}
