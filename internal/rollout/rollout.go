// Package rollout tells the story of a deploy: how the instances of one
// release take the place of those of another without a request being lost.
// A file per strategy; each reads from top to bottom as that story.
//
// Every step is in the journal before it is taken. A rollout that was cut off
// at any point is therefore continued by calling the strategy again with what
// the journal holds: strategies decide from the state that they find, not from
// what they remember.
package rollout

import (
	"context"
	"errors"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// Engine starts and stops instances. Stop ends all of an instance, whatever is
// left of it, and is safe to call for one that is already gone.
type Engine interface {
	Start(ctx context.Context, i deploy.Instance) error
	Stop(ctx context.Context, i deploy.Instance) error
}

// Prober waits until an instance is ready, and has been for the strategy's
// minimum. It fails as soon as the instance ends.
type Prober interface {
	WaitReady(ctx context.Context, i deploy.Instance) error
}

// Router sends requests to instances, or no longer. After Shift the very next
// request may go to the instance; it fails when the instance is gone. After
// Drain none does, and those that did are answered, or the drain's time is up.
// Drop is Drain without the waiting, for an instance that is unfit. Sync makes
// the routes what the fleet says, whatever an interruption has left undone.
type Router interface {
	Sync(ctx context.Context) error
	Shift(ctx context.Context, i deploy.Instance) error
	Drain(ctx context.Context, i deploy.Instance) error
	Drop(ctx context.Context, i deploy.Instance) error
}

// Journal writes steps; when it returns they are on disk. Start gives a new
// instance its ID.
type Journal interface {
	Start(ctx context.Context, rollout int64, i *deploy.Instance) (deploy.Step, error)
	Append(ctx context.Context, s *deploy.Step) error
}

// A Judge tells whether the new release is good enough to go on.
type Judge interface {
	// Watch looks at a stage, in which Rollout.From and To serve by the stage's
	// Share, and returns nil when it may be passed: when it has lasted for
	// Stage.For since Rollout.StageAt, and the new release has answered enough
	// requests no worse than the old one in the same minutes. Where the old one
	// gets none in these minutes (a switch, a recreate), what it answered before
	// the rollout stands for it. Any other error undoes the rollout, with its
	// text for a reason: the evidence. told takes what there is to see meanwhile.
	Watch(ctx context.Context, r deploy.Rollout, s Stage, told func(note string)) error
}

// Tasks runs hooks. Run returns when the hook has ended; its error undoes the
// rollout. When ctx ends, so does all of the hook. It may be called again for a
// hook that an agent which died has left behind.
type Tasks interface {
	Run(ctx context.Context, r deploy.Rollout, stage int, h deploy.Hook, told func(note string)) error
}

// Parts is what a strategy needs of the world.
type Parts struct {
	Engine  Engine
	Prober  Prober
	Router  Router
	Journal Journal
	Judge   Judge
	Tasks   Tasks

	Fleet   *Fleet
	Spec    deploy.Service       // of the release that the strategy is of
	Abort   <-chan string        // a reason received here undoes a rollout that goes forward; may be nil
	Promote <-chan Word          // somebody's, for a rollout that goes forward; may be nil
	Entered func(stage int)      // is called when a stage's routes are in force; may be nil
	Waiting func(deploy.Rollout) // is called when a stage waits for nothing but somebody's word; may be nil
	Note    func(string)         // is told what a stage waits for; may be nil
	AtOnce  int                  // how many instances may be starting side by side where nothing else bounds them; 0 means 4
	Told    func(deploy.Step)    // is told of each step after it is written; may be nil
	Backoff time.Duration        // first pause before a failed start is tried again, where it is; 0 means 1 s
	Now     func() time.Time     // nil means time.Now
	Problem func(problem error)  // is told of what could not be done and is tried again; may be nil
}

// ErrInterrupted is returned when ctx ended before the rollout did. It goes on
// from where it stands when the strategy is called again.
var ErrInterrupted = errors.New("interrupted; it goes on when the agent is back")

// write records a step. A journal that cannot be written (a full disk) stops
// everything: what is not recorded is not done. It is tried again until it
// works or ctx ends, since half a rollout must not be left lying either.
func (p *Parts) write(ctx context.Context, s deploy.Step) error {
	for pause := p.backoff(); ; pause = min(2*pause, 30*time.Second) {
		s.At = p.now()
		err := p.Journal.Append(ctx, &s)
		if err == nil {
			p.told(s)
			return nil
		}
		p.problem(err)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func (p *Parts) told(s deploy.Step) {
	if p.Told != nil {
		p.Told(s)
	}
}

func (p *Parts) problem(err error) {
	if p.Problem != nil {
		p.Problem(err)
	}
}

func (p *Parts) backoff() time.Duration {
	if p.Backoff == 0 {
		return time.Second
	}
	return p.Backoff
}

func (p *Parts) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
