package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/clock"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

// A lock is one that somebody holds or held, as it is kept on disk. It is held
// by a connection to the agent; between two agents, by a lease.
type lock struct {
	control.Lock
	Token  string       `json:"token"`
	Ended  time.Time    `json:"ended,omitzero"`
	As     deploy.Phase `json:"as,omitempty"`     // Released, Left or Broken
	Reason string       `json:"reason,omitempty"` // why it was broken

	connected bool
}

// A waiter waits for a lock, or for others' to end.
type waiter struct {
	control.Lock
	lock bool // it wants one
}

func (l *lock) held() bool { return l.Ended.IsZero() }

func (g *gate) lockFile() string { return filepath.Join(g.a.o.State, "locks.json") }

// lease gives the holders of locks time to connect to this agent.
func (g *gate) lease() {
	for _, l := range g.locks {
		if !l.held() {
			continue
		}
		g.a.tasks.Go(func() {
			if clock.Sleep(g.a.living, g.a.clock, control.LockLease) != nil {
				return
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			if l.held() && !l.connected {
				g.drop(l, deploy.Left, "its holder did not come back")
			}
		})
	}
}

// enter puts somebody at the end of the queue.
func (g *gate) enter(l control.Lock, wants bool) *waiter {
	l.Began = g.a.clock.Now()
	w := &waiter{l, wants}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, w)
	return w
}

// leave takes somebody out of the queue.
func (g *gate) leave(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := slices.Index(g.queue, w); n >= 0 {
		g.queue = slices.Delete(g.queue, n, n+1)
		g.wake()
	}
}

// mayPass refuses who is in the way of a lock's holder, or who is not next in
// the queue; w is nil for who does not wait.
func (g *gate) mayPass(service, token string, w *waiter) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.locked(service, token, w)
}

// locked is called with the gate's lock held.
func (g *gate) locked(service, token string, w *waiter) error {
	if token != "" {
		n := slices.IndexFunc(g.locks, func(l *lock) bool { return l.Token == token })
		if n < 0 || !g.locks[n].held() {
			return control.Errorf(control.CodeFailed, "the lock under which this runs is over%s", overHow(g.locks, n))
		}
	}
	for _, l := range g.locks {
		if l.held() && l.Token != token && concerns(l.Service, service) {
			return control.Errorf(control.CodeLocked, "%s is locked by %s since %s: %s. --wait waits for its turn, `%s` ends the lock", named(l.Service), l.Who,
				l.Began.Local().Format("Mon 15:04:05"), l.Why, breakCommand(l.Service))
		}
	}
	if w == nil {
		return nil
	}
	for _, other := range g.queue {
		if other == w {
			break
		}
		if other.lock && concerns(other.Service, service) {
			return control.Errorf(control.CodeLocked, "%s is waiting for a lock of %s since %s: %s", other.Who, named(other.Service), other.Began.Local().Format("Mon 15:04:05"), other.Why)
		}
	}
	return nil
}

func overHow(all []*lock, n int) string {
	if n < 0 || all[n].Reason == "" {
		return ""
	}
	return " (" + all[n].Reason + ")"
}

func named(service string) string {
	if service == "" {
		return "every service"
	}
	return service
}

func breakCommand(service string) string {
	if service == "" {
		return "segue lock break --why '…'"
	}
	return "segue lock break " + service + " --why '…'"
}

// Lock implements control.Agent.
func (a *Agent) Lock(ctx context.Context, q control.LockRequest, tell func(control.LockEvent) error) error {
	if q.Why == "" && q.Token == "" {
		return control.Errorf(control.CodeInvalid, "a lock wants a reason, which is told to who is refused: --why '…'")
	}
	ctx, done := a.whileStaying(ctx)
	defer done()
	l, err := a.gate.take(ctx, q, tell)
	if err != nil {
		return err
	}
	err = tell(control.LockEvent{Token: l.Token})
	if err == nil {
		err = a.gate.hold(ctx, l)
	}
	a.gate.disconnect(l)
	return err
}

// take returns a lock once it is held.
func (g *gate) take(ctx context.Context, q control.LockRequest, tell func(control.LockEvent) error) (*lock, error) {
	if q.Token != "" {
		return g.retake(q)
	}
	if q.Service != "" {
		if _, err := g.a.known(q.Service); err != nil {
			return nil, err
		}
	}
	w := g.enter(control.Lock{Service: q.Service, Who: q.Who, Why: q.Why}, true)
	defer g.leave(w)
	told := ""
	for {
		changed := g.change()
		l, err := g.grant(w)
		if err == nil {
			if err := g.quiet(ctx, q); err != nil {
				return nil, errors.Join(err, g.end(l, deploy.Released, ""))
			}
			return l, nil
		}
		var e *control.Error
		if !errors.As(err, &e) || e.Code != control.CodeLocked || !q.Wait {
			return nil, err
		}
		if e.Message != told {
			told = e.Message
			if err := tell(control.LockEvent{Note: told}); err != nil {
				return nil, err
			}
		}
		if err := g.a.await(ctx, time.Time{}, changed); err != nil {
			return nil, err
		}
	}
}

// grant gives a lock to who is next, and writes that down first.
func (g *gate) grant(w *waiter) (*lock, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.locked(w.Service, "", w); err != nil {
		return nil, err
	}
	l := &lock{Lock: w.Lock, Token: rand.Text(), connected: true}
	l.Began = g.a.clock.Now()
	if err := g.keepLocks(append(slices.Clone(g.locks), l)); err != nil {
		return nil, fmt.Errorf("the lock was not given: %w", err)
	}
	g.a.log.Info("locked", "service", l.Service, "who", l.Who, "why", l.Why)
	return l, nil
}

// quiet waits for the rollouts that were under way before the lock, or refuses.
func (g *gate) quiet(ctx context.Context, q control.LockRequest) error {
	for _, s := range g.a.all() {
		if !concerns(q.Service, s.name) {
			continue
		}
		for {
			r, settled := s.unsettled()
			if r == nil {
				break
			}
			if !q.Wait {
				return busy(*r)
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-settled:
			}
		}
	}
	return nil
}

// unsettled is the rollout under way, and what is closed at its end.
func (s *service) unsettled() (*deploy.Rollout, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rollout, s.settled
}

// retake gives a lock back to a holder whose agent has been replaced.
func (g *gate) retake(q control.LockRequest) (*lock, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := slices.IndexFunc(g.locks, func(l *lock) bool { return l.Token == q.Token })
	if n < 0 || !g.locks[n].held() {
		return nil, control.Errorf(control.CodeNone, "the lock is over%s", overHow(g.locks, n))
	}
	g.locks[n].connected = true
	return g.locks[n], nil
}

// hold returns when the holder has gone, the lock has ended, or the agent ends.
func (g *gate) hold(ctx context.Context, l *lock) error {
	for {
		g.mu.Lock()
		changed, held, as, reason := g.changed, l.held(), l.As, l.Reason
		g.mu.Unlock()
		switch {
		case held:
		case as == deploy.Broken:
			return control.Errorf(control.CodeNone, "the lock is over (%s)", reason)
		default:
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// disconnect ends a lock whose holder has gone; one whose agent goes is kept.
func (g *gate) disconnect(l *lock) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l.connected = false
	if g.a.staying.Err() == nil && l.held() {
		g.drop(l, deploy.Left, "its holder has gone")
	}
}

// end ends a lock.
func (g *gate) end(l *lock, as deploy.Phase, reason string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.drop(l, as, reason)
}

// drop is called with the gate's lock held. A lock that cannot be written down
// as ended has ended all the same: the next agent gives it a lease.
func (g *gate) drop(l *lock, as deploy.Phase, reason string) error {
	if !l.held() {
		return nil
	}
	l.Ended, l.As, l.Reason = g.a.clock.Now(), as, reason
	g.a.log.Info("lock is over", "service", l.Service, "who", l.Who, "as", as, "reason", reason)
	err := g.keepLocks(g.locks)
	if err != nil {
		g.a.log.Warn("write down the end of a lock", "error", err)
		g.wake()
	}
	return err
}

// keepLocks is called with the gate's lock held. Those that are held are kept
// however many there are.
func (g *gate) keepLocks(all []*lock) error {
	over := len(all) - gatesKept
	all = slices.DeleteFunc(slices.Clone(all), func(l *lock) bool {
		over--
		return over >= 0 && !l.held()
	})
	if err := writeJSON(g.lockFile(), all); err != nil {
		return err
	}
	g.locks = all
	g.wake()
	return nil
}

// Unlock implements control.Agent.
func (a *Agent) Unlock(_ context.Context, q control.UnlockRequest) (control.Unlocked, error) {
	if q.Token == "" && q.Why == "" {
		return control.Unlocked{}, control.Errorf(control.CodeInvalid, "to break somebody's lock wants a reason: --why '…'")
	}
	g := a.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	n := slices.IndexFunc(g.locks, func(l *lock) bool {
		return l.held() && (q.Token != "" && l.Token == q.Token || q.Token == "" && l.Service == q.Service)
	})
	if n < 0 {
		return control.Unlocked{Nothing: true}, nil
	}
	l, as, reason := g.locks[n], deploy.Released, ""
	if q.Token == "" {
		as, reason = deploy.Broken, fmt.Sprintf("broken by %s: %s", q.Who, q.Why)
	}
	return control.Unlocked{Lock: l.Lock}, g.drop(l, as, reason)
}

// lockedBy is the lock that is held on a service.
func (g *gate) lockedBy(service string) *control.Lock {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.locks {
		if l.held() && concerns(l.Service, service) {
			x := l.Lock
			return &x
		}
	}
	return nil
}

func (l *lock) rollout() deploy.Rollout {
	r := deploy.Rollout{Service: l.Service, Kind: deploy.KindLock, Phase: deploy.Locked, Who: l.Who, Why: l.Why, Reason: l.Reason, Began: l.Began, Ended: l.Ended}
	if !l.held() {
		r.Phase = l.As
	}
	return r
}
