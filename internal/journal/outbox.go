package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// A Letter is a message that is to be sent, and stays until it was.
type Letter struct {
	ID      int64 // in the order of writing
	Service string
	Lane    string // letters of one service and lane are sent in order
	To      deploy.Webhook
	Release int    // whose environment holds the secrets of To
	Key     string // what the receiver knows it by
	Body    []byte
	Made    time.Time
}

// A Lane is a row of letters, of one service.
type Lane struct{ Service, Name string }

const outboxTable = `CREATE TABLE IF NOT EXISTS outbox (
	id INTEGER PRIMARY KEY AUTOINCREMENT, service TEXT NOT NULL, lane TEXT NOT NULL, "to" TEXT NOT NULL,
	release INTEGER NOT NULL, key TEXT NOT NULL, body BLOB NOT NULL, made INTEGER NOT NULL)`

// lettersKept bounds a lane whose receiver does not answer; the oldest go.
const lettersKept = 200

// toldNow makes the first journal that tells of anything begin with what comes:
// nobody wants to be told of the past.
const toldNow = "INSERT OR IGNORE INTO meta SELECT 'told', coalesce(max(seq), 0) FROM steps"

// Told returns the sequence number of the last step of which all letters are
// written.
func (j *Journal) Told(ctx context.Context) (seq int64, err error) {
	err = j.db.QueryRowContext(ctx, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'told'").Scan(&seq)
	return seq, j.wrap("read what was told of", err)
}

// Milestones lists the steps after a sequence number that somebody may want to
// be told of, of all services: begin, stage and end.
func (j *Journal) Milestones(ctx context.Context, since int64) ([]deploy.Step, error) {
	steps, err := scanSteps(j.db.QueryContext(ctx, selectSteps+" WHERE seq > ? AND verb IN (?, ?, ?) ORDER BY seq", since, deploy.StepBegin, deploy.StepStage, deploy.StepEnd))
	return steps, j.wrap("read what to tell of", err)
}

// Post writes letters and, unless it is 0, up to which step there are all. It
// tells how many old ones had to go.
func (j *Journal) Post(ctx context.Context, told int64, letters []Letter) (dropped int64, err error) {
	err = j.tx(ctx, func(tx *sql.Tx) error {
		for _, l := range letters {
			n, err := post(ctx, tx, l)
			if err != nil {
				return err
			}
			dropped += n
		}
		if told == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, "UPDATE meta SET value = ? WHERE key = 'told'", told)
		return err
	})
	return dropped, j.wrap("write what to tell", err)
}

func post(ctx context.Context, tx *sql.Tx, l Letter) (dropped int64, err error) {
	to, err := json.Marshal(l.To)
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO outbox (service, lane, "to", release, key, body, made) VALUES (?,?,?,?,?,?,?)`,
		l.Service, l.Lane, to, l.Release, l.Key, l.Body, l.Made.UnixNano()); err != nil {
		return 0, err
	}
	res, err := tx.ExecContext(ctx, `DELETE FROM outbox WHERE service = ? AND lane = ? AND id NOT IN
		(SELECT id FROM outbox WHERE service = ? AND lane = ? ORDER BY id DESC LIMIT ?)`, l.Service, l.Lane, l.Service, l.Lane, lettersKept)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Lanes lists those in which letters wait.
func (j *Journal) Lanes(ctx context.Context) ([]Lane, error) {
	rows, err := j.db.QueryContext(ctx, "SELECT DISTINCT service, lane FROM outbox ORDER BY service, lane")
	if err != nil {
		return nil, j.wrap("read what to tell", err)
	}
	defer rows.Close()
	var lanes []Lane
	for rows.Next() {
		var l Lane
		if err := rows.Scan(&l.Service, &l.Name); err != nil {
			return nil, j.wrap("read what to tell", err)
		}
		lanes = append(lanes, l)
	}
	return lanes, j.wrap("read what to tell", rows.Err())
}

// NextLetter returns the oldest letter of a lane, and how many wait in it. It
// returns ErrNone (wrapped) when there is none.
func (j *Journal) NextLetter(ctx context.Context, lane Lane) (Letter, int, error) {
	l := Letter{Service: lane.Service, Lane: lane.Name}
	var made int64
	var to []byte
	var waiting int
	err := j.db.QueryRowContext(ctx, `SELECT id, "to", release, key, body, made, (SELECT count(*) FROM outbox WHERE service = ?1 AND lane = ?2)
		FROM outbox WHERE service = ?1 AND lane = ?2 ORDER BY id LIMIT 1`, lane.Service, lane.Name).
		Scan(&l.ID, &to, &l.Release, &l.Key, &l.Body, &made, &waiting)
	if err == nil {
		err = json.Unmarshal(to, &l.To)
	}
	l.Made = time.Unix(0, made)
	return l, waiting, j.wrap("read what to tell", err)
}

// Sent drops a letter.
func (j *Journal) Sent(ctx context.Context, id int64) error {
	_, err := j.db.ExecContext(ctx, "DELETE FROM outbox WHERE id = ?", id)
	return j.wrap("drop what was told", err)
}
