package rollout

import (
	"context"

	"github.com/seguehq/segue/internal/deploy"
)

// bringIn is the first half of an instance's story: start, wait ready, shift.
// It is begun again from the top after an interruption, and skips what is done.
func (m *mover) bringIn(ctx context.Context, i deploy.Instance) {
	if i.State == deploy.Starting {
		if err := m.Engine.Start(ctx, i); err != nil {
			m.giveUp(ctx, i, err)
			return
		}
		if err := m.Prober.WaitReady(ctx, i); err != nil {
			m.giveUp(ctx, i, err)
			return
		}
		if !m.step(ctx, i, deploy.StepReady, deploy.Ready) {
			return
		}
	}
	if !m.step(ctx, i, deploy.StepShift, deploy.Serving) {
		return
	}
	if err := m.Router.Shift(ctx, i); err != nil {
		m.giveUp(ctx, i, err)
		return
	}
	m.tell(outcome{instance: i})
}

// takeOut is the second half: drain, stop, gone. That it drains is written by
// the mover already.
func (m *mover) takeOut(ctx context.Context, i deploy.Instance) {
	if i.State == deploy.Draining {
		if err := m.Router.Drain(ctx, i); err != nil && ctx.Err() == nil {
			m.problem(err) // its time is up; what is left gets the time until it must have stopped
		}
	}
	if ctx.Err() != nil || !m.step(ctx, i, deploy.StepStop, deploy.Stopping) {
		return
	}
	if !m.stop(ctx, i) {
		return
	}
	m.tell(outcome{instance: i})
	m.step(ctx, i, deploy.StepGone, deploy.Stopped)
}

// giveUp ends an instance that failed, unless the move was merely interrupted,
// which is no fault of the instance.
func (m *mover) giveUp(ctx context.Context, i deploy.Instance, why error) {
	if ctx.Err() != nil {
		return
	}
	if err := m.Router.Drop(ctx, i); err != nil {
		m.problem(err)
	}
	s := m.about(i, deploy.StepStop)
	s.Note = why.Error()
	if m.write(ctx, s) != nil {
		return
	}
	m.Fleet.Set(i.ID, deploy.Stopping)
	if !m.stop(ctx, i) {
		return
	}
	s.Verb = deploy.StepFailed
	if m.write(ctx, s) != nil {
		return
	}
	m.tell(outcome{i, why})
	m.Fleet.Set(i.ID, deploy.Failed)
}

// stop ends what there is of an instance; false means that it is still there
// and is to be stopped again.
func (m *mover) stop(ctx context.Context, i deploy.Instance) bool {
	err := m.Engine.Stop(ctx, i)
	if err != nil && ctx.Err() == nil {
		m.problem(err)
		_ = sleep(ctx, m.backoff())
	}
	return err == nil
}

// step writes a step and moves the instance on; false means that the move was
// interrupted.
func (m *mover) step(ctx context.Context, i deploy.Instance, v deploy.Verb, next deploy.State) bool {
	if now, ok := m.Fleet.Get(i.ID); ok && now.State == next {
		return true // written before an interruption
	}
	if err := m.write(ctx, m.about(i, v)); err != nil {
		return false
	}
	m.Fleet.Set(i.ID, next)
	return true
}

func (m *mover) about(i deploy.Instance, v deploy.Verb) deploy.Step {
	return deploy.Step{Rollout: m.target.Rollout, Service: i.Service, Verb: v, Instance: i.ID, Release: i.Release}
}
