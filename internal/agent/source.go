package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/calendar"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// A source is the branch that a service's releases come from: looked at every
// so often, and at its time its newest commit is exported, built and deployed by
// segue's own commands, as processes of their own. What was tried is on disk
// before it is tried, so that no commit is tried again and again.
type source struct {
	s     *service
	after <-chan struct{} // closed when the source before this one has stopped
	stop  context.CancelFunc
	over  chan struct{}
	wake  chan struct{} // somebody has asked

	mu      sync.Mutex
	kept    keptSource
	asked   []chan struct{} // for a look at once; each is closed after it
	busy    bool            // it deploys, or waits for that
	retry   bool
	problem string
	waits   string
	next    time.Time
	looked  time.Time
}

// keptSource is what is on disk of a source.
type keptSource struct {
	Source deploy.Source     `json:"source"`
	Seen   string            `json:"seen,omitempty"`
	SeenAt time.Time         `json:"seen_at,omitzero"`
	Due    time.Time         `json:"due,omitzero"`
	Cut    int               `json:"cut,omitempty"`   // how often the last attempt was cut off
	After  int64             `json:"after,omitempty"` // the newest rollout when it began
	Tries  []control.Attempt `json:"tries"`           // oldest first
}

const (
	triesKept   = 20
	cutsAllowed = 3         // of one commit's attempts, before it has failed
	grace       = time.Hour // in which what was due while nobody could is still done
	longestBack = 10 * time.Minute
)

func (s *service) sourceDir() string { return filepath.Join(s.a.o.State, "sources", s.name) }

func (s *service) sourceFile() string { return filepath.Join(s.sourceDir(), "source.json") }

// loadSource goes on with the source that an earlier agent had.
func (s *service) loadSource() error {
	var k *keptSource
	if err := readJSON(s.sourceFile(), &k); err != nil {
		return fmt.Errorf("source %s: %w; remove the file, and the next deploy sets it anew", s.sourceFile(), err)
	}
	if k != nil {
		s.source = s.newSource(*k, nil)
	}
	return nil
}

// setSource makes what a deploy by hand says the service's source; nil is none.
func (s *service) setSource(set *deploy.Source) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.source
	if old == nil && set == nil || old != nil && set != nil && old.settings() == *set {
		return nil
	}
	var after <-chan struct{}
	if old != nil {
		old.stop()
		after = old.over
	}
	if set == nil {
		s.source = nil
		s.a.tasks.Go(func() { <-after; _ = os.RemoveAll(s.sourceDir()) }) // what is left does no harm
		return nil
	}
	k := keptSource{Source: *set}
	if old != nil && old.settings().Repo == set.Repo && old.settings().Branch == set.Branch {
		k = old.state()
		k.Source, k.Due = *set, time.Time{}
	}
	if err := writeJSON(s.sourceFile(), k); err != nil {
		return err
	}
	s.source = s.newSource(k, after)
	s.source.launch()
	return nil
}

func (s *service) newSource(k keptSource, after <-chan struct{}) *source {
	return &source{s: s, after: after, kept: k, over: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// launch begins to watch; once the agent can deploy.
func (x *source) launch() {
	if x == nil {
		return
	}
	ctx, stop := context.WithCancel(x.s.a.living)
	x.stop = stop
	x.s.a.tasks.Go(func() {
		defer close(x.over)
		if x.after != nil {
			<-x.after
		}
		x.watch(ctx)
	})
}

func (x *source) state() keptSource {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.kept
	k.Tries = slices.Clone(k.Tries)
	return k
}

func (x *source) settings() deploy.Source { return x.state().Source }

// keep changes what is on disk. What cannot be written is tried again with the
// next change; until then it holds in memory.
func (x *source) keep(change func(*keptSource)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change(&x.kept)
	x.kept.Tries = x.kept.Tries[max(0, len(x.kept.Tries)-triesKept):]
	if err := writeJSON(x.s.sourceFile(), x.kept); err != nil {
		x.s.log.Warn("source", "error", err)
	}
}

func (x *source) say(waits string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.waits = waits
}

// watch looks and deploys until ctx ends.
func (x *source) watch(ctx context.Context) {
	x.resume(ctx)
	failures := 0
	for ctx.Err() == nil {
		asked, due := x.takeAsked(), x.isDue()
		err := x.look(ctx)
		failures++
		if err == nil {
			failures = 0
		}
		goes := err == nil && x.wants(due || len(asked) > 0)
		x.setBusy(goes)
		for _, answer := range asked {
			close(answer)
		}
		if goes {
			x.deploy(ctx)
			x.setBusy(false)
		}
		x.rest(ctx, failures)
	}
}

func (x *source) takeAsked() []chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	asked := x.asked
	x.asked = nil
	return asked
}

func (x *source) setBusy(busy bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.busy = busy
}

// rest waits until it is time for the next look, or somebody asks for one.
func (x *source) rest(ctx context.Context, failures int) {
	k := x.state()
	pause := k.Source.Every
	if failures > 0 {
		pause = min(pause<<min(failures, 10), max(pause, longestBack))
	}
	next := x.s.a.clock.Now().Add(pause)
	if failures == 0 && !k.Due.IsZero() && k.Due.Before(next) {
		next = k.Due
	}
	x.mu.Lock()
	x.next = next
	x.mu.Unlock()
	_ = x.s.a.await(ctx, next, x.wake) // the loop looks at ctx
}

// isDue reports whether the schedule's time has come; a commit that goes out at
// once is always due. It is told again until a look was a success.
func (x *source) isDue() bool {
	k := x.state()
	if k.Source.Schedule == "" {
		return true
	}
	now := x.s.a.clock.Now()
	return !k.Due.IsZero() && !now.Before(k.Due) && now.Sub(k.Due) <= grace
}

// look finds the newest commit.
func (x *source) look(ctx context.Context) error {
	c, err := x.read(ctx, "")
	if ctx.Err() != nil {
		return err
	}
	now := x.s.a.clock.Now()
	x.mu.Lock()
	x.problem = ""
	if err != nil {
		x.problem = err.Error()
	} else {
		x.looked = now
	}
	x.mu.Unlock()
	k := x.state()
	due := x.dueAfter(k, now, err != nil)
	if err != nil {
		x.s.log.Warn("source", "error", err)
	}
	if c.Hash != "" && c.Hash != k.Seen || !due.Equal(k.Due) {
		x.keep(func(k *keptSource) {
			k.Due = due
			if c.Hash != "" && c.Hash != k.Seen {
				k.Seen, k.SeenAt = c.Hash, now
			}
		})
	}
	return err
}

// dueAfter is when the schedule is due next: what is due now and could not be
// read stays so for a while.
func (x *source) dueAfter(k keptSource, now time.Time, failed bool) time.Time {
	if k.Source.Schedule == "" {
		return time.Time{}
	}
	if k.Due.After(now) && k.Due.Before(now.Add(366*24*time.Hour)) || failed && !k.Due.IsZero() && now.Sub(k.Due) <= grace {
		return k.Due
	}
	zone, err := calendar.Zone(k.Source.Zone)
	if err != nil {
		zone = time.Local
	}
	plan, err := calendar.ParseSchedule(k.Source.Schedule, zone)
	if err != nil { // the command has checked it
		return time.Time{}
	}
	return plan.Next(now)
}

// wants reports whether there is a commit to be deployed, and the time for it.
func (x *source) wants(due bool) bool {
	up := x.s.now().Release != 0 || x.s.underWay() != nil
	x.mu.Lock()
	defer x.mu.Unlock()
	x.waits = ""
	k := x.kept
	if n := len(k.Tries); n > 0 && k.Tries[n-1].Commit == k.Seen && !x.retry {
		return false
	}
	if !due {
		if !k.Due.IsZero() {
			x.waits = "for its time, " + k.Due.Local().Format("Mon 2006-01-02 15:04 MST")
		}
		return false
	}
	if !up {
		x.waits = "until the service is up again"
		return false
	}
	x.retry = false
	return true
}

// deploy deploys the newest commit, once the gate lets it.
func (x *source) deploy(ctx context.Context) {
	for ctx.Err() == nil {
		q := control.PassRequest{Service: x.s.name, Who: x.who(), Wait: true, WaitWindow: true}
		err := x.s.a.Pass(ctx, q, func(note string) error { x.say(note); return nil })
		x.say("")
		if err != nil {
			return
		}
		if !x.attempt(ctx) {
			return
		}
	}
}

// who is told by the history to have deployed.
func (x *source) who() string {
	k := control.NewSource(x.settings())
	return fmt.Sprintf("source %s %s", k.Repo, k.Branch)
}

// reasonOf is the reason that the history tells.
func reasonOf(t control.Attempt) string {
	if t.Subject == "" {
		return fmt.Sprintf("%.12s", t.Commit)
	}
	return fmt.Sprintf("%.12s %s", t.Commit, t.Subject)
}

// resume finds out what became of an attempt that was cut off with the agent.
// Its rollout, if it has come to one, was gone on with.
func (x *source) resume(ctx context.Context) {
	k := x.state()
	n := len(k.Tries)
	if n == 0 || k.Tries[n-1].As != control.Trying {
		return
	}
	t := k.Tries[n-1]
	for {
		past, err := x.s.a.journal.History(ctx, x.s.name, 0)
		if err != nil {
			return // the agent ends
		}
		at := slices.IndexFunc(past, func(r deploy.Rollout) bool {
			return r.ID > k.After && r.Who == x.who() && r.Why == reasonOf(t)
		})
		if at < 0 {
			break
		}
		if r := past[at]; r.Phase.Ended() {
			t.As, t.Note = control.Deployed, ""
			if r.Phase == deploy.RolledBack {
				t.As, t.Note = control.RolledBack, r.Reason
			}
			x.ended(t)
			return
		}
		if _, settled := x.s.unsettled(); x.s.a.await(ctx, time.Time{}, settled) != nil {
			return
		}
	}
	if k.Cut+1 >= cutsAllowed {
		t.As, t.Note = control.Failed, fmt.Sprintf("it was cut off %d times", cutsAllowed)
		x.ended(t)
		return
	}
	x.keep(func(k *keptSource) { k.Tries, k.Cut = k.Tries[:len(k.Tries)-1], k.Cut+1 }) // try it again
}

// end stops watching, for good; an attempt is cut off.
func (x *source) end() {
	if x != nil {
		x.stop()
		<-x.over
	}
}

// ended writes down how the last attempt has ended.
func (x *source) ended(t control.Attempt) {
	t.Ended = x.s.a.clock.Now()
	x.keep(func(k *keptSource) { k.Tries[len(k.Tries)-1], k.Cut = t, 0 })
	x.s.log.Info("source", "commit", t.Commit, "as", t.As, "note", t.Note)
	if t.As == control.Failed {
		x.s.a.notify(x.s.name, deploy.Notice{On: deploy.OnFailed, Text: fmt.Sprintf("commit %s was not deployed: %s", reasonOf(t), t.Note), Who: x.who()})
	}
}

// status tells of the source; nil for none.
func (x *source) status() *control.Source {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.kept
	out := control.NewSource(k.Source)
	out.Seen, out.SeenAt, out.Due, out.Looked, out.Next = k.Seen, k.SeenAt, k.Due, x.looked, x.next
	out.Waits, out.Problem = x.waits, x.problem
	if n := len(k.Tries); n > 0 {
		t := k.Tries[n-1]
		out.Tried = &t
	}
	return &out
}

func (s *service) sourceNow() *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source
}

// LookAtSource implements control.Agent.
func (a *Agent) LookAtSource(ctx context.Context, q control.SourceRequest) (control.Source, error) {
	x, err := a.sourceOf(q.Service)
	if err != nil {
		return control.Source{}, err
	}
	looked := make(chan struct{})
	x.mu.Lock()
	x.retry = x.retry || q.Retry
	if busy := x.busy; busy {
		x.mu.Unlock()
		return *x.status(), nil
	}
	x.asked = append(x.asked, looked)
	x.mu.Unlock()
	select {
	case x.wake <- struct{}{}:
	default:
	}
	select {
	case <-looked:
	case <-x.over:
	case <-ctx.Done():
		return control.Source{}, context.Cause(ctx)
	}
	return *x.status(), nil
}

func (a *Agent) sourceOf(name string) (*source, error) {
	s, err := a.known(name)
	if err != nil {
		return nil, err
	}
	x := s.sourceNow()
	if x == nil {
		return nil, control.Errorf(control.CodeNone, "%s has no source; say in segue.yaml: source: {repo: …, branch: …}, and deploy", name)
	}
	return x, nil
}

// SourceLog implements control.Agent.
func (a *Agent) SourceLog(_ context.Context, name string) (string, error) {
	x, err := a.sourceOf(name)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(x.logFile())
	if errors.Is(err, os.ErrNotExist) {
		return "", control.Errorf(control.CodeNone, "nothing of the source of %s was tried yet", name)
	}
	return string(text), err
}

// pastTries tells of the commits of which no rollout has come.
func (x *source) pastTries() []deploy.Rollout {
	if x == nil {
		return nil
	}
	var out []deploy.Rollout
	for _, t := range x.state().Tries {
		if t.As == control.Failed {
			out = append(out, deploy.Rollout{Service: x.s.name, Kind: deploy.KindSource, Phase: deploy.NotDeployed, Who: x.who(), Why: reasonOf(t), Reason: t.Note, Began: t.Began, Ended: t.Ended})
		}
	}
	return out
}
