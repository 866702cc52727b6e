package proxy

import "time"

// Outlier puts an instance aside that fails again and again while others do
// not, and gives it another chance later.
type Outlier struct {
	Failures int           `json:"failures"` // in a row; 5
	For      time.Duration `json:"for"`      // how long aside, times the number of the ejection, up to 10; 30 s
	Most     int           `json:"most"`     // percent of the service's instances that may be aside at once; 50
	Errors   bool          `json:"errors"`   // an answer of 500 or above is a failure, too
}

// mostEjections bounds what For is multiplied with. It is also how many times
// For an instance must have stayed in to be taken for a good one again.
const mostEjections = 10

func (o *Outlier) withDefaults() *Outlier {
	if o == nil {
		return nil
	}
	c := *o
	orDefault(&c.Failures, 5)
	orDefault(&c.For, 30*time.Second)
	orDefault(&c.Most, 50)
	return &c
}

// failed counts a failure of the instance that the exchange is with.
func (x *exchange) failed() {
	if x.began {
		x.in.stats.users.cut(x.status)
	} else {
		x.in.stats.users.unanswered()
	}
	x.missed()
}

// missed counts that the instance was of no use, whose fault it may be.
func (x *exchange) missed() {
	x.in.failures.Add(1)
	x.p.strike(x.in, x.target)
}

// judge takes in the end of an exchange that the instance has answered.
func (x *exchange) judge() {
	o := x.target.cfg.Outlier
	switch {
	case o == nil || !x.began || x.word != "": // a failure was counted where it came up
	case o.Errors && x.status >= 500:
		x.p.strike(x.in, x.target)
	case x.in.strikes.Load() != 0:
		x.in.strikes.Store(0)
	}
}

// strike counts one failure in a row, and ejects the instance for one too many.
// Those of requests that were in flight at its ejection do not count.
func (p *proxy) strike(in *instance, t *target) {
	o, now := t.cfg.Outlier, p.clock()
	if o == nil || in.outUntil.Load() > now || int(in.strikes.Add(1)) < o.Failures {
		return
	}
	t.service.ejecting.Lock()
	defer t.service.ejecting.Unlock()
	if in.outUntil.Load() > now || !t.maySpare(o.Most, now) {
		return
	}
	if now-in.outUntil.Load() > int64(mostEjections*o.For) {
		in.ejections = 0
	}
	in.ejections = min(in.ejections+1, mostEjections)
	d := o.For * time.Duration(in.ejections)
	in.strikes.Store(0)
	in.outUntil.Store(now + int64(d))
	p.log.Warn("an instance is put aside: it fails again and again", "service", t.name, "instance", in.ID, "failures", o.Failures, "for", d)
}

// maySpare tells whether one more instance may be ejected.
func (t *target) maySpare(most int, now int64) bool {
	out := 1
	for _, in := range t.instances {
		if in.outUntil.Load() > now {
			out++
		}
	}
	return out*100 <= most*len(t.instances)
}
