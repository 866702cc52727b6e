package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seguehq/segue/message"
)

// A Pending is what is in the table.
type Pending struct {
	Messages int           // to be published
	Oldest   time.Duration // since when the first of them waits, by the clock of who has added it; 0: none waits
	Parked   int
}

// Pending counts what is in the table: how far the relay is behind.
func (o *Outbox) Pending(ctx context.Context) (p Pending, err error) {
	var first sql.NullInt64
	err = o.db.QueryRowContext(ctx, "SELECT count(*), min(published) FROM segue_outbox WHERE parked IS NULL").Scan(&p.Messages, &first)
	if err == nil {
		err = o.db.QueryRowContext(ctx, "SELECT count(*) FROM segue_outbox WHERE parked IS NOT NULL").Scan(&p.Parked)
	}
	if err != nil {
		return p, fmt.Errorf("outbox: count messages (are there the tables? Create makes them): %w", err)
	}
	if first.Valid {
		p.Oldest = time.Since(time.UnixMicro(first.Int64))
	}
	return p, nil
}

// A Parked message is one that the broker has refused for ever.
type Parked struct {
	Number  int64 // names it
	Message message.Message
	Reason  string
	Since   time.Time
}

// ErrNotParked: no such message is parked, or no longer.
var ErrNotParked = errors.New("outbox: no such message is parked")

// Parked returns what the broker has refused, first what was added first.
func (o *Outbox) Parked(ctx context.Context) (all []Parked, err error) {
	rows, err := o.rows(ctx, "SELECT id, message_id, topic, message_key, header, body, published FROM segue_outbox WHERE parked IS NOT NULL ORDER BY id")
	if err != nil {
		return nil, err
	}
	for _, m := range rows {
		p := Parked{Number: m.number, Message: m.Message}
		var since int64
		err := o.db.QueryRowContext(ctx, o.dialect.query("SELECT reason, parked FROM segue_outbox WHERE id = ? AND parked IS NOT NULL"), m.number).Scan(&p.Reason, &since)
		if errors.Is(err, sql.ErrNoRows) {
			continue // retried or dropped meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("outbox: read why message %s is parked: %w", m.ID, err)
		}
		p.Since = time.UnixMilli(since)
		all = append(all, p)
	}
	return all, nil
}

// Retry has a parked message published anew, before all that were added after it and
// are not yet published.
func (o *Outbox) Retry(ctx context.Context, number int64) error {
	return o.parked(ctx, "UPDATE segue_outbox SET parked = NULL, reason = NULL WHERE id = ? AND parked IS NOT NULL", number)
}

// Drop removes a parked message.
func (o *Outbox) Drop(ctx context.Context, number int64) error {
	return o.parked(ctx, "DELETE FROM segue_outbox WHERE id = ? AND parked IS NOT NULL", number)
}

func (o *Outbox) parked(ctx context.Context, statement string, number int64) error {
	done, err := o.db.ExecContext(ctx, o.dialect.query(statement), number)
	if err != nil {
		return fmt.Errorf("outbox: parked message %d: %w", number, err)
	}
	n, err := done.RowsAffected()
	if err == nil && n == 0 {
		err = ErrNotParked
	}
	o.nudge()
	return err
}

// park takes a message out of the way.
func (r *relay) park(ctx context.Context, m row, reason error) error {
	_, err := r.db.ExecContext(ctx, r.dialect.query("UPDATE segue_outbox SET parked = "+r.dialect.now()+", reason = ? WHERE id = ?"), reason.Error(), m.number)
	if err != nil {
		return fmt.Errorf("outbox: park message %s, which was refused: %w", m.ID, err)
	}
	r.log.Error("outbox: the broker refuses a message, which is parked", "message", m.ID, "topic", m.Topic, "number", m.number, "error", reason)
	return nil
}

// Forget removes what Once has noted longer ago than d: those messages, if they came
// again, would take effect again. The relay does it by itself.
func (o *Outbox) Forget(ctx context.Context, d time.Duration) error {
	_, err := o.db.ExecContext(ctx, o.dialect.query("DELETE FROM segue_inbox WHERE seen < "+o.dialect.now()+" - ?"), d.Milliseconds())
	if err != nil {
		return fmt.Errorf("outbox: forget messages that came %v ago: %w", d, err)
	}
	return nil
}
