package migrate

import (
	"context"
	"fmt"
	"time"

	"github.com/seguehq/segue/migrate/internal/backfill"
	"github.com/seguehq/segue/migrate/internal/dialect"
	"github.com/seguehq/segue/migrate/internal/script"
)

// A ledger writes down how far a change is, there and in the Change.
type ledger struct {
	store
	change *Change
}

// is changes the state.
func (l ledger) is(ctx context.Context, on dialect.Session, to State) error {
	c := *l.change
	c.State = to
	open := any(1)
	switch to {
	case Ready:
		c.Ready = time.Now().UTC()
	case Done, Undone:
		c.Ended, open = time.Now().UTC(), nil
	}
	err := l.exec(ctx, on, "UPDATE {changes} SET state = ?, is_open = ?, ready = ?, ended = ? WHERE id = ?",
		string(c.State), open, format(c.Ready), format(c.Ended), c.ID)
	if err != nil {
		return fmt.Errorf("write down that change %d is %s: %w", c.ID, to, err)
	}
	*l.change = c
	return nil
}

// write writes a step down as it is.
func (l ledger) write(ctx context.Context, on dialect.Session, r script.Record) error {
	_, begun := l.change.record(r.Phase, r.Step)
	var err error
	if begun {
		err = l.exec(ctx, on, "UPDATE {steps} SET ended = ? WHERE change_id = ? AND phase = ? AND step = ?",
			format(r.Ended), l.change.ID, string(r.Phase), r.Step)
	} else {
		err = l.exec(ctx, on, "INSERT INTO {steps} (change_id, phase, step, began, ended, last_key, row_count, row_total) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			l.change.ID, string(r.Phase), r.Step, format(r.Began), format(r.Ended), r.Last, r.Rows, r.Total)
	}
	if err != nil {
		return fmt.Errorf("write down step %d of %s: %w", r.Step+1, r.Phase, err)
	}
	return nil
}

// note keeps in the Change what was written down and committed.
func (l ledger) note(records ...script.Record) {
	for _, r := range records {
		found := false
		for i, was := range l.change.Steps {
			if was.Phase == r.Phase && was.Step == r.Step {
				l.change.Steps[i], found = r, true
			}
		}
		if !found {
			l.change.Steps = append(l.change.Steps, r)
		}
	}
}

// stretches is the record of one backfill, as its engine keeps it.
type stretches struct {
	ledger
	phase script.Phase
	step  int
}

// Load reads the record.
func (s stretches) Load(ctx context.Context, on dialect.Session) (script.Record, error) {
	r := script.Record{Phase: s.phase, Step: s.step}
	var began, ended string
	err := on.QueryRowContext(ctx, s.query("SELECT began, ended, last_key, row_count, row_total FROM {steps} WHERE change_id = ? AND phase = ? AND step = ?"),
		s.change.ID, string(s.phase), s.step).Scan(&began, &ended, &r.Last, &r.Rows, &r.Total)
	r.Began, r.Ended = parse(began), parse(ended)
	return r, err
}

// Save writes how far it is, if it is where it was.
func (s stretches) Save(ctx context.Context, on dialect.Session, was, is script.Record) error {
	done, err := on.ExecContext(ctx, s.query("UPDATE {steps} SET last_key = ?, row_count = ?, row_total = ? WHERE change_id = ? AND phase = ? AND step = ? AND last_key = ?"),
		is.Last, is.Rows, is.Total, s.change.ID, string(s.phase), s.step, was.Last)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return backfill.ErrMoved
	}
	return nil
}
