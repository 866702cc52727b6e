package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

// cause says why an exchange is asked to end.
type cause int32

const (
	stays    cause = iota // it is not
	drained               // its instance leaves
	replaced              // the proxy does
)

// kind is what an exchange is at the moment, and with that how it ends.
type kind int32

const (
	waiting  kind = iota // the answer has not begun
	download             // an answer without seams: it can only be cut
	stream               // an answer made of events, lines or messages: ends behind one of them
	socket               // a WebSocket: ends with a Close frame
	tunnel               // another upgrade: can only be cut
	relayed              // a connection that is not HTTP: both ends are told FIN
)

// spread tells whether the clients of such exchanges come back at once, so that
// they must not all be sent away in the same moment.
func (k kind) spread() bool { return k == stream || k == socket || k == relayed }

// lasts tells of what stays open for as long as its client likes, and is no sign of
// load. (Bytes that are relayed are no requests at all.)
func (k kind) lasts() bool { return k == stream || k == socket || k == tunnel }

// farewell is the exchanges that an instance is at work on, and the time at
// which they are to end. Each is asked once, and ends in its own words.
//
// No exchange is missed: one that comes looks, under the lock, whether the
// leaving has begun, and the leaving looks at all that are there.
type farewell struct {
	clock     func() int64
	announced atomic.Bool  // there is a drained or replaced
	lasting   atomic.Int64 // exchanges that stay open

	mu       sync.Mutex
	first    *flight
	drained  leaving
	replaced leaving
	closed   leaving     // by maintenance, for writes
	reads    bool        // and for all others
	timer    *time.Timer // of the next round
	next     int64       // when that is; 0 none is set
}

// leaving is when the end was announced, and what is granted from there on.
type leaving struct {
	since  int64         // of clock; 0 not at all
	time   time.Duration // for exchanges whose route does not say otherwise
	spread time.Duration
}

// guest is what can be asked to end: an exchange, or a relay of bytes. Both
// methods are called under the farewell's lock, and do not wait.
type guest interface {
	// canMove tells whether one that has not been answered can be ended when its
	// instance leaves. One that cannot is left alone, as its instance may yet
	// answer.
	canMove() bool
	// askedToEnd sees to it that whoever works on it notices.
	askedToEnd(k kind)
}

// flight is a guest as its instance's farewell knows it. After leave it is
// not asked any more.
type flight struct {
	guest      guest
	of         *farewell
	prev, next *flight
	own        time.Duration // granted by the route; 0 by the service
	since      int64         // of clock; when it came
	kind       kind
	write      bool // it may change something; set before enter
	alone      bool // was due, and is left to end with its instance
	asked      atomic.Int32
}

// begin announces the end. Announced again it can only come sooner.
func (w *farewell) begin(why cause, l leaving) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := &w.drained
	if why == replaced {
		was = &w.replaced
	}
	if was.since == 0 {
		*was = l
	} else if left := time.Duration(l.since-was.since) + l.time; left < was.time {
		was.time = left
	}
	w.announced.Store(true)
	w.round()
}

// callOff takes a drain back: the instance stays after all.
func (w *farewell) callOff() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drained = leaving{}
	w.announced.Store(w.replaced.since != 0 || w.closed.since != 0)
	for f := w.first; f != nil; f = f.next {
		f.alone = false
	}
}

// stop ends the asking.
func (w *farewell) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.drained, w.replaced, w.closed, w.next = leaving{}, leaving{}, leaving{}, 0
}

// over tells whether the time of an instance's drain is up.
func (w *farewell) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drained.since != 0 && w.clock() >= w.drained.since+int64(w.drained.time)
}

// isDue tells whether the time of an exchange that the farewell does not know of
// is up; own is what its route grants, or 0, since is when it began, and write
// whether it may change something.
func (w *farewell) isDue(own time.Duration, since int64, write bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, why := w.due(&flight{own: own, since: since, write: write})
	return why != stays && at <= w.clock()
}

// due gives the moment at which an exchange is to be asked, and why; stays
// means not at all. One that comes late to an instance is asked at once, and
// moves on to another. One that comes late to a leaving proxy, on a connection
// that was idle, has nowhere to go: it has its time from there on.
func (w *farewell) due(f *flight) (at int64, why cause) {
	if w.drained.since != 0 && !f.alone {
		at, why = w.drained.since+w.drained.grants(f), drained
	}
	if w.closed.since != 0 && !f.alone && (w.reads || f.write) {
		if end := w.closed.since + w.closed.grants(f); why == stays || end < at {
			at, why = end, drained
		}
	}
	if w.replaced.since != 0 {
		if end := max(w.replaced.since, f.since) + w.replaced.grants(f); why == stays || end < at {
			at, why = end, replaced
		}
	}
	return at, why
}

func (l *leaving) grants(f *flight) int64 {
	if f.own != 0 {
		return int64(f.own)
	}
	return int64(l.time)
}

// Between two goodbyes to clients that come back at once is at most mostGap;
// goodbyes that would come closer than leastGap are said together.
const (
	leastGap = 10 * time.Millisecond
	mostGap  = 100 * time.Millisecond
)

// round asks who is to be asked now and sets the time of the next round; w.mu
// is held. Clients that come back at once are asked evenly over the spread, the
// first of them at once.
func (w *farewell) round() {
	now := w.clock()
	next := int64(-1)
	later := func(at int64) {
		if next < 0 || at < next {
			next = at
		}
	}
	var crowd int64
	var left time.Duration // until all of the crowd must have been asked
	for f := w.first; f != nil; f = f.next {
		at, why := w.due(f)
		switch {
		case why == stays || f.asked.Load() != 0:
		case at > now:
			later(at)
		case f.kind.spread():
			left = time.Duration(at-now) + w.spread(why)
			crowd++
		default:
			f.ask(why)
		}
	}
	if crowd > 0 {
		n, gap := pace(crowd, left)
		w.askSome(n, now)
		if n < crowd {
			later(now + int64(gap))
		}
	}
	w.wake(now, next)
}

// pace gives how many of a crowd are asked now, and the pause that follows.
func pace(crowd int64, left time.Duration) (n int64, pause time.Duration) {
	if left <= 0 {
		return crowd, 0
	}
	pause = min(max(left/time.Duration(crowd), leastGap), mostGap)
	n = (crowd*int64(pause) + int64(left) - 1) / int64(left)
	return min(n, crowd), pause
}

func (w *farewell) spread(why cause) time.Duration {
	if why == replaced {
		return w.replaced.spread
	}
	return w.drained.spread
}

// askSome asks n of those who are due and come back at once.
func (w *farewell) askSome(n, now int64) {
	for f := w.first; f != nil && n > 0; f = f.next {
		at, why := w.due(f)
		if why == stays || at > now || !f.kind.spread() || f.asked.Load() != 0 {
			continue
		}
		f.ask(why)
		n--
	}
}

// wake sets the timer for the next round.
func (w *farewell) wake(now, next int64) {
	if next < 0 {
		w.next = 0
		return
	}
	w.next = max(next, 1)
	if w.timer != nil {
		w.timer.Reset(time.Duration(next - now))
		return
	}
	w.timer = time.AfterFunc(time.Duration(next-now), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.round()
	})
}

// look sees to it that an exchange which came, or changed, while the leaving
// was under way is asked; the lock is held.
func (w *farewell) look(f *flight) {
	at, why := w.due(f)
	now := w.clock()
	switch {
	case why == stays || f.why() != stays:
	case at <= now && !f.kind.spread():
		f.ask(why)
	case w.next == 0 || at < w.next && now < w.next: // else the next round sees it
		w.wake(now, max(at, now))
	}
}

// ask asks the exchange to end; the farewell's lock is held.
func (f *flight) ask(why cause) {
	if f.kind == waiting && why == drained && !f.guest.canMove() {
		f.alone = true // its instance may yet answer, until it is stopped
		return
	}
	f.asked.Store(int32(why))
	f.guest.askedToEnd(f.kind)
}

// enter puts the exchange among those of an instance.
func (f *flight) enter(g guest, w *farewell, own time.Duration, k kind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f.guest, f.of, f.own, f.kind, f.alone, f.since = g, w, own, k, false, w.clock()
	f.asked.Store(0)
	f.prev, f.next = nil, w.first
	if w.first != nil {
		w.first.prev = f
	}
	w.first = f
	w.look(f)
}

// leave takes the exchange out.
func (f *flight) leave() {
	w := f.of
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		w.first = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
	f.prev, f.next, f.of = nil, nil, nil
	if f.kind.lasts() {
		w.lasting.Add(-1)
	}
}

// become tells what the exchange is from now on; set, which may be nil, runs
// under the lock that askedToEnd runs under. It gives why the exchange was asked
// to end before that, if it was: it is then what it was, and ends as that.
func (f *flight) become(k kind, set func()) cause {
	w := f.of
	w.mu.Lock()
	defer w.mu.Unlock()
	if why := f.why(); why != stays {
		return why
	}
	if k.lasts() && !f.kind.lasts() {
		w.lasting.Add(1)
	}
	f.kind = k
	f.alone = f.alone && !k.spread()
	if set != nil {
		set()
	}
	w.look(f)
	return stays
}

// why gives the cause for which the exchange was asked to end.
func (f *flight) why() cause { return cause(f.asked.Load()) }
