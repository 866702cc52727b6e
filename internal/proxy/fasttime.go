package proxy

import (
	"os"
	"time"
)

// The bounds of time are looked after by a scan of everything that is open.
// They are therefore met to within scanEvery, and cost a request nothing.
const scanEvery = 100 * time.Millisecond

// bodyWait is how long the fast path waits for the rest of a small body that
// came after its header. The general path then waits on, by the service's bound.
const bodyWait = 200 * time.Millisecond

// restEvery is how often a loop looks at connections on which nothing is under way.
const restEvery = time.Second

// hurry has the next scan come soon, as something is under way.
func (l *loop) hurry() { l.scanAt = min(l.scanAt, l.now+int64(scanEvery)) }

// setTimer sees to it that the waiting ends for the next scan.
func (l *loop) setTimer() {
	if l.timedFor != 0 && l.timedFor <= l.scanAt || l.open == 0 && !l.anyResting() {
		return
	}
	l.timedFor = l.scanAt
	l.timer.Reset(max(time.Duration(l.scanAt-l.now), time.Millisecond))
}

func (l *loop) anyResting() bool {
	for _, e := range l.waiting {
		if e.resting {
			return true
		}
	}
	return false
}

// scan closes and hands over what is overdue.
func (l *loop) scan() {
	l.timer.Stop()
	l.timedFor = 0
	l.scanAt = l.now + int64(restEvery)
	for _, e := range l.waiting {
		if e.resting {
			e.open()
		}
	}
	t := l.p.table.Load()
	for _, s := range l.slots {
		switch who := s.who.(type) {
		case *client:
			who.expire(t)
		case *upstream:
			who.expire()
		}
	}
	for in, list := range l.idle {
		if len(list) == 0 && !in.routed.Load() {
			delete(l.idle, in)
		}
	}
}

func over(age int64, bound time.Duration) bool { return bound > 0 && age >= int64(bound) }

// expire applies the bounds that a client's connection has by itself.
func (c *client) expire(t *table) {
	age, limits := c.loop.now-c.since, c.listener.limits(t)
	if c.state != inHead || !c.isIdle() {
		c.loop.hurry()
	}
	switch c.state {
	case inHead:
		bound := limits.header
		if c.isIdle() {
			bound = limits.idle
		}
		if over(age, bound) {
			c.close()
		}
	case inBody:
		if over(age, bodyWait) {
			c.leave(nil)
		}
	case onTrip:
		if c.full && over(age, limits.body) {
			c.trip.lose("client-gone")
			return
		}
		c.trip.endIfDue()
	case parting:
		if over(age, lingerFor) {
			c.close()
		}
	}
}

// isIdle tells whether a client waits between two requests.
func (c *client) isIdle() bool { return c.state == inHead && c.in == nil && c.served }

// limits gives the bounds that t has for connections; those of connections to a
// listener that has left the table are the defaults.
func (l *listener) limits(t *table) limits {
	if v := t.listeners[l.key]; v != nil {
		return v.limits
	}
	s := Service{}.withDefaults()
	return limits{header: s.HeaderTimeout, idle: s.IdleTimeout, body: s.BodyTimeout}
}

// expire applies the bounds of a connection to an instance.
func (u *upstream) expire() {
	age := u.loop.now - u.since
	switch u.state {
	case connecting:
		if over(age, dialTimeout) {
			u.trip.handOver(&resumed{err: os.ErrDeadlineExceeded, unconnected: true})
		}
	case sending, awaiting:
		if over(age, u.trip.target.cfg.AnswerTimeout) {
			u.trip.handOver(&resumed{err: os.ErrDeadlineExceeded})
		}
	case resting:
		if age >= u.maxIdle {
			u.leaveIdle()
			u.close()
		}
	}
}
