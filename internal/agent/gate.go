package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/seguehq/segue/internal/calendar"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// A gate is what deploys and restarts must pass: the services' windows and
// freezes, freezes by command, and locks. What takes away (rollback, scale, down)
// passes it by: it is what one needs when something is wrong.
//
// Its lock is taken with a service's held, never the other way round.
type gate struct {
	a *Agent

	mu      sync.Mutex
	changed chan struct{} // closed when something is, which somebody may wait for
	freezes []freeze      // oldest first, with those that are over
	locks   []*lock       // oldest first, with those that are over
	queue   []*waiter     // for a lock, or for the end of one
}

func newGate(a *Agent) *gate { return &gate{a: a, changed: make(chan struct{})} }

// gatesKept is how many freezes, and how many locks, the history tells of.
const gatesKept = 50

func (g *gate) load() error {
	if err := readJSON(g.freezeFile(), &g.freezes); err != nil {
		return fmt.Errorf("freezes %s: %w; remove the file to forget them", g.freezeFile(), err)
	}
	if err := readJSON(g.lockFile(), &g.locks); err != nil {
		return fmt.Errorf("locks %s: %w; remove the file to forget them", g.lockFile(), err)
	}
	g.lease()
	return nil
}

// wake is called with the gate's lock held.
func (g *gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// change returns what is closed by the next change.
func (g *gate) change() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// concerns reports whether what is said of one service, or with "" of all,
// has to do with what is said of another.
func concerns(a, b string) bool { return a == "" || b == "" || a == b }

func (s *service) calendarFile() string {
	return filepath.Join(s.a.o.State, "calendars", s.name+".json")
}

func (s *service) loadCalendar() error {
	if err := readJSON(s.calendarFile(), &s.calendar); err != nil {
		return fmt.Errorf("windows %s: %w; remove the file, and the next deploy sets them anew", s.calendarFile(), err)
	}
	return nil
}

// arrange takes in what a deploy that was let through says for the time after it.
func (s *service) arrange(q control.DeployRequest) {
	if err := s.keepCalendar(q.Calendar); err != nil {
		s.trouble(fmt.Errorf("the windows of this deploy are not kept: %w", err))
	}
	if q.KeepSource {
		return
	}
	if err := s.setSource(q.Source); err != nil {
		s.trouble(fmt.Errorf("the source of this deploy is not watched: %w", err))
	}
}

func (s *service) keepCalendar(c deploy.Calendar) error {
	if reflect.DeepEqual(c, s.keptCalendar()) {
		return nil
	}
	if err := writeJSON(s.calendarFile(), c); err != nil {
		return err
	}
	s.mu.Lock()
	s.calendar = c
	s.mu.Unlock()
	s.a.gate.mu.Lock()
	defer s.a.gate.mu.Unlock()
	s.a.gate.wake()
	return nil
}

func (s *service) keptCalendar() deploy.Calendar {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calendar
}

// closed says why the service may not be deployed now, nil if it may.
func (g *gate) closed(service string, c deploy.Calendar) *calendar.Closed {
	now := g.a.clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	c.Freezes = append(c.Freezes[:len(c.Freezes):len(c.Freezes)], g.freezesOf(service, now)...)
	return calendar.At(c, now)
}

// A passage is what a deploy or restart is let through with.
type passage struct {
	control.Permit
	service  string
	running  bool
	calendar deploy.Calendar
	why      string
}

// pass lets a change through or refuses it. What it went against is for the
// history. A service that does not run may be brought up at any time: windows
// are there for those whom a deploy would disturb.
func (g *gate) pass(p passage) (against string, err error) {
	if err := g.mayPass(p.service, p.Token, nil); err != nil {
		return "", err
	}
	if !p.running {
		return "", nil
	}
	c := g.closed(p.service, p.calendar)
	switch {
	case c == nil:
		return "", nil
	case !p.Now:
		return "", refusal(p.service, c)
	case p.why == "":
		return "", control.Errorf(control.CodeInvalid, "%s is closed to deploys: %s. To go against that with --now, say why: --now --why '…'", p.service, c)
	}
	return c.Why, nil
}

func refusal(service string, c *calendar.Closed) error {
	e := control.Errorf(control.CodeClosed, "%s is closed to deploys: %s. --wait-window waits for it, --now --why '…' goes against it", service, c)
	e.Closed = &control.Closed{Why: c.Why, Until: c.Until}
	return e
}

// Pass implements control.Agent.
func (a *Agent) Pass(ctx context.Context, q control.PassRequest, tell func(string) error) error {
	ctx, done := a.whileStaying(ctx)
	defer done()
	w := a.gate.enter(control.Lock{Service: q.Service, Who: q.Who, Why: q.Why}, false)
	defer a.gate.leave(w)
	told := ""
	for {
		changed := a.gate.change()
		var err error
		if q.Wait {
			err = a.gate.mayPass(q.Service, q.Token, w)
		}
		if err == nil {
			_, err = a.gate.pass(a.passageOf(q))
		}
		var e *control.Error
		if !errors.As(err, &e) || (e.Code != control.CodeLocked || !q.Wait) && (e.Code != control.CodeClosed || !q.WaitWindow) {
			return err
		}
		note, until := a.awaited(e)
		if note != told {
			if err := tell(note); err != nil {
				return err
			}
			told = note
		}
		if err := a.await(ctx, until, changed); err != nil {
			return err
		}
	}
}

func (a *Agent) passageOf(q control.PassRequest) passage {
	p := passage{Permit: q.Permit, service: q.Service, why: q.Why}
	if s := a.service(q.Service); s != nil {
		p.running, p.calendar = s.now().Release != 0, s.keptCalendar()
	}
	if q.Calendar != nil {
		p.calendar = *q.Calendar
	}
	return p
}

// awaited tells what is waited for behind a refusal.
func (a *Agent) awaited(e *control.Error) (note string, until time.Time) {
	if e.Closed == nil {
		return e.Message, until
	}
	note = e.Closed.Why
	if until = e.Closed.Until; !until.IsZero() {
		note += fmt.Sprintf("; waiting until %s", until.Local().Format("Mon 2006-01-02 15:04 MST"))
	}
	return note, until
}

// await returns nil at a time, if it is not zero, or when changed is closed.
func (a *Agent) await(ctx context.Context, until time.Time, changed <-chan struct{}) error {
	waiting, stop := context.WithCancel(ctx)
	var clock sync.WaitGroup
	defer clock.Wait()
	defer stop()
	come := make(chan struct{})
	if !until.IsZero() {
		clock.Go(func() {
			if a.clock.Wait(waiting, until) == nil {
				close(come)
			}
		})
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-changed:
	case <-come:
	}
	return nil
}

// Gates implements control.Agent.
func (a *Agent) Gates(context.Context) (control.Gates, error) {
	x := control.Gates{Freezes: []control.Freeze{}, Locks: []control.Lock{}, Waiting: []control.Waiting{}, Services: map[string]control.Closed{}}
	for _, s := range a.all() {
		if c := s.closedNow(); c != nil {
			x.Services[s.name] = *c
		}
	}
	now := a.clock.Now()
	g := a.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.freezes {
		if f.holds(now) {
			x.Freezes = append(x.Freezes, f.Freeze)
		}
	}
	for _, l := range g.locks {
		if l.held() {
			x.Locks = append(x.Locks, l.Lock)
		}
	}
	for _, w := range g.queue {
		x.Waiting = append(x.Waiting, control.Waiting{Lock: w.Lock, ToDeploy: !w.lock})
	}
	return x, nil
}

// closedNow says for people why the service may not be deployed now.
func (s *service) closedNow() *control.Closed {
	if s.now().Release == 0 {
		return nil
	}
	c := s.a.gate.closed(s.name, s.keptCalendar())
	if c == nil {
		return nil
	}
	return &control.Closed{Why: c.Why, Until: c.Until}
}

// pastGates tells of freezes and locks as the history does.
func (g *gate) pastGates(service string) []deploy.Rollout {
	now := g.a.clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []deploy.Rollout
	for _, f := range g.freezes {
		if service == "" || concerns(service, f.Service) {
			out = append(out, f.rollout(now))
		}
	}
	for _, l := range g.locks {
		if service == "" || concerns(service, l.Service) {
			out = append(out, l.rollout())
		}
	}
	return out
}
