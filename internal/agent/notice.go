package agent

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
)

// notify tells a service's webhooks of something that is no step of a rollout:
// those are told of by themselves. It returns once that is written down, and
// waits for no receiver.
func (a *Agent) notify(service string, n deploy.Notice) {
	if s := a.service(service); s != nil {
		s.notify(n, s.concerned())
	}
}

// notifyAll is notify of a service, or with "" of all.
func (a *Agent) notifyAll(service string, n deploy.Notice) {
	for _, s := range a.all() {
		if service == "" || s.name == service {
			s.notify(n, s.concerned())
		}
	}
}

// notify tells the webhooks that a release names.
func (s *service) notify(n deploy.Notice, release int) {
	letters := s.letters(n, release)
	if len(letters) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.a.living), 5*time.Second)
	defer cancel()
	if err := s.a.outbox.post(ctx, 0, letters); err != nil {
		s.log.Warn("notifications", "error", err)
	}
	s.a.outbox.wake()
}

// concerned is the release whose settings and environment hold for a service at
// the moment; of one that is down, the last that served, 0 if none did.
func (s *service) concerned() int {
	if n := s.aim(); n != 0 {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := 0
	for n := range s.releases {
		newest = max(newest, n)
	}
	return newest
}

// A notification is what receivers get. docs/hooks.md tells of it.
type notification struct {
	Type      deploy.Occasion `json:"type"`
	Timestamp time.Time       `json:"timestamp"`
	Text      string          `json:"text"` // where chat services look for what to show
	Data      about           `json:"data"`
}

type about struct {
	Service string          `json:"service"`
	Host    string          `json:"host"`
	Who     string          `json:"who,omitempty"`
	Why     string          `json:"why,omitempty"`
	Rollout *deploy.Rollout `json:"rollout,omitempty"`
}

// letters addresses a notice to the webhooks that a release names.
func (s *service) letters(n deploy.Notice, release int) []journal.Letter {
	var out []journal.Letter
	for _, w := range s.spec(release).Notify {
		if !w.Wants(n.On) {
			continue
		}
		l, err := s.letter(w, n, release)
		if err != nil {
			s.log.Warn("notifications", "error", err)
			continue
		}
		out = append(out, l)
	}
	return out
}

func (s *service) letter(w deploy.Webhook, n deploy.Notice, release int) (journal.Letter, error) {
	host, err := os.Hostname()
	if err != nil {
		return journal.Letter{}, err
	}
	now := time.Now()
	body, err := json.Marshal(notification{Type: n.On, Timestamp: now.UTC(), Text: chatText(s.name + ": " + n.Text),
		Data: about{Service: s.name, Host: host, Who: n.Who, Why: n.Why, Rollout: n.Rollout}})
	return journal.Letter{Service: s.name, Lane: w.Lane(), To: w, Release: release, Key: "msg_" + rand.Text(), Body: body, Made: now}, err
}

// chatText keeps what people have written from being read as markup: chat
// services have <!channel> call everybody.
func chatText(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

// waitsForWord tells that a rollout stands still until somebody promotes it. It
// may be told of twice, if the agent dies meanwhile.
func (s *service) waitsForWord(r deploy.Rollout) {
	s.notify(deploy.Notice{On: deploy.OnWaiting, Who: r.Who, Why: r.Why, Rollout: &r,
		Text: fmt.Sprintf("release %d waits for `segue promote`", r.To) + signed(r)}, r.To)
}

// milestone is what there is to tell of a step, if anything.
func (s *service) milestone(step deploy.Step, r deploy.Rollout) (deploy.Notice, bool) {
	n := deploy.Notice{Who: r.Who, Why: r.Why}
	switch {
	case r.Kind == deploy.KindMode:
		return n, false // maintenance tells of itself
	case r.Kind == deploy.KindContract:
		return contracted(step, r)
	}
	switch step.Verb {
	case deploy.StepBegin: // as it was then
		r.Phase, r.Reason, r.Ended, r.Stage, r.StageAt, r.Promoted = deploy.Forward, "", time.Time{}, 0, time.Time{}, 0
		n.On, n.Text = deploy.OnBegin, began(r)
	case deploy.StepEnd:
		n.On, n.Text = deploy.OnDone, done(r)
		if r.Phase == deploy.RolledBack {
			n.On, n.Text = deploy.OnRolledBack, undone(r)
		}
	default:
		return n, false
	}
	n.Rollout = &r
	return n, true
}

// contracted is what there is to tell of a contract: its end.
func contracted(step deploy.Step, r deploy.Rollout) (deploy.Notice, bool) {
	n := deploy.Notice{On: deploy.OnDone, Who: r.Who, Why: r.Why, Rollout: &r,
		Text: fmt.Sprintf("%s is contracted: there is no way back to releases without it", deploy.Migrations(r.Brings)) + signed(r)}
	if r.Phase == deploy.RolledBack {
		n.On = deploy.OnFailed
		n.Text = fmt.Sprintf("the contract of %s did not work, and is tried again; all goes on as before: %s", deploy.Migrations(r.Brings), shortReason(r.Reason)) + signed(r)
	}
	return n, step.Verb == deploy.StepEnd
}

// overridden is what there is to tell of a rollout that goes against a window or
// a freeze.
func overridden(r deploy.Rollout) deploy.Notice {
	return deploy.Notice{On: deploy.OnFreeze, Who: r.Who, Why: r.Why, Rollout: &r,
		Text: fmt.Sprintf("%s of release %d goes against what closes it (%s)", r.Kind, r.To, r.Against) + signed(r)}
}

func began(r deploy.Rollout) string {
	what := fmt.Sprintf("%s of release %d has begun", r.Kind, r.To)
	switch r.Kind {
	case deploy.KindDown:
		what = "it is being taken down"
	case deploy.KindScale:
		what = fmt.Sprintf("it is being scaled from %d to %d", r.Before, r.Replicas)
	}
	return what + signed(r)
}

func done(r deploy.Rollout) string {
	took := r.Ended.Sub(r.Began).Round(100 * time.Millisecond)
	if r.Kind == deploy.KindDown {
		return fmt.Sprintf("it is down, after %s", took) + signed(r)
	}
	return fmt.Sprintf("release %d serves with %d instances, after %s", r.To, r.Replicas, took) + signed(r)
}

func undone(r deploy.Rollout) string {
	back := fmt.Sprintf("release %d is back", r.From)
	if r.From == 0 {
		back = "nothing of it is left"
	}
	return fmt.Sprintf("%s of release %d was rolled back; %s: %s", r.Kind, r.To, back, shortReason(r.Reason)) + signed(r)
}

// signed tells who and why.
func signed(r deploy.Rollout) string {
	if r.Why != "" {
		return fmt.Sprintf(" (%s: %s)", r.Who, firstLine(r.Why))
	}
	return fmt.Sprintf(" (%s)", r.Who)
}

// shortReason is a reason without the lines of a log that follow it.
func shortReason(reason string) string {
	return strings.TrimSuffix(firstLine(reason), "; last in its log:")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// NotifyTest implements control.Agent: each webhook gets a message, at once and
// whatever it wants to be told of.
func (a *Agent) NotifyTest(ctx context.Context, q control.Request) ([]control.Notified, error) {
	s, err := a.known(q.Service)
	if err != nil {
		return nil, err
	}
	letters := s.letters(deploy.Notice{On: deploy.OnTest, Text: "a test, by " + q.Who, Who: q.Who}, s.concerned())
	if len(letters) == 0 {
		return nil, control.Errorf(control.CodeNone, "%s has no webhook to tell; name one under notify in segue.yaml and deploy that", s.name)
	}
	var out []control.Notified
	for _, l := range letters {
		x := control.Notified{Receiver: l.To.Name(), Signed: l.To.SecretEnv != ""}
		if err := a.outbox.send(ctx, l); err != nil {
			x.Error = err.Error()
		}
		out = append(out, x)
	}
	return out, nil
}
