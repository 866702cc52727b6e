package rollout

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// A view is the fleet as the mover sees it, sorted by what is to become of
// each instance.
type view struct {
	wanted   []deploy.Instance // of the target's generation: starting, ready or serving
	beside   []deploy.Instance // of the other one that stays: the same
	unwanted []deploy.Instance // of others: the same
	leaving  []deploy.Instance // draining or stopping
	unfit    []deploy.Instance // reported as ended or not alive
	busy     map[string]bool   // a task is, or was a moment ago, at work on them
}

// look reads who is busy before it reads what state they are in: only the mover
// itself makes anybody busy, so the state of one that is not is settled.
func (m *mover) look() view {
	v := view{busy: m.atWork()}
	for _, i := range m.Fleet.List() {
		switch {
		case i.State == deploy.Draining || i.State == deploy.Stopping:
			v.leaving = append(v.leaving, i)
		case m.Fleet.Unfit(i.ID) != "":
			v.unfit = append(v.unfit, i)
		case i.Gen == m.target.Gen:
			v.wanted = append(v.wanted, i)
		case i.Gen == m.target.Beside.Gen && m.target.Beside.Count > 0:
			v.beside = append(v.beside, i)
		default:
			v.unwanted = append(v.unwanted, i)
		}
	}
	return v
}

func (v view) live() int {
	return len(v.wanted) + len(v.beside) + len(v.unwanted) + len(v.leaving) + len(v.unfit)
}

// available counts the instances that requests may go to: not yet one that is
// only on its way into the routes.
func (v view) available() int {
	n := 0
	for _, i := range slices.Concat(serving(v.wanted), serving(v.beside), serving(v.unwanted)) {
		if !v.busy[i.ID] {
			n++
		}
	}
	return n
}

// settled reports whether all is as wanted. An instance counts as serving from
// the moment that this is written; its shift takes a moment longer.
func (v view) settled(t Target) bool {
	whole := func(side []deploy.Instance, count int) bool { return len(side) == count && len(serving(side)) == count }
	return len(v.unwanted)+len(v.leaving)+len(v.unfit) == 0 && whole(v.wanted, t.Count) && whole(v.beside, t.Beside.Count) && len(v.busy) == 0
}

func serving(is []deploy.Instance) []deploy.Instance {
	var s []deploy.Instance
	for _, i := range is {
		if i.State == deploy.Serving {
			s = append(s, i)
		}
	}
	return s
}

// resume puts somebody to work on instances that need it and have nobody: those
// that were reported unfit, and those that an interruption left half way.
func (m *mover) resume(ctx context.Context, v view) {
	for _, i := range v.unfit {
		why := errors.New(m.Fleet.Unfit(i.ID))
		m.unlessBusy(ctx, v, i, func(ctx context.Context, i deploy.Instance) { m.giveUp(ctx, i, why) })
	}
	for _, i := range v.leaving {
		m.unlessBusy(ctx, v, i, m.takeOut)
	}
	for _, i := range slices.Concat(v.wanted, v.beside) {
		if i.State != deploy.Serving {
			m.unlessBusy(ctx, v, i, m.bringIn)
		}
	}
}

func (m *mover) unlessBusy(ctx context.Context, v view, i deploy.Instance, fn func(context.Context, deploy.Instance)) {
	if !v.busy[i.ID] {
		m.do(ctx, i, fn)
	}
}

// startSome starts as many instances as are missing and the surge allows.
func (m *mover) startSome(ctx context.Context, v view) error {
	if time.Now().Before(m.rest) {
		return nil
	}
	if !m.Spec.Strategy.Overlap && m.others(v) {
		return nil // old and new may not run side by side
	}
	room := m.target.Count + m.target.Beside.Count + m.Spec.Strategy.Surge - v.live()
	for _, s := range []struct {
		Side
		have []deploy.Instance
	}{{m.target.Beside, v.beside}, {m.target.side(), v.wanted}} {
		starting := len(s.have) - len(serving(s.have))
		for range min(s.Count-len(s.have), room, max(m.atOnce(), m.Spec.Strategy.Surge)-starting) {
			if err := m.start(ctx, s.Side); err != nil {
				m.problem(err)
				m.rest = time.Now().Add(m.backoff())
				return ctx.Err()
			}
			room--
		}
	}
	return nil
}

func (m *mover) start(ctx context.Context, s Side) error {
	i := deploy.Instance{Service: m.target.Service, Release: s.Release, Gen: s.Gen, Started: m.now()}
	step, err := m.Journal.Start(ctx, m.target.Rollout, &i)
	if err != nil {
		return err
	}
	m.told(step)
	m.Fleet.Add(i)
	m.do(ctx, i, m.bringIn)
	return nil
}

// others reports whether any instance of another generation may be running.
func (m *mover) others(v view) bool {
	for _, i := range slices.Concat(v.leaving, v.unfit) {
		if i.Gen != m.target.Gen {
			return true
		}
	}
	return len(v.unwanted) > 0
}

func (m *mover) atOnce() int {
	if m.AtOnce == 0 {
		return 4
	}
	return m.AtOnce
}

// takeOutSome takes out what is not wanted, as far as enough others serve.
func (m *mover) takeOutSome(ctx context.Context, v view) error {
	spare := v.available() - (m.target.Count + m.target.Beside.Count - m.Spec.Strategy.Unavailable)
	if !m.Spec.Strategy.Overlap {
		spare = v.live()
	}
	for _, i := range m.surplus(v) {
		if v.busy[i.ID] {
			continue // being started: it is taken out when that is over
		}
		verb, next := deploy.StepStop, deploy.Stopping
		if i.State == deploy.Serving {
			if spare--; spare < 0 {
				continue
			}
			verb, next = deploy.StepDrain, deploy.Draining
		}
		if err := m.write(ctx, m.about(i, verb)); err != nil {
			return err
		}
		m.Fleet.Set(i.ID, next)
		i.State = next
		m.do(ctx, i, m.takeOut)
	}
	return nil
}

// surplus lists what is not wanted, in the order in which it is taken out:
// first what does not serve, then what serves, oldest first; of the wanted
// ones, when they are too many, the youngest.
func (m *mover) surplus(v view) []deploy.Instance {
	s := slices.Clone(v.unwanted)
	s = append(s, tooMany(v.wanted, m.target.Count)...)
	s = append(s, tooMany(v.beside, m.target.Beside.Count)...)
	slices.SortStableFunc(s, byServing)
	return s
}

func tooMany(side []deploy.Instance, count int) []deploy.Instance {
	if len(side) <= count {
		return nil
	}
	youngest := slices.Clone(side)
	slices.Reverse(youngest)
	slices.SortStableFunc(youngest, byServing)
	return youngest[:len(side)-count]
}

func byServing(a, b deploy.Instance) int {
	rank := func(i deploy.Instance) int {
		if i.State == deploy.Serving {
			return 1
		}
		return 0
	}
	return rank(a) - rank(b)
}
