package message

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// lethal is how many deliveries more than attempts a message may have had. One that
// comes and comes, and is never acknowledged, may be what kills its handlers.
const lethal = 20

// An outcome is what is to become of a message: it is done with, unless it is to be
// tried again after a pause, or given back.
type outcome struct {
	again time.Duration
	back  bool
}

// attempt handles a message once, or parks it.
func (c *consumer) attempt(w *work) outcome {
	if w.reason == nil && w.Attempt > c.attempts+lethal {
		w.reason = fmt.Errorf("delivered %d times and never handled: it may be what kills its handlers", w.Attempt)
	}
	if w.reason != nil {
		return c.park(w)
	}
	err := c.handle(w)
	switch {
	case err == nil:
		return outcome{}
	case c.running.Err() != nil:
		return outcome{back: true}
	case errors.Is(err, errBusy):
		return outcome{again: busyPause}
	case errors.Is(err, errStore):
		c.log.Warn("messages: the store of what was done once is away; trying again", "id", w.ID, "error", err)
		return outcome{again: c.pause(1)}
	}
	w.tries++
	_, forEver := errors.AsType[permanent](err)
	if forEver || w.tries >= c.attempts {
		w.reason = err
		return c.park(w)
	}
	pause := c.pause(w.tries)
	c.log.Warn("messages: a handler has failed; trying again", "id", w.ID, "attempt", w.tries, "in", pause, "error", err)
	return outcome{again: pause}
}

// pause is how long to wait after so many attempts.
func (c *consumer) pause(tries int) time.Duration {
	pause := c.first
	for ; tries > 1 && pause < c.longest; tries-- {
		pause *= 4
	}
	return min(pause, c.longest)
}

// handle calls the handler, once if it is to be once.
func (c *consumer) handle(w *work) error {
	m := w.Message
	m.Attempt = max(w.Attempt, 1) + w.tries
	if c.once > 0 {
		return c.handleOnce(c.running, m)
	}
	return c.call(c.running, m)
}

// call makes an error of a panic: one message must not end the process, and with it
// those that are handled beside it.
func (c *consumer) call(ctx context.Context, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the handler panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return c.handler(ctx, m)
}

// park writes a message down that nobody can handle. It is acknowledged only when
// that has succeeded.
func (c *consumer) park(w *work) outcome {
	ctx, cancel := context.WithTimeout(c.settling, perCall)
	defer cancel()
	if err := c.bus.park(ctx, c.group, w); err != nil {
		c.log.Error("messages: one that cannot be handled cannot be parked either; trying again", "id", w.ID, "error", err, "reason", w.reason)
		if c.running.Err() != nil {
			return outcome{back: true}
		}
		return outcome{again: c.pause(2)}
	}
	c.log.Error("messages: parked, as no attempt has succeeded", "id", w.ID, "attempts", w.tries, "error", w.reason)
	return outcome{}
}

// perCall bounds one call of the store.
const perCall = 10 * time.Second
