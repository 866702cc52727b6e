package proxy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// goodbyeTime is how long goodbyes may take once they were all said: the rest
// of an event or a frame, and the client's answer to a Close frame.
const goodbyeTime = closeWait + afterClose

// known gives every instance, routed or not; p.mu is held.
func (p *proxy) known() []*instance {
	return slices.AppendSeq(slices.Clone(p.retired), maps.Values(p.table.Load().instances))
}

// drainInstance announces the end of an instance's exchanges.
func (p *proxy) drainInstance(id string, timeout time.Duration) error {
	for _, in := range p.find(id) {
		if in.routed.Load() {
			return fmt.Errorf("instance %s is still routed: apply a table without it first", in.ID)
		}
		l := leaving{since: max(p.clock(), 1), time: timeout, spread: 5 * time.Second}
		if tg := p.table.Load().targets[in.service.name]; tg != nil {
			l.spread = tg.cfg.DrainSpread
		}
		in.farewell.begin(drained, l)
	}
	return nil
}

// sayLastCall announces the end of all exchanges, as the proxy leaves. It gives
// the longest time that any has, and what the goodbyes are spread over.
func (p *proxy) sayLastCall() (longest, spread time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leftAt = max(p.clock(), 1)
	targets := p.table.Load().targets
	for _, tg := range targets {
		l := p.lastCall(tg)
		longest, spread = max(longest, l.time), max(spread, l.spread)
		for _, r := range tg.cfg.Routes {
			longest = max(longest, r.DrainTimeout)
		}
	}
	for _, in := range p.known() {
		if tg := targets[in.service.name]; tg != nil {
			in.farewell.begin(replaced, p.lastCall(tg))
		} else {
			in.farewell.begin(replaced, leaving{since: p.leftAt, time: p.drainTimeout})
			longest = max(longest, p.drainTimeout)
		}
	}
	return longest, spread
}

// lastCall is the end of a service's exchanges when the proxy leaves; while it is
// paused, its time has not begun. p.mu is held.
func (p *proxy) lastCall(tg *target) leaving {
	timeout := max(cmp.Or(tg.cfg.DrainTimeout, p.drainTimeout), 0)
	return leaving{since: max(p.leftAt, tg.pausedUntil), time: timeout, spread: tg.cfg.DrainSpread}
}
