package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
	"github.com/seguehq/segue/internal/proxy"
)

// lastCalls is how long the agent's end waits for calls that are under way: who
// has begun a rollout is to hear so, on a busy machine, too. Those that wait for
// something end at once (whileStaying).
const lastCalls = 30 * time.Second

// serve answers on the control socket until ctx ends, and for lastCalls longer.
// The channel is closed after that, or gets an error when it cannot go on.
func (a *Agent) serve(ctx context.Context, l net.Listener) <-chan error {
	over := make(chan error, 1)
	a.tasks.Go(func() {
		defer close(over)
		if err := control.Serve(ctx, l, a, lastCalls); err != nil {
			over <- fmt.Errorf("control socket: %w", err)
		}
	})
	return over
}

// whileStaying is ctx for a call that may wait for long: it ends when the agent is
// to end. Whoever has called asks the next one.
func (a *Agent) whileStaying(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(a.staying, func() { cancel(errors.New("the agent is going; ask the next one")) })
	return ctx, func() { stop(); cancel(nil) }
}

// Deploy implements control.Agent.
func (a *Agent) Deploy(ctx context.Context, q control.DeployRequest) (control.Begun, error) {
	if q.Spec.Name == "" || len(q.Spec.Command) == 0 {
		return control.Begun{}, control.Errorf(control.CodeInvalid, "a service needs a name and a command")
	}
	q.Spec.EnvNames = q.Env.Names()
	s := a.find(q.Spec.Name)
	if r := s.underWay(); r != nil && !q.Wait && !s.onlyStays() {
		return control.Begun{}, busy(*r)
	}
	if err := s.fitsNow(q); err != nil {
		return control.Begun{}, err
	}
	if q.Spec.Strategy.Beside() || q.Spec.Stays(1) > 0 {
		if err := a.proxy.mustKnow(ctx, proxy.KnowsSplit); err != nil {
			return control.Begun{}, err
		}
	}
	p := passage{Permit: q.Permit, service: s.name, running: s.now().Release != 0, calendar: q.Calendar, why: q.Why}
	if _, err := a.gate.pass(p); err != nil {
		return control.Begun{}, err
	}
	rel, err := a.makeRelease(ctx, s, q)
	if err != nil {
		return control.Begun{}, err
	}
	b, err := a.rollTo(ctx, s, rel.Spec, q.Wait, func(c journal.Current) (deploy.Rollout, error) {
		if err := s.keepFlagsFile(rel.Number, q.Spec.Flags, q.Who, q.Flags); err != nil {
			return deploy.Rollout{}, fmt.Errorf("nothing was changed: %w", err)
		}
		r := deploy.Rollout{Kind: deploy.KindDeploy, To: rel.Number, Replicas: q.Spec.Replicas, Who: q.Who, Why: q.Why}
		if c.Release == rel.Number && !q.Force {
			if c.Replicas == q.Spec.Replicas {
				return r, errNothing
			}
			r.Kind = deploy.KindScale
		}
		p.running = c.Release != 0
		overruled := s.overrules(q)
		if err := s.fits(rel.String(), rel.Spec.Migrate, overruled != ""); err != nil {
			return r, err
		}
		against, err := a.gate.pass(p) // again: the lock of somebody who came meanwhile waits for us, or we for it
		r.Against = joined(overruled, against)
		return r, err
	})
	if err == nil {
		s.arrange(q)
	}
	if err == nil && (b.Nothing || !b.Rollout.Tries()) { // else it does so at its beginning
		b.Flags, err = s.bringFlags(ctx, rel.Number)
	}
	return b, err
}

// rollTo begins a rollout to a release that may listen on addresses of its own.
// They are opened before anything is begun: a port that is taken, or a proxy
// that does not start, changes nothing. Clients that connect already wait in
// the sockets' queues; the proxy accepts on them once the routes know the
// service.
func (a *Agent) rollTo(ctx context.Context, s *service, spec deploy.Service, waitForIt bool, change func(journal.Current) (deploy.Rollout, error)) (control.Begun, error) {
	if err := errors.Join(a.shares(spec), s.regroups(spec)); err != nil {
		return control.Begun{}, err
	}
	done := a.claimAddresses(spec.Kept())
	defer func() {
		done()
		a.closeSockets(ctx) // those that nothing has come of
	}()
	if err := a.prepareSockets(ctx, spec); err != nil {
		return control.Begun{}, err
	}
	b, err := s.begin(ctx, waitForIt, change)
	if err != nil || b.Nothing {
		return b, err
	}
	return b, a.openListeners(ctx, spec)
}

// claimAddresses keeps the sockets of a rollout that is about to begin from
// being closed by the end of another.
func (a *Agent) claimAddresses(keys []string) (done func()) {
	count := func(by int) {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, key := range keys {
			if a.claimed[key] += by; a.claimed[key] == 0 {
				delete(a.claimed, key)
			}
		}
	}
	count(1)
	return func() { count(-1) }
}

func busy(r deploy.Rollout) error {
	err := &journal.BusyError{Rollout: r}
	return &control.Error{Code: control.CodeBusy, Message: err.Error(), Rollout: &r}
}

// find returns the service, new if it was not known.
func (a *Agent) find(name string) *service {
	if s := a.service(name); s != nil {
		return s
	}
	s := a.addService(journal.Current{Service: name})
	s.once.Do(func() { s.launch(a.living) })
	return s
}

// prepareSockets opens what a release is to listen on, and starts the proxy if
// there is none.
func (a *Agent) prepareSockets(ctx context.Context, spec deploy.Service) error {
	if spec.Socket.PerInstance {
		if err := prepareGroup(spec); err != nil {
			return err
		}
	}
	if len(spec.Kept()) == 0 {
		return nil
	}
	if err := a.proxy.ensure(a.living); err != nil {
		return err
	}
	_, err := a.sockets.ensure(spec.Kept())
	return err
}

// openListeners lets the proxy accept on a release's sockets, once the routes
// know its service.
func (a *Agent) openListeners(ctx context.Context, spec deploy.Service) error {
	if len(spec.Kept()) == 0 {
		return nil
	}
	if err := a.proxy.apply(ctx); err != nil {
		return err
	}
	return a.proxy.addSockets(ctx, a.sockets.pick(spec.Kept()))
}

// listen opens the sockets of all services at the agent's start.
func (a *Agent) listen(ctx context.Context) error {
	needed := a.listening()
	if len(needed) == 0 {
		return nil
	}
	var keys []string
	for key := range needed {
		keys = append(keys, key)
	}
	held := a.takeBack(keys)
	made, err := a.sockets.ensure(keys)
	if err != nil {
		return errors.Join(err, held)
	}
	if a.proxy.now() == nil {
		return a.proxy.ensure(ctx)
	}
	if err := a.proxy.apply(ctx); err != nil {
		return err
	}
	return a.proxy.addSockets(ctx, made)
}

// known finds a service that has been deployed.
func (a *Agent) known(name string) (*service, error) {
	if s := a.service(name); s != nil {
		return s, nil
	}
	return nil, control.Errorf(control.CodeNone, "there is no service %q here; `segue status` lists them", name)
}

// Rollback implements control.Agent. While a rollout is under way it is that
// one which is undone.
func (a *Agent) Rollback(ctx context.Context, q control.Request) (control.Begun, error) {
	s, err := a.known(q.Service)
	if err != nil {
		return control.Begun{}, err
	}
	if r := s.underWay(); r != nil && q.Release == 0 && !q.Wait {
		if r.Kind == deploy.KindContract {
			return control.Begun{}, control.Errorf(control.CodeInvalid, "%s is in the contract of %s (rollout %d), which cannot be undone: what older releases need is being removed", s.name, deploy.Migrations(r.Brings), r.ID)
		}
		return s.callOff(*r, q)
	}
	to, err := s.rollbackTo(ctx, s.now(), q.Release)
	if err != nil {
		return control.Begun{}, err
	}
	return a.rollTo(ctx, s, to.Spec, q.Wait, func(c journal.Current) (deploy.Rollout, error) {
		r := deploy.Rollout{Kind: deploy.KindRollback, To: to.Number, Replicas: c.Replicas, Who: q.Who, Why: q.Why}
		if c.Release == 0 {
			r.Replicas = to.Spec.Replicas
		}
		if to.Number == c.Release {
			return r, errNothing
		}
		return r, nil
	})
}

func (s *service) callOff(r deploy.Rollout, q control.Request) (control.Begun, error) {
	if r.Phase == deploy.Backward {
		return control.Begun{Rollout: r, Joined: true}, nil
	}
	why := "called off by " + q.Who
	if q.Why != "" {
		why += ": " + q.Why
	}
	select {
	case s.abort <- why:
	default: // somebody else has just said the same
	}
	return control.Begun{Rollout: r, Joined: true}, nil
}

// rollbackTo finds the release to go back to: the one that is named, or the
// newest one that served before the current one and ended well.
func (s *service) rollbackTo(ctx context.Context, c journal.Current, number int) (*deploy.Release, error) {
	if number == 0 {
		past, err := s.a.journal.History(ctx, s.name, 0)
		if err != nil {
			return nil, err
		}
		for _, r := range past {
			if r.Phase == deploy.Done && r.To == c.Release && r.From != c.Release && r.From != 0 {
				number = r.From
				break
			}
		}
		if number == 0 {
			return nil, control.Errorf(control.CodeNone, "%s has no earlier release to go back to; `segue releases` lists what is kept", s.name)
		}
	}
	r, err := s.a.journal.Release(ctx, s.name, number)
	if errors.Is(err, journal.ErrNone) {
		return nil, control.Errorf(control.CodeNone, "release %d of %s is not kept; `segue releases` lists those that are", number, s.name)
	}
	return r, err
}

// Scale implements control.Agent.
func (a *Agent) Scale(ctx context.Context, q control.Request) (control.Begun, error) {
	if q.Replicas < 0 {
		return control.Begun{}, control.Errorf(control.CodeInvalid, "%d replicas cannot be; 0 keeps the service without running it", q.Replicas)
	}
	return a.change(ctx, q, func(c journal.Current) (deploy.Rollout, error) {
		if c.Replicas == q.Replicas {
			return deploy.Rollout{}, errNothing
		}
		return deploy.Rollout{Kind: deploy.KindScale, To: c.Release, Replicas: q.Replicas}, nil
	})
}

// Restart implements control.Agent.
func (a *Agent) Restart(ctx context.Context, q control.Request) (control.Begun, error) {
	return a.change(ctx, q, func(c journal.Current) (deploy.Rollout, error) {
		p := passage{Permit: q.Permit, service: q.Service, running: true, why: q.Why}
		if s := a.service(q.Service); s != nil {
			p.calendar = s.calendar // s is locked by who calls us
		}
		against, err := a.gate.pass(p)
		return deploy.Rollout{Kind: deploy.KindRestart, To: c.Release, Replicas: c.Replicas, Against: against}, err
	})
}

// Down implements control.Agent.
func (a *Agent) Down(ctx context.Context, q control.Request) (control.Begun, error) {
	return a.change(ctx, q, func(journal.Current) (deploy.Rollout, error) {
		return deploy.Rollout{Kind: deploy.KindDown}, nil
	})
}

// change begins a rollout of a service that is up.
func (a *Agent) change(ctx context.Context, q control.Request, to func(journal.Current) (deploy.Rollout, error)) (control.Begun, error) {
	s, err := a.known(q.Service)
	if err != nil {
		return control.Begun{}, err
	}
	return s.begin(ctx, q.Wait, func(c journal.Current) (deploy.Rollout, error) {
		if c.Release == 0 {
			return deploy.Rollout{}, control.Errorf(control.CodeNone, "%s is down; `segue deploy` brings it up", s.name)
		}
		r, err := to(c)
		r.Who, r.Why = q.Who, q.Why
		return r, err
	})
}

// History implements control.Agent. Pauses, maintenance, shedding and ramps of flags stand between the rollouts.
func (a *Agent) History(ctx context.Context, name string, limit int) ([]deploy.Rollout, error) {
	past, err := a.journal.History(ctx, name, limit)
	rs := append([]deploy.Rollout{}, past...)
	for _, s := range a.all() {
		if name == "" || name == s.name {
			rs = append(rs, s.pastPauses()...)
			rs = append(rs, s.pastClosings()...)
			rs = append(rs, s.pastSheddings()...)
			rs = append(rs, s.pastRamps()...)
			rs = append(rs, s.sourceNow().pastTries()...)
		}
	}
	rs = append(rs, a.gate.pastGates(name)...)
	slices.SortStableFunc(rs, func(a, b deploy.Rollout) int { return b.Began.Compare(a.Began) })
	if limit > 0 && len(rs) > limit {
		rs = rs[:limit]
	}
	return rs, err
}

// Quit implements control.Agent.
func (a *Agent) Quit(ctx context.Context, everything bool) error {
	if everything {
		if err := a.endEverything(ctx); err != nil {
			return err
		}
	}
	a.end(nil)
	return nil
}

// end makes Run return err, unless it is about to already.
func (a *Agent) end(err error) {
	select {
	case a.quit <- err:
	default:
	}
}

// endEverything takes all services down, as they would be by `segue down`.
func (a *Agent) endEverything(ctx context.Context) error {
	for _, s := range a.all() {
		s.sourceNow().end()
	}
	for _, s := range a.all() {
		if r := s.underWay(); r != nil && r.Phase == deploy.Forward {
			if _, err := s.callOff(*r, control.Request{Who: "the end of the agent"}); err != nil {
				return err
			}
		}
	}
	var begun []control.Begun
	for _, s := range a.all() {
		b, err := a.Down(ctx, control.Request{Service: s.name, Who: "segue", Why: "the agent was told to end everything", Wait: true})
		var none *control.Error
		if errors.As(err, &none) && none.Code == control.CodeNone {
			continue // it is down already
		}
		if err != nil {
			return err
		}
		begun = append(begun, b)
	}
	for _, b := range begun {
		if err := a.Watch(ctx, b.Rollout.ID, 0, func(control.Event) error { return nil }); err != nil {
			return err
		}
	}
	return a.proxy.end(ctx)
}
