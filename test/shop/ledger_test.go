package shop_test

import (
	"fmt"
	"sync"
	"time"
)

// A ledger is what users know of what they did, against which the shop is held.
type ledger struct {
	mu       sync.Mutex
	requests int               // that were answered as they should
	again    int               // that a process which was killed had in hand: asked again
	lost     []string          // requests, otherwise than that
	loggedIn int               // users
	logins   []string          // that were lost
	packed   map[string]string // shipment → who was told that he has packed it
	unsure   map[string]string // shipment → user whose attempt to pack it was cut off, and asked again
	twice    []string          // shipments that two were told so of
	prices   map[string][]price
	stale    []string // answers that were older than they may be
	faults   []window
}

// A price that was set, and that everybody was told of.
type price struct {
	cents       int
	asked, done time.Time
}

// A window is the time after a process was killed, in which what it had in hand may
// fail.
type window struct{ from, to time.Time }

// lag is how old an answer may be: a cache that is cut off from the store, on a busy
// machine.
const lag = 12 * time.Second

func newLedger() *ledger {
	return &ledger{packed: map[string]string{}, unsure: map[string]string{}, prices: map[string][]price{}}
}

// fault opens the window of a kill.
func (l *ledger) fault(lasts time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, window{time.Now(), time.Now().Add(lasts)})
}

// excused reports whether a request of this time may have been in hand of who was
// killed.
func (l *ledger) excused(began time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, f := range l.faults {
		if began.Before(f.to) && now.After(f.from) {
			l.again++
			return true
		}
	}
	return false
}

func (l *ledger) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
}

// note writes one line of what went wrong.
func (l *ledger) note(where *[]string, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*where = append(*where, time.Now().Format(clock)+" "+fmt.Sprintf(format, args...))
}

// pack says that a user was told that he has packed a shipment.
func (l *ledger) pack(id, user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, ok := l.packed[id]; ok && other != user {
		l.twice = append(l.twice, fmt.Sprintf("%s by %s and %s", id, other, user))
	}
	l.packed[id] = user
}

// cutOff says that a user does not know what has become of his attempt. It may go on
// while he asks again, so that he is told that somebody is at it: he himself.
func (l *ledger) cutOff(id, user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsure[id] = user
}

// reprice says that a price was set, greater than the one before.
func (l *ledger) reprice(product string, p price) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prices[product] = append(l.prices[product], p)
}

// saw judges a price that was answered to a request of this time.
func (l *ledger) saw(product string, cents int, asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.prices[product] {
		if p.cents > cents && p.done.Add(lag).Before(asked) {
			l.stale = append(l.stale, fmt.Sprintf("%s %s: %d, which was %d since %s", asked.Format(clock), product, cents, p.cents, p.done.Format(clock)))
			return
		}
	}
}
