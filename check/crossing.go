package check

import (
	"context"
	"slices"
	"time"

	"golang.org/x/net/http2"
)

const (
	// farAway is the round trip of a client in another country, or on a phone:
	// what it sends for so long after the server's goodbye was on its way.
	farAway     = 100 * time.Millisecond
	betweenAsk2 = 10 * time.Millisecond // of a client with many streams
)

// mustCross makes sure that requests of askOn cross whatever the server says
// before they have all been sent, on a connection that is distant.
func (c *conn2) mustCross() { c.crossing(leastCrossing) }

func (c *conn2) crossing(frames int) {
	if d, ok := c.Conn.(*distant); ok {
		d.mustCross(frames)
	}
}

// askOn asks again and again, without waiting for answers, until the client
// knows that the server is leaving, or ctx ends.
func (c *conn2) askOn(ctx context.Context, ask func() (*stream2, error)) []*stream2 {
	var asked []*stream2
	defer c.crossing(0)
	tick := time.NewTicker(betweenAsk2)
	defer tick.Stop()
	for {
		st, err := ask()
		if st != nil {
			asked = append(asked, st)
		}
		if err == errTold {
			return asked
		}
		select { // a write that failed is not knowledge: the reader will have it
		case <-tick.C:
		case <-ctx.Done():
			return asked
		}
	}
}

// A fate is what became of a request, as its client sees it.
type fate string

const (
	fateAnswered fate = "answered"
	fateRefused  fate = "refused"  // answered otherwise than on an ordinary day
	fateDisowned fate = "disowned" // it was not worked on: it may be repeated, whatever it is
	fateLost     fate = "lost"     // nobody knows
)

// fates waits until each request's fate is settled, for as long as ctx lasts,
// and counts them. right judges a whole answer.
func (c *conn2) fates(ctx context.Context, asked []*stream2, right func(*stream2) bool) map[fate]int {
	count := map[fate]int{}
	for _, st := range asked {
		_ = c.wait(ctx, func() bool { return st.over || st.reset || c.disowned(st) }) // if it does not come to be, that is its fate
		count[c.fate(st, right)]++
	}
	return count
}

func (c *conn2) fate(st *stream2, right func(*stream2) bool) fate {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case st.over && right(st):
		return fateAnswered
	case st.over:
		return fateRefused
	case c.disowned(st):
		return fateDisowned
	default:
		return fateLost
	}
}

// right2 is right for an answer over HTTP/2.
func (s *Stage) right2(st *stream2) bool { return s.right(answer{ending: whole, status: st.status}) }

// disowned reports whether the server has said that it has not worked on the
// request and will not (RFC 9113 §6.8, §8.7). c.mu is held.
func (c *conn2) disowned(st *stream2) bool {
	if st.reset && st.code == http2.ErrCodeRefusedStream {
		return true
	}
	return slices.ContainsFunc(c.goaways, func(g goAway) bool { return st.id > g.last })
}
