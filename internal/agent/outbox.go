package agent

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
	"github.com/seguehq/segue/internal/webhook"
)

// An outbox sends what is to be told to whom it concerns. What is told of a
// rollout follows from its journalled steps, and every letter is in the journal
// until it was sent: an agent that dies leaves both to the next one. A letter
// may therefore come twice; each has an ID by which its receiver can tell.
//
// Each receiver of each service has a goroutine of its own while there is
// something for it, so that one that does not answer delays nobody.
type outbox struct {
	a      *Agent
	sender *webhook.Sender
	news   chan struct{}

	mu      sync.Mutex
	busy    map[journal.Lane]bool
	failing map[journal.Lane]control.NotifyStatus
}

func newOutbox(a *Agent) *outbox {
	return &outbox{a: a, sender: webhook.NewSender("segue/" + a.o.Version), news: make(chan struct{}, 1),
		busy: map[journal.Lane]bool{}, failing: map[journal.Lane]control.NotifyStatus{}}
}

// wake says that there may be something to tell. It never waits.
func (o *outbox) wake() {
	select {
	case o.news <- struct{}{}:
	default:
	}
}

// run sends letters until ctx ends.
func (o *outbox) run(ctx context.Context) {
	var lanes sync.WaitGroup
	defer lanes.Wait()
	for {
		err := o.collect(ctx)
		if err == nil {
			err = o.startLanes(ctx, &lanes)
		}
		if err != nil && ctx.Err() == nil {
			o.a.log.Warn("notifications", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-o.news:
		case <-time.After(time.Minute): // after an error, above
		}
	}
}

// collect writes the letters about what has happened in rollouts since the last
// time.
func (o *outbox) collect(ctx context.Context) error {
	told, err := o.a.journal.Told(ctx)
	if err != nil {
		return err
	}
	steps, err := o.a.journal.Milestones(ctx, told)
	if err != nil || len(steps) == 0 {
		return err
	}
	var letters []journal.Letter
	for _, step := range steps {
		r, err := o.a.journal.Rollout(ctx, step.Rollout)
		if err != nil {
			return err
		}
		if s := o.a.service(step.Service); s != nil && time.Since(step.At) < letterLife {
			if n, ok := s.milestone(step, r); ok {
				letters = append(letters, s.letters(n, cmp.Or(r.To, r.From))...)
				if n.On == deploy.OnBegin && r.Against != "" {
					letters = append(letters, s.letters(overridden(*n.Rollout), r.To)...)
				}
			}
		}
	}
	return o.post(ctx, steps[len(steps)-1].Seq, letters)
}

func (o *outbox) post(ctx context.Context, told int64, letters []journal.Letter) error {
	dropped, err := o.a.journal.Post(ctx, told, letters)
	if dropped > 0 {
		o.a.log.Warn("notifications were dropped, for their receiver has not answered for long", "count", dropped)
	}
	return err
}

func (o *outbox) startLanes(ctx context.Context, running *sync.WaitGroup) error {
	lanes, err := o.a.journal.Lanes(ctx)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, lane := range lanes {
		if o.busy[lane] {
			continue
		}
		o.busy[lane] = true
		running.Go(func() {
			o.empty(ctx, lane)
			o.mu.Lock()
			delete(o.busy, lane)
			o.mu.Unlock()
			o.wake() // for what was written while it ended
		})
	}
	return nil
}

// A letter that cannot be delivered is tried again after a while, which doubles.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	letterLife = 24 * time.Hour
)

// empty sends the letters of a lane, one after another.
func (o *outbox) empty(ctx context.Context, lane journal.Lane) {
	pause := firstRetry
	for ctx.Err() == nil {
		l, waiting, err := o.a.journal.NextLetter(ctx, lane)
		if errors.Is(err, journal.ErrNone) {
			return
		}
		if err == nil {
			err = o.send(ctx, l)
		}
		if ctx.Err() != nil {
			return
		}
		var refused *webhook.RefusedError
		errors.As(err, &refused)
		if err == nil || time.Since(l.Made) > letterLife || refused != nil && refused.Gone() {
			o.settled(ctx, lane, l, err)
			pause = firstRetry
			continue
		}
		o.note(lane, l, waiting, err)
		least := pause
		if refused != nil {
			least = max(pause, min(refused.After, lastRetry))
		}
		_ = wait(ctx, least+rand.N(least/4)) // ctx is asked above
		pause = min(2*pause, lastRetry)
	}
}

// settled drops a letter that was sent, or is not worth another try.
func (o *outbox) settled(ctx context.Context, lane journal.Lane, l journal.Letter, err error) {
	if err != nil {
		o.a.log.Warn("a notification is given up", "service", lane.Service, "to", l.To.Name(), "error", err)
	}
	if err := o.a.journal.Sent(ctx, l.ID); err != nil && ctx.Err() == nil {
		o.a.log.Warn("notifications", "error", err)
		_ = wait(ctx, firstRetry)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if delete(o.failing, lane); err != nil {
		o.failing[lane] = control.NotifyStatus{Receiver: l.To.Name(), Error: err.Error(), At: time.Now()}
	}
}

// note remembers why a receiver was not reached, for status; the log is told
// when it begins.
func (o *outbox) note(lane journal.Lane, l journal.Letter, waiting int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failing[lane].Error != err.Error() {
		o.a.log.Warn("a notification is tried again", "service", lane.Service, "to", l.To.Name(), "error", err)
	}
	o.failing[lane] = control.NotifyStatus{Receiver: l.To.Name(), Waiting: waiting, Error: err.Error(), At: time.Now()}
}

// status lists the receivers of a service that are not reached.
func (o *outbox) status(service string) []control.NotifyStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []control.NotifyStatus
	for lane, st := range o.failing {
		if lane.Service == service {
			out = append(out, st)
		}
	}
	slices.SortFunc(out, func(a, b control.NotifyStatus) int { return strings.Compare(a.Receiver, b.Receiver) })
	return out
}

// send sends a letter. Where the receiver is, and the key, are secrets that
// only the environments of releases hold.
func (o *outbox) send(ctx context.Context, l journal.Letter) error {
	to, err := o.receiver(l)
	if err != nil {
		return err
	}
	return o.sender.Send(ctx, to, webhook.Message{ID: l.Key, Body: l.Body})
}

// environment is where a letter's secrets are: that of the newest release which
// has them, so that a URL that was mended since is the one that counts.
func (o *outbox) environment(l journal.Letter) (deploy.Environment, error) {
	knows := func(env deploy.Environment, name string) bool { return name == "" || env[name] != "" }
	if s := o.a.service(l.Service); s != nil && s.now().Release > l.Release {
		env, err := o.a.readEnv(l.Service, s.now().Release)
		if err == nil && knows(env, l.To.URLEnv) && knows(env, l.To.SecretEnv) {
			return env, nil
		}
	}
	return o.a.readEnv(l.Service, l.Release)
}

// receiver finds out where a letter goes.
func (o *outbox) receiver(l journal.Letter) (webhook.Receiver, error) {
	var env deploy.Environment
	var err error
	if l.To.URLEnv != "" || l.To.SecretEnv != "" {
		if env, err = o.environment(l); err != nil {
			return webhook.Receiver{}, err
		}
	}
	to := webhook.Receiver{URL: cmp.Or(l.To.URL, env[l.To.URLEnv])}
	if err := deploy.WebhookURL(to.URL); err != nil {
		return to, errors.New(l.To.Name() + ": " + err.Error())
	}
	if l.To.SecretEnv != "" {
		if to.Key, err = deploy.WebhookKey(env[l.To.SecretEnv]); err != nil {
			return to, errors.New("$" + l.To.SecretEnv + ": " + err.Error())
		}
	}
	return to, nil
}
