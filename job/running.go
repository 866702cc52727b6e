package job

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// running is a run that goes on here, and the context of its Func. Whoever asks the
// context whether it is done makes it look at the clock first, so that a process
// that was suspended learns of it before any timer has run.
type running struct {
	context.Context
	*keeper
	hold   *hold
	run    Run
	cancel context.CancelCauseFunc
	progress

	limit    sync.Mutex
	atMostAt *time.Timer // calls it off; nil: nothing does
}

func (k *keeper) newRunning(h *hold) *running {
	ctx, cancel := context.WithCancelCause(context.Background())
	return &running{Context: ctx, keeper: k, hold: h, run: *h.Run, cancel: cancel}
}

// look finds out whether the run is lost.
func (r *running) look() error {
	if err := r.hold.tenure.look(); err != nil {
		r.cancel(err)
	}
	if cause := context.Cause(r.Context); errors.Is(cause, ErrLost) {
		return fmt.Errorf("job %q: %w", r.name, cause)
	}
	return nil
}

func (r *running) Done() <-chan struct{} {
	_ = r.look()
	return r.Context.Done()
}

func (r *running) Err() error {
	_ = r.look()
	return r.Context.Err()
}

type runningKey struct{}

func (r *running) Value(key any) any {
	if key == (runningKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// of is the run whose context ctx is, or comes from; nil: none.
func of(ctx context.Context) *running {
	r, _ := ctx.Value(runningKey{}).(*running)
	return r
}

// execute runs what this process has got, and sees it to its end.
func (k *keeper) execute(h *hold) {
	k.busy.Store(true)
	defer k.busy.Store(false)
	r := k.newRunning(h)
	defer r.cancel(nil)
	if k.isDraining() { // it came too late
		r.finish(ending{open: true})
		return
	}
	lock, refusal := r.enter()
	if refusal != nil {
		r.finish(*refusal)
		return
	}
	stop := r.attend(lock)
	err := r.call()
	stop()
	end := r.judge(err)
	r.exit(lock)
	r.finish(end)
}

// attend sees to it that the Func is called off when it is to be, until it is told
// to stop.
func (r *running) attend(lock GuardLock) (stop func()) {
	over := make(chan struct{})
	var attending sync.WaitGroup
	attending.Go(func() {
		select {
		case <-r.hold.tenure.gone:
			_ = r.look()
		case <-r.stopped:
			r.cancel(ErrStopped)
		case <-over:
		}
	})
	if lock != nil {
		attending.Go(func() { r.extendGuard(lock, over) })
	}
	r.callOffAfter(r.atMost)
	long := r.watchLength()
	return func() {
		close(over)
		r.callOffAfter(0)
		long()
		attending.Wait()
	}
}

// callOffAfter calls the run off when it has taken another d; 0: never.
func (r *running) callOffAfter(d time.Duration) {
	r.limit.Lock()
	defer r.limit.Unlock()
	if r.atMostAt != nil {
		r.atMostAt.Stop()
		r.atMostAt = nil
	}
	if d > 0 {
		r.atMostAt = time.AfterFunc(d, func() { r.cancel(ErrTooLong) })
	}
}

// watchLength tells of a run that takes longer than it should.
func (r *running) watchLength() (stop func()) {
	if r.overlong == 0 {
		return func() {}
	}
	told := make(chan struct{})
	timer := time.AfterFunc(r.overlong, func() {
		defer close(told)
		r.alarm(Alarm{Overlong, r.name, r.run.Slot, r.overlong})
	})
	return func() {
		if !timer.Stop() {
			<-told
		}
	}
}

// call calls the Func, on a goroutine of its own: it may end that.
func (r *running) call() (err error) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = errors.New("it has ended its goroutine, by runtime.Goexit") // unless it comes back
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
				r.log.Error("job: panic", "job", r.name, "run", r.run.ID, "panic", p, "stack", string(debug.Stack()))
			}
		}()
		err = r.do(r)
	}()
	<-ended
	return err
}

// An ending is how a run, or this part of it, has ended.
type ending struct {
	outcome Outcome // empty: it has not begun
	why     string
	open    bool // another is to take it up, whatever there is to go on from
	cut     bool // another may take it up, if there is something to go on from
}

// judge tells by what a Func returned how the run has ended.
func (r *running) judge(err error) ending {
	_ = r.look()
	cause := context.Cause(r.Context)
	switch {
	case err == nil:
		return ending{outcome: Done}
	case errors.Is(err, ErrHandOn) && r.isDraining():
		return ending{outcome: HandedOn, open: true}
	case errors.Is(err, ErrHandOn):
		return ending{outcome: Failed, why: err.Error() + ", but the instance does not stop"}
	case errors.Is(cause, ErrLost), errors.Is(err, ErrLost):
		return ending{outcome: Died, why: err.Error(), cut: true}
	case errors.Is(cause, ErrStopped):
		return ending{outcome: Stopped, why: err.Error(), cut: true}
	case errors.Is(cause, ErrTooLong):
		return ending{outcome: TooLong, why: fmt.Sprintf("it was called off after %v: %v", r.atMost, err)}
	}
	return ending{outcome: Failed, why: err.Error()}
}
