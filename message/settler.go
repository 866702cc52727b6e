package message

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// A settler tells the broker which messages are done, and which are given back: all
// at once that have come together while it told of those before.
type settler struct {
	wake    chan struct{} // holds one when there may be something to tell
	telling sync.Mutex    // held while the broker is told

	mu         sync.Mutex
	handled    []Delivery
	notHandled []Delivery
	ended      bool
}

// done takes what was handled. A worker that is idle tells the broker at once, which
// saves waking another goroutine for it.
func (s *settler) done(c *consumer, d Delivery, idle bool) {
	s.mu.Lock()
	s.handled = append(s.handled, d)
	s.mu.Unlock()
	if !idle || !s.telling.TryLock() {
		s.rouse()
		return
	}
	defer s.telling.Unlock()
	s.try(c)
}

// promptly is how long an idle worker may take to tell the broker: what takes longer,
// because that is away, is not a worker's.
const promptly = time.Second

// try tells once. What it cannot tell is left to run.
func (s *settler) try(c *consumer) {
	s.mu.Lock()
	all := s.handled
	s.handled = nil
	s.mu.Unlock()
	done, retried := apart(all)
	if len(done) > 0 {
		ctx, cancel := context.WithTimeout(c.settling, promptly)
		defer cancel()
		if err := c.receiver.Ack(ctx, done...); err == nil {
			done = nil
		}
	}
	if len(done)+len(retried) == 0 {
		return
	}
	s.mu.Lock()
	s.handled = append(append(done, retried...), s.handled...)
	s.mu.Unlock()
	s.rouse()
}

func (s *settler) back(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notHandled = append(s.notHandled, d)
	s.rouse()
}

// end has run return when everything is told.
func (s *settler) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.rouse()
}

func (s *settler) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *settler) take() (done, back []Delivery, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done, back, ended = s.handled, s.notHandled, s.ended
	s.handled, s.notHandled = nil, nil
	return done, back, ended
}

// run tells until it is ended. What cannot be told until the deadline comes again by
// itself.
func (s *settler) run(c *consumer) {
	for {
		if s.all(c) {
			return
		}
		<-s.wake
	}
}

// all tells everything, and reports whether that was the last.
func (s *settler) all(c *consumer) (ended bool) {
	s.telling.Lock()
	defer s.telling.Unlock()
	done, back, ended := s.take()
	done, retried := apart(done)
	c.bus.retrier.done(c.settling, retried)
	c.tell(c.receiver.Ack, "acknowledged", done)
	back, retried = apart(back)
	c.bus.retrier.back(c.settling, retried)
	c.tell(c.receiver.Return, "given back", back)
	return ended
}

// apart divides what came from the broker from what was parked.
func apart(all []Delivery) (broker, parked []Delivery) {
	if !slices.ContainsFunc(all, wasParked) { // as it mostly is
		return all, nil
	}
	for _, d := range all {
		if wasParked(d) {
			parked = append(parked, d)
		} else {
			broker = append(broker, d)
		}
	}
	return broker, parked
}

func wasParked(d Delivery) bool {
	_, ok := d.Tag.(*retry)
	return ok
}

func (c *consumer) tell(say func(context.Context, ...Delivery) error, what string, d []Delivery) {
	if len(d) == 0 {
		return
	}
	failing := false
	err := insist(c.settling, func() error {
		err := say(c.settling, d...)
		if err != nil && !failing && !errors.Is(err, ErrLapsed) {
			failing = true
			c.log.Warn("messages: cannot be "+what+" at present; trying again", "messages", len(d), "error", err)
		}
		return err
	})
	if err != nil {
		c.log.Warn("messages: not "+what+"; the broker delivers them again", "messages", len(d), "error", err)
	}
}
