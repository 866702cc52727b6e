package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/store"
)

// A mover moves the ramps of the flags in one store, and stops those whose guard
// says so. Where a ramp stands is in the store, so that the next agent's goes on
// from there; while there is none, ramps stand still.
type mover struct {
	s     *service
	ramps map[string]*moving // that run, by their flags
	last  time.Time          // when they were looked at
	write func(ctx context.Context, key string, version int64, r featureflag.Ramp) error
	// guard makes who looks at the services' requests while a ramp runs.
	guard func(f featureflag.Flag) guardian
}

// A guardian looks whether a ramp does harm.
type guardian interface {
	// look gives the evidence; "": it does none that is beyond chance.
	look(ctx context.Context) string
}

// moving is a ramp that runs.
type moving struct {
	featureflag.Flag
	since time.Time // up to when its Ran counts
	guard guardian  // nil: nobody looks
}

// rampLook is the time between looks at the ramps that run.
const rampLook = judgeEvery

func newMover(s *service, c *featureflag.Control) *mover {
	return &mover{s: s, ramps: map[string]*moving{}, write: c.MoveRamp, guard: func(f featureflag.Flag) guardian { return s.newGuard(f) }}
}

// take takes in the flags as they are now, and reports whether a ramp runs.
func (m *mover) take(flags []featureflag.Flag) bool {
	now := map[string]*moving{}
	for _, f := range flags {
		if f.Ramp == nil || f.Ramp.State != featureflag.RampRunning || f.Killed != nil {
			continue
		}
		x := m.ramps[f.Key]
		if x == nil || !x.Ramp.At.Equal(f.Ramp.At) {
			x = &moving{since: time.Now()}
			if f.Ramp.Guard != nil {
				x.guard = m.guard(f)
			}
		}
		x.Flag = f
		now[f.Key] = x
	}
	m.ramps = now
	return len(now) > 0
}

// rampLapse is the longest time between two looks that counts. An agent that
// stands still, or whose machine does, has not seen what a ramp did, and so does
// not go on as if it had.
const rampLapse = 5 * time.Second

// step does what is due at a time. Where services share a store, one of them moves.
func (m *mover) step(ctx context.Context, now time.Time) {
	if lapse := now.Sub(m.last) - rampLapse; lapse > 0 && !m.last.IsZero() {
		for _, x := range m.ramps {
			x.since = x.since.Add(min(lapse, now.Sub(x.since)))
		}
	}
	m.last = now
	if m.s != nil && !m.s.movesRamps() {
		for _, x := range m.ramps {
			x.since = now
		}
		return
	}
	for _, x := range m.ramps {
		next, due := x.next(ctx, now)
		if !due {
			continue
		}
		err := m.put(ctx, x, next)
		switch {
		case err == nil:
			x.since = now
			m.tell(x.Flag, next)
		case errors.Is(err, store.ErrConflict): // we are told of what it is now
		default: // it does not move while its store is away
			x.since = now
			if m.s != nil && ctx.Err() == nil {
				m.s.log.Warn("move a ramp", "flag", x.Key, "error", err)
			}
		}
	}
}

func (m *mover) put(ctx context.Context, x *moving, next featureflag.Ramp) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return m.write(ctx, x.Key, x.Version, next)
}

// next is what becomes of the ramp now; false: it stays as it is for a while.
func (x *moving) next(ctx context.Context, now time.Time) (featureflag.Ramp, bool) {
	if x.guard != nil {
		if evidence := x.guard.look(ctx); evidence != "" {
			return stopped(*x.Ramp, evidence), true
		}
	}
	ran := x.Ramp.Ran + now.Sub(x.since)
	if now.Sub(x.since) < rampTick(x.Ramp) && ran < x.Ramp.Over {
		return featureflag.Ramp{}, false
	}
	return moved(*x.Ramp, ran), true
}

// rampTick is the time from one move to the next: one percent's, a second at the
// least.
func rampTick(r *featureflag.Ramp) time.Duration {
	percents := math.Abs(r.To - r.From)
	if percents == 0 {
		return max(r.Over, time.Second)
	}
	return max(time.Duration(float64(r.Over)/percents), time.Second)
}

// moved is where a ramp stands that has run for so long.
func moved(r featureflag.Ramp, ran time.Duration) featureflag.Ramp {
	if ran >= r.Over {
		r.Ran, r.Percent, r.State = r.Over, r.To, featureflag.RampDone
		return r
	}
	r.Ran = max(ran, 0)
	percent := r.From + (r.To-r.From)*float64(r.Ran)/float64(r.Over)
	r.Percent = math.Round(100*percent) / 100
	return r
}

// stopped is a ramp that its guard has stopped.
func stopped(r featureflag.Ramp, evidence string) featureflag.Ramp {
	r.State, r.Note = featureflag.RampStopped, fmt.Sprintf("at %s %%: %s", short(r.Percent), evidence)
	if r.Guard != nil && r.Guard.Back {
		r.Note += fmt.Sprintf("; back to %s %%", short(r.From))
		r.Percent = r.From
	}
	return r
}

func short(percent float64) string { return fmt.Sprintf("%.4g", percent) }

// tell tells who wants to know of a ramp that has ended.
func (m *mover) tell(f featureflag.Flag, r featureflag.Ramp) {
	if m.s == nil || r.State == featureflag.RampRunning {
		return
	}
	text := fmt.Sprintf("flag %s: its ramp of %s is done, at %s %%", f.Key, r.Variant, short(r.Percent))
	if r.State == featureflag.RampStopped {
		text = fmt.Sprintf("flag %s: its ramp of %s stopped by itself %s", f.Key, r.Variant, r.Note)
	}
	m.s.log.Info("ramp ended", "flag", f.Key, "state", r.State, "percent", r.Percent, "note", r.Note)
	m.s.a.notify(m.s.name, deploy.Notice{On: deploy.OnFlag, Text: text, Who: r.By, Why: r.Why})
}

// movesRamps tells whether it is this service that moves the ramps of its store:
// the first by name of those that share it.
func (s *service) movesRamps() bool {
	return s.sharers()[0] == s.name
}

// sharers lists the services that follow this one's store, by name; it is one of them.
func (s *service) sharers() (names []string) {
	where := s.followedStore()
	for _, other := range s.a.all() {
		if other == s || other.followedStore() == where {
			names = append(names, other.name)
		}
	}
	return names
}

// pastRamps tells of the last ramp of each flag as the history does.
func (s *service) pastRamps() []deploy.Rollout {
	var out []deploy.Rollout
	for _, f := range s.knownFlags() {
		r := f.Ramp
		if r == nil {
			continue
		}
		x := deploy.Rollout{Service: s.name, Kind: deploy.KindRamp, Phase: deploy.Phase(r.State), Who: r.By, Began: r.At,
			Why: fmt.Sprintf("flag %s: %s at %s %%", f.Key, r.Variant, short(r.Percent))}
		if r.Why != "" {
			x.Why += ": " + r.Why
		}
		if r.State != featureflag.RampRunning {
			x.Ended = endOfRamp(f)
		}
		if r.State == featureflag.RampStopped {
			x.Reason = fmt.Sprintf("flag %s: %s stopped %s", f.Key, r.Variant, r.Note)
		}
		out = append(out, x)
	}
	return out
}

// endOfRamp is when a ramp that runs no more has ended: the flag's first change
// behind its begin, or the begin.
func endOfRamp(f featureflag.Flag) time.Time {
	for _, c := range f.History {
		if c.At.After(f.Ramp.At) {
			return c.At
		}
	}
	return f.Ramp.At
}
