package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
)

// The contractor of a service is the goroutine that has its database contracted
// when nobody is promised the way back any more. It decides from the journal, so
// that the next agent's goes on where this one's was cut off.

// ringContractor has the contractor look. It never waits.
func (s *service) ringContractor() {
	select {
	case s.contractBell <- struct{}{}:
	default:
	}
}

// A hindrance is why a database is not contracted now.
type hindrance struct {
	why   string    // for people, where it is not told otherwise
	until time.Time // when it is over; zero: that is heard of, or seen by looking again
	look  bool      // it is to be looked for
}

// hindered says why the contractor may not begin by itself; nil: it may. It does
// not while deploys are refused, by windows, freezes or locks: what takes the way
// back is a change like any other.
func (s *service) hindered() *hindrance {
	now := s.a.clock.Now()
	s.mu.Lock()
	l, r, m, calendar := s.ledger, s.rollout, s.migrates(s.current.Release), s.calendar
	due, older := s.contractDue(), s.olderInstance()
	s.mu.Unlock()
	switch {
	case len(l.waiting) == 0 || m.Manual:
		return &hindrance{}
	case r != nil:
		return &hindrance{why: fmt.Sprintf("rollout %d is under way", r.ID)}
	case older != "":
		return &hindrance{why: "instance " + older + " is of an older release", look: true}
	case now.Before(due):
		return &hindrance{until: due}
	case now.Before(l.retry()):
		return &hindrance{until: l.retry()}
	}
	if c := s.a.gate.closed(s.name, calendar); c != nil {
		return &hindrance{why: "closed: " + c.Why, until: c.Until}
	}
	if err := s.a.gate.mayPass(s.name, "", nil); err != nil {
		return &hindrance{why: err.Error()}
	}
	return nil
}

// contractDue is until when the way back is promised; s.mu is held.
func (s *service) contractDue() time.Time {
	m := s.migrates(s.current.Release)
	if m == nil || s.ledger.since.IsZero() {
		return time.Time{}
	}
	return s.ledger.since.Add(m.Bake)
}

// olderInstance names an instance that needs what a contract would remove; "":
// there is none. s.mu is held.
func (s *service) olderInstance() string {
	for _, i := range s.fleet.List() {
		if len(s.migrates(i.Release).Lacks(s.ledger.waiting)) > 0 {
			return i.ID
		}
	}
	return ""
}

// contractor begins contracts until ctx ends.
func (s *service) contractor(ctx context.Context) {
	for ctx.Err() == nil {
		gate := s.a.gate.change()
		h := s.hindered()
		if h == nil {
			_, err := s.contract(ctx, control.Request{Service: s.name, Who: "segue", Why: "the time for going back is over"})
			var refused *control.Error
			if err != nil && ctx.Err() == nil && !errors.As(err, &refused) {
				s.trouble(fmt.Errorf("contract: %w", err))
			}
			h = &hindrance{look: err != nil}
		}
		s.untilUnhindered(ctx, h, gate)
	}
}

// lookAgain is how often the contractor looks for what nobody tells it.
const lookAgain = time.Second

// untilUnhindered returns when it may be worth looking again.
func (s *service) untilUnhindered(ctx context.Context, h *hindrance, gate <-chan struct{}) {
	var look <-chan time.Time
	if h.look {
		t := time.NewTimer(lookAgain)
		defer t.Stop()
		look = t.C
	}
	waiting, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		if h.until.IsZero() {
			<-waiting.Done()
		} else {
			_ = s.a.clock.Wait(waiting, h.until) // ctx is asked by who calls us
		}
	}()
	defer func() { stop(); <-over }()
	select {
	case <-ctx.Done():
	case <-s.contractBell:
	case <-gate:
	case <-look:
	case <-over:
	}
}

// Contract implements control.Agent.
func (a *Agent) Contract(ctx context.Context, q control.Request) (control.Begun, error) {
	s, err := a.known(q.Service)
	if err != nil {
		return control.Begun{}, err
	}
	return s.contract(ctx, q)
}

// contract begins the contract of what waits for it, unless somebody may still
// go back.
func (s *service) contract(ctx context.Context, q control.Request) (control.Begun, error) {
	return s.begin(ctx, q.Wait, func(c journal.Current) (deploy.Rollout, error) {
		r := deploy.Rollout{Kind: deploy.KindContract, To: c.Release, Replicas: c.Replicas, Who: q.Who, Why: q.Why, Brings: s.ledger.waiting}
		if len(r.Brings) == 0 {
			return r, errNothing
		}
		if i := s.olderInstance(); i != "" {
			return r, control.Errorf(control.CodeInvalid, "%s: instance %s is of a release that needs what the contract of %s removes; it is refused while that lives", s.name, i, deploy.Migrations(r.Brings))
		}
		promised, err := s.promise(q)
		if err != nil {
			return r, err
		}
		p := passage{Permit: q.Permit, service: s.name, running: true, calendar: s.calendar, why: q.Why}
		r.Against, err = s.a.gate.pass(p)
		r.Against = joined(promised, r.Against)
		return r, err
	})
}

// joined puts together what somebody goes against.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// promise refuses a contract while the way back is promised, or tells what
// somebody goes against; s.mu is held.
func (s *service) promise(q control.Request) (against string, err error) {
	due := s.contractDue()
	left := due.Sub(s.a.clock.Now())
	if left <= 0 {
		return "", nil
	}
	why := fmt.Sprintf("the way back from %s is promised until %s", deploy.Migrations(s.ledger.waiting), due.Local().Format(time.DateTime))
	switch {
	case !q.Now:
		e := control.Errorf(control.CodeClosed, "%s: %s, for %s more; --now --why '…' ends that at once, and `segue rollback` with it", s.name, why, left.Round(time.Second))
		e.Closed = &control.Closed{Why: why, Until: due}
		return "", e
	case q.Why == "":
		return "", control.Errorf(control.CodeInvalid, "%s: %s. To go against that with --now, say why: --now --why '…'", s.name, why)
	}
	return why, nil
}

// contractStatus tells of the contract that the database waits for; nil: of none.
func (s *service) contractStatus() *control.Contract {
	h := s.hindered()
	s.mu.Lock()
	defer s.mu.Unlock()
	l, m := s.ledger, s.migrates(s.current.Release)
	if len(l.waiting) == 0 || m == nil || s.rollout != nil && s.rollout.Kind == deploy.KindContract {
		return nil
	}
	c := &control.Contract{Migrations: slices.Clone(l.waiting), Due: s.contractDue(), Manual: m.Manual}
	if l.failed > 0 {
		c.Failed = shortReason(l.last.Reason)
	}
	if l.failed > 0 && !m.Manual {
		c.Retry = l.retry()
	}
	if h != nil {
		c.Waiting = h.why
	}
	return c
}
