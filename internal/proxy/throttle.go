package proxy

import (
	"math"
	"time"
)

// throttle turns the dial of a service by how its load compares to its bounds: it is the
// whole rule, and knows neither clocks nor requests.
//
// Pressure is the load divided by its bound. The dial goes up while pressure is
// above 1, by more the higher it is; it stays between calmBelow and 1; and it goes
// down, slowly, when pressure has been below that for calmFor. So it does not flap:
// what is let in again has to push the load up by a third before anybody is turned
// away anew. What it goes by:
//
//   - That the least important is refused first, and wholly before the next rank is
//     touched: Site Reliability Engineering, chapter 21 ("Handling Overload").
//   - Requests in flight as the first sign of overload, since by Little's law they grow
//     before anything else does: Netflix, "Performance Under Load" (2018), and its
//     prioritized load shedding (2020), which has the load shed grow with the excess.
//   - A queue that shrinks is no overload any more, however long it still is: CoDel
//     (RFC 8289) makes the same difference between a standing queue and one that drains.
type throttle struct {
	dial float64 // in points: pointsRank for each rank

	last, before float64 // of the pressure in flight, one and two steps ago
	smooth       float64 // the same over smoothFor, from above 0
	p95, errors  float64 // of the last window
	calm         time.Duration
	stood        time.Duration // at the end of a rank
}

const (
	pointsRank = 100.0
	pointsMost = pointsRank * float64(sheddable)

	shedEvery = 50 * time.Millisecond // a step

	calmBelow = 0.7
	calmFor   = 2 * time.Second
	smoothFor = time.Second
	// fall is in points a second: five seconds for a rank.
	fall = 20.0
	// standFor is what the end of a rank is given to take effect, before the next is
	// touched: requests that are in already have to be answered first.
	standFor = 500 * time.Millisecond
)

// reading is what a step looks at.
type reading struct {
	inflight float64  // pressure, now
	p95      *float64 // pressure of a window that has just ended; nil: none has
	errors   *float64
	idle     bool // nothing of the rank that the dial has left behind came to be turned away
}

// step turns the dial after some time, and gives where it stands.
func (c *throttle) step(r reading, took time.Duration) float64 {
	up := max(c.inflightUp(r.inflight), windowUp(&c.p95, r.p95), windowUp(&c.errors, r.errors))
	c.before, c.last = c.last, r.inflight
	c.smooth += (r.inflight - c.smooth) * min(float64(took)/float64(smoothFor), 1)
	if max(c.smooth, c.p95, c.errors) < calmBelow {
		c.calm += took
	} else {
		c.calm = 0
	}
	switch {
	case up > 0:
		c.rise(up, r.idle, took)
	case c.calm >= calmFor:
		c.dial, c.stood = max(c.dial-fall*took.Seconds(), 0), 0
	default:
		c.stood += took
	}
	return c.dial
}

// inflightUp is by how much the requests in flight want the dial turned up: not for
// one high reading alone, and not while they become fewer.
func (c *throttle) inflightUp(now float64) float64 {
	if now <= 1 || c.last <= 1 || now < c.before {
		return 0
	}
	return min(max(25*(now-1), 2), 25)
}

// windowUp takes in a window's pressure, and says likewise.
func windowUp(kept, now *float64) float64 {
	if now == nil {
		return 0
	}
	was := *kept
	*kept = *now
	if *now <= 1 || *now < 0.9*was {
		return 0
	}
	return min(max(60*(*now-1), 5), 30)
}

// rise turns the dial up to the end of its rank, and beyond when it has stood there
// for long enough, or in vain.
func (c *throttle) rise(by float64, idle bool, took time.Duration) {
	c.stood += took
	atEnd := c.dial > 0 && math.Mod(c.dial, pointsRank) == 0
	if atEnd && !idle && c.stood < standFor {
		return
	}
	end := (math.Floor(c.dial/pointsRank) + 1) * pointsRank
	if next := min(c.dial+by, end, pointsMost); next > c.dial {
		c.dial, c.stood = next, 0
	}
}
