package outbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/message"
)

// A Publisher is a [*message.Bus], or a [message.Broker].
type Publisher interface {
	Publish(ctx context.Context, m ...message.Message) error
}

// An Option changes how a relay works.
type Option func(*relay)

// Named sets the name of the relay's component: "outbox" without it.
func Named(name string) Option { return func(r *relay) { r.name = name } }

// Every sets how often the table is looked at when nothing is known to be in it: 250
// ms without it. What this process has added is looked for sooner.
func Every(d time.Duration) Option { return func(r *relay) { r.every = d } }

// Lease sets how long after the death of the instance that relays another one does: 10
// seconds without it.
func Lease(d time.Duration) Option { return func(r *relay) { r.lease = d } }

// Keep sets for how long is known what Once has taken note of: a week without it. It
// is how much later a message may come again.
func Keep(d time.Duration) Option { return func(r *relay) { r.keep = d } }

// Log sets where the relay tells what goes wrong: slog.Default() without it.
func Log(l *slog.Logger) Option { return func(r *relay) { r.log = l } }

// Relay is the part of a service that publishes what was added. All instances have
// it, and one of them does it at a time. Its Stop finishes what it is publishing and
// lets the next one begin. It is for one run.
func (o *Outbox) Relay(to Publisher, options ...Option) lifecycle.Component {
	r := &relay{Outbox: o, to: to, name: "outbox", every: 250 * time.Millisecond, lease: 10 * time.Second, keep: 7 * 24 * time.Hour, log: slog.Default(),
		stopping: make(chan struct{}), done: make(chan struct{})}
	for _, option := range options {
		option(r)
	}
	host, _ := os.Hostname() // only for people
	r.owner = fmt.Sprintf("%.100s:%d/%s", host, os.Getpid(), rand.Text())
	return lifecycle.Component{Name: r.name, Start: r.start, Stop: r.stop}
}

type relay struct {
	*Outbox
	to                 Publisher
	name, owner        string
	every, lease, keep time.Duration
	log                *slog.Logger

	stopping, done chan struct{}
	cancel         context.CancelFunc

	until   time.Time // it is ours until then, by our clock
	sent    []int64   // published, and not yet removed
	cleaned time.Time
	failing bool // it has been logged
}

func (r *relay) start(ctx context.Context) error {
	// Whoever has forgotten the tables learns it now.
	if _, err := r.Pending(ctx); err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	go func() {
		defer close(r.done)
		r.run(running)
	}()
	return nil
}

func (r *relay) stop(ctx context.Context) error {
	close(r.stopping)
	defer r.cancel()
	defer context.AfterFunc(ctx, r.cancel)()
	<-r.done
	return nil
}

// batch is how many messages are published at a time.
const batch = 100

// run works until the component is stopped.
func (r *relay) run(ctx context.Context) {
	for pace := (pace{every: r.every}); ; {
		soon := r.soon()
		n, err := r.turn(ctx)
		r.report(err)
		if err != nil {
			soon = nil // what is added now has to wait, too
		}
		timer := time.NewTimer(pace.next(n, err))
		select {
		case <-r.stopping:
			timer.Stop()
			r.leave(ctx)
			return
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-soon:
			timer.Stop()
			pace.soon()
		}
	}
}

// A pace is how long to wait until the table is looked at. After an Add of this
// process that is 2 ms, 4, 8 and so on: nobody tells it of the commit.
type pace struct{ every, pause time.Duration }

func (p *pace) soon() { p.pause = time.Millisecond }

func (p *pace) next(n int, err error) time.Duration {
	switch {
	case err != nil:
		return max(p.every, time.Second)
	case n == batch:
		return 0
	case n > 0:
		p.soon() // where there was one there are more
	}
	p.pause = min(max(2*p.pause, 2*time.Millisecond), p.every)
	return p.pause
}

// report logs when it begins to fail, and when it works again.
func (r *relay) report(err error) {
	switch {
	case err != nil && !r.failing:
		r.log.Error("outbox: messages wait", "error", err)
	case err == nil && r.failing:
		r.log.Info("outbox: messages are published again")
	}
	r.failing = err != nil
}

// turn publishes a batch, if it is for us to do. What it has published it removes
// before it looks for more: it would find it again.
func (r *relay) turn(ctx context.Context) (n int, err error) {
	ours, err := r.hold(ctx)
	if !ours || err != nil {
		return 0, err
	}
	ctx, cancel := context.WithDeadline(ctx, r.until)
	defer cancel()
	if err := r.remove(ctx); err != nil {
		return 0, err
	}
	r.clean(ctx)
	rows, err := r.next(ctx)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	err = r.publish(ctx, rows)
	return len(rows), errors.Join(err, r.remove(ctx))
}

// hold makes us the one who relays, or keeps us. By our own clock it ends sooner than
// by the database's: it is measured from before that was asked.
func (r *relay) hold(ctx context.Context) (ours bool, err error) {
	asked := time.Now()
	if r.until.Sub(asked) > r.lease/2 {
		return true, nil
	}
	call, cancel := context.WithTimeout(ctx, r.lease/2)
	defer cancel()
	now := r.dialect.now()
	held, err := r.db.ExecContext(call, r.dialect.query("UPDATE segue_outbox_relay SET owner = ?, until = "+now+" + ? WHERE id = 1 AND (owner = ? OR until < "+now+")"),
		r.owner, r.lease.Milliseconds(), r.owner)
	if err != nil {
		return false, fmt.Errorf("outbox: become the one who relays: %w", err)
	}
	n, err := held.RowsAffected()
	if err != nil {
		return false, err
	}
	if n == 0 {
		r.until, r.sent = time.Time{}, nil // another has published and removed it meanwhile, or will
		return false, r.found(call)
	}
	r.until = asked.Add(r.lease)
	return true, nil
}

// found writes the one row that relays quarrel over, if it is not there.
func (r *relay) found(ctx context.Context) error {
	there := func() (n int, err error) {
		err = r.db.QueryRowContext(ctx, "SELECT count(*) FROM segue_outbox_relay").Scan(&n)
		return n, err
	}
	n, err := there()
	if err == nil && n == 0 {
		_, err = r.db.ExecContext(ctx, "INSERT INTO segue_outbox_relay (id, owner, until) VALUES (1, '', 0)")
	}
	if err != nil {
		if n, again := there(); again == nil && n > 0 {
			return nil // another was quicker
		}
		return fmt.Errorf("outbox: write down that nobody relays: %w", err)
	}
	return nil
}

// leave lets another begin at once.
func (r *relay) leave(ctx context.Context) {
	if time.Now().After(r.until) {
		return
	}
	if _, err := r.db.ExecContext(ctx, r.dialect.query("UPDATE segue_outbox_relay SET until = 0 WHERE owner = ?"), r.owner); err != nil {
		r.log.Warn("outbox: hand the relay on; another takes it when the lease ends", "lease", r.lease, "error", err)
	}
}

// A row is a message in the table.
type row struct {
	number int64
	message.Message
}

// next is what was added first of what is there: a number that is missing may turn up
// when its transaction is committed, and is then the next.
func (r *relay) next(ctx context.Context) ([]row, error) {
	return r.rows(ctx, fmt.Sprint("SELECT id, message_id, topic, message_key, header, body, published FROM segue_outbox WHERE parked IS NULL ORDER BY id LIMIT ", batch))
}

func (o *Outbox) rows(ctx context.Context, query string) (rows []row, err error) {
	found, err := o.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("outbox: look for messages: %w", err)
	}
	defer found.Close()
	for found.Next() {
		var m row
		var header []byte
		var published int64
		if err := found.Scan(&m.number, &m.ID, &m.Topic, &m.Key, &header, &m.Body, &published); err != nil {
			return nil, fmt.Errorf("outbox: read a message: %w", err)
		}
		if err := json.Unmarshal(header, &m.Header); err != nil {
			return nil, fmt.Errorf("outbox: message %s has a header that is no JSON: %w", m.ID, err)
		}
		m.Time = time.UnixMicro(published)
		rows = append(rows, m)
	}
	return rows, found.Err()
}

// publish publishes rows together; if one of them is refused, one after another.
func (r *relay) publish(ctx context.Context, rows []row) error {
	all := make([]message.Message, len(rows))
	for n, m := range rows {
		all[n] = m.Message
	}
	err := r.to.Publish(ctx, all...)
	if errors.Is(err, message.ErrRefused) {
		return r.publishEach(ctx, rows)
	}
	if err != nil {
		return fmt.Errorf("outbox: publish %d messages: %w", len(rows), err)
	}
	for _, m := range rows {
		r.sent = append(r.sent, m.number)
	}
	return nil
}

func (r *relay) publishEach(ctx context.Context, rows []row) error {
	for _, m := range rows {
		err := r.to.Publish(ctx, m.Message)
		switch {
		case errors.Is(err, message.ErrRefused):
			if err := r.park(ctx, m, err); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("outbox: publish message %s: %w", m.ID, err)
		default:
			r.sent = append(r.sent, m.number)
		}
	}
	return nil
}

// remove removes what was published. It is asked again in the next turn if it fails:
// published again would be what need not.
func (r *relay) remove(ctx context.Context) error {
	for len(r.sent) > 0 {
		n := min(len(r.sent), batch)
		args := make([]any, n)
		for i, number := range r.sent[:n] {
			args[i] = number
		}
		marks := strings.Repeat(", ?", n)[2:]
		if _, err := r.db.ExecContext(ctx, r.dialect.query("DELETE FROM segue_outbox WHERE id IN ("+marks+")"), args...); err != nil {
			return fmt.Errorf("outbox: remove %d messages that were published: %w", len(r.sent), err)
		}
		r.sent = r.sent[n:]
	}
	return nil
}

// clean forgets what Once has noted long ago, some now and then.
func (r *relay) clean(ctx context.Context) {
	if time.Since(r.cleaned) < min(time.Minute, r.keep/4) {
		return
	}
	r.cleaned = time.Now()
	if err := r.Forget(ctx, r.keep); err != nil {
		r.log.Warn("outbox: forget messages that came long ago", "error", err)
	}
}
