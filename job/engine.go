package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seguehq/segue/store"
)

// An engine is jobs at work, from their start to their end.
type engine struct {
	*Jobs
	self     Runner
	presence *presence
	keepers  map[string]*keeper
	asking   chan struct{} // holds one for each question to the store: many jobs are due at once

	draining  chan struct{} // closed when nothing new begins
	stopped   chan struct{} // closed when what still runs is called off
	ended     chan struct{} // closed when nobody waits for it any more
	abandoned atomic.Bool   // something runs on though it was called off

	alarms     sync.Mutex // held while somebody is told of one
	end        context.CancelFunc
	background sync.WaitGroup
	working    sync.WaitGroup // the keepers
}

// asksAtOnce is how many keepers wait for the store side by side.
const asksAtOnce = 32

func (j *Jobs) start() *engine {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.running {
		panic("job: these jobs run already")
	}
	j.running = true
	e := &engine{Jobs: j, self: j.thisProcess(), keepers: map[string]*keeper{}, asking: make(chan struct{}, asksAtOnce),
		draining: make(chan struct{}), stopped: make(chan struct{}), ended: make(chan struct{})}
	e.presence = newPresence(e)
	for _, d := range j.jobs {
		e.keepers[d.name] = newKeeper(e, d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.end = cancel
	e.background.Go(func() { e.presence.run(ctx) })
	e.background.Go(func() { e.listen(ctx) })
	for _, k := range e.keepers {
		e.working.Go(k.keep)
	}
	return e
}

// lastWords is how long what was called off has to return, and the store to be
// told.
const lastWords = 800 * time.Millisecond

// stop waits until what runs has ended or was handed on, and calls it off when ctx
// is done.
func (e *engine) stop(ctx context.Context) error {
	close(e.draining)
	ended := make(chan struct{})
	go func() { e.working.Wait(); close(ended) }()
	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = e.callOff(ended)
	}
	close(e.ended)
	e.end()
	e.background.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = false
	return err
}

// callOff ends what still runs.
func (e *engine) callOff(ended <-chan struct{}) error {
	close(e.stopped)
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
	}
	e.abandoned.Store(true)
	var names []string
	for name, k := range e.keepers {
		if k.busy.Load() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return fmt.Errorf("job: still running though called off: %s; a Func returns when its context is done", strings.Join(names, ", "))
}

// isDraining reports whether nothing new is to begin.
func (e *engine) isDraining() bool {
	select {
	case <-e.draining:
		return true
	default:
		return false
	}
}

// listen rings the keepers whose jobs somebody is to look at. Bells may be missed,
// and processes die without ringing: once in a while it looks at all.
func (e *engine) listen(ctx context.Context) {
	for ctx.Err() == nil {
		w, err := e.store.Watch(ctx, bellPrefix)
		if err == nil {
			err = e.hear(ctx, w)
			_ = w.Close() // whatever it says, nobody listens any more
		}
		if errors.Is(err, store.ErrClosed) {
			return
		}
		sleep(ctx, min(e.lease/4, time.Second))
	}
}

func (e *engine) hear(ctx context.Context, w store.Watcher) error {
	for first := true; ; first = false {
		e.sweep(ctx, first)
		until, cancel := context.WithTimeout(ctx, 6*e.lease)
		for {
			c, err := w.Next(until)
			if err == nil && !c.Missed {
				e.ring(strings.TrimPrefix(c.Key, bellPrefix))
				continue
			}
			if err != nil && until.Err() == nil || ctx.Err() != nil {
				cancel()
				return err
			}
			break
		}
		cancel()
	}
}

// sweep looks at all jobs' states, and rings for those that wait for somebody, or
// have been running for long enough to have lost their runner. For those that have
// not, it rings the first time: from then on keepers know of them.
func (e *engine) sweep(ctx context.Context, first bool) {
	for entry, err := range e.store.List(ctx, statePrefix) {
		if err != nil {
			return // it is looked again
		}
		r, err := decode(entry)
		if err != nil {
			continue // the job's keeper says so, when it is due
		}
		runs := r.status == statusRunning && (first || e.presence.now().Sub(r.Run.Started) > e.lease)
		if r.status == statusOpen || runs {
			e.ring(strings.TrimPrefix(entry.Key, statePrefix))
		}
	}
}

func (e *engine) ring(name string) {
	if k := e.keepers[name]; k != nil {
		select {
		case k.bell <- struct{}{}:
		default:
		}
	}
}

// call rings for a job, in all processes. It is of no harm if it fails: they look
// at it by themselves, later.
func call(ctx context.Context, s store.Store, name string) error {
	_, err := s.Put(ctx, store.Write{Key: bellPrefix + name, Expect: store.Any, TTL: time.Minute})
	return err
}

// alarm tells of something that is not as it should be.
func (e *engine) alarm(a Alarm) {
	e.log.Warn("job: "+string(a.Kind), "job", a.Job, "slot", a.Slot, "by", a.By)
	if e.onAlarm == nil {
		return
	}
	e.alarms.Lock()
	defer e.alarms.Unlock()
	e.onAlarm(a)
}
