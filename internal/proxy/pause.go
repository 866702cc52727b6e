package proxy

import "time"

// Pause keeps a service's requests away from its instances: they are parked,
// in order of arrival, until it is over. What is in flight when it begins goes
// on. It ends by itself, so that an agent that died in the middle parks nobody
// for ever.
type Pause struct {
	Until time.Time `json:"until"`         // its end
	Max   int       `json:"max,omitempty"` // requests that may be parked at once; 0 is the service's HoldMax
}

// paused tells how long the service's pause still lasts; 0 when there is none.
func (t *target) paused(now int64) time.Duration {
	return time.Duration(max(t.pausedUntil-now, 0))
}

// pause puts the configured one into the table's own time.
func (t *target) pause(now int64) {
	if c := t.cfg.Paused; c != nil {
		t.pausedUntil = now + int64(time.Until(c.Until))
	}
}

// longestPause tells how long the last of the services that are paused still
// is, or how long maintenance may hold a request: what is parked in a proxy that
// leaves is to be answered from there.
func (p *proxy) longestPause() (left time.Duration) {
	for _, t := range p.table.Load().targets {
		left = max(left, t.paused(p.clock()))
		if m := t.cfg.Maintenance; m != nil {
			left = max(left, m.Hold)
		}
	}
	return left
}

// patience tells how long a request may wait now: for the end of maintenance or
// of the pause, or else for an instance. The time for that begins when the others
// are over.
func (t *target) patience(now int64, w *wish, so *waits) time.Duration {
	if t.closed(now, w.write) {
		so.deadline = 0
		return t.closedStill(now, so)
	}
	if left := t.paused(now); left > 0 {
		so.deadline = 0
		return left
	}
	if so.deadline == 0 {
		so.deadline = now + int64(t.cfg.HoldTimeout)
	}
	return time.Duration(so.deadline - now)
}

// room tells how many requests may wait now.
func (t *target) room(now int64) int {
	if c := t.cfg.Paused; c != nil && c.Max > 0 && t.paused(now) > 0 {
		return c.Max
	}
	return t.cfg.HoldMax
}

// holdFull is the refusal of a request that finds no room to wait.
func (t *target) holdFull(now int64) refusal {
	f := refuseHoldFull
	if left := t.paused(now); left > 0 {
		f.text = "The service is paused and too many requests wait for it."
		f.retry = seconds(left)
	}
	return f
}

// seconds rounds up, as Retry-After wants it (RFC 9110 §10.2.3).
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }
