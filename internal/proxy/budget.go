package proxy

import "sync"

// Retry bounds how many requests are sent again because a connection ended
// without an answer, so that a fleet that is going down is not given twice its
// load: the idea is Finagle's and Envoy's retry budget.
//
// What was in flight to an instance at its first failure is not charged, once in
// ten seconds: the death of one instance must lose nothing, however slow its
// requests are and however few. Nor is a connection that could not be opened. Nothing was sent, so no instance has had any work of it; and one that refuses is
// put aside after each refusal, so that the number of tries does not grow with
// that of the requests.
type Retry struct {
	Budget int `json:"budget"` // repeats in percent of the service's requests of the last 10 s; 0: nothing is repeated
	Least  int `json:"least"`  // repeats a second that are in the budget however few the requests are
}

// defaultRetry is for a service that says nothing.
var defaultRetry = Retry{Budget: 20, Least: 10}

// budgetSeconds is how far back a budget looks.
const budgetSeconds = 10

// budget counts the repeats of a service by the second. Its requests are
// counted elsewhere anyway; it notes how many they were as each second began.
type budget struct {
	mu     sync.Mutex
	second int64 // the newest
	before [budgetSeconds]int64
	spent  [budgetSeconds]int
}

// turn begins the seconds up to now; requests is the service's count.
func (b *budget) turn(second, requests int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turnLocked(second, requests)
}

func (b *budget) turnLocked(second, requests int64) {
	for s := max(b.second+1, second-budgetSeconds+1); s <= second; s++ {
		b.before[s%budgetSeconds], b.spent[s%budgetSeconds] = requests, 0
		b.second = s
	}
}

// grace is what an instance's failures cost nothing; its budget's lock guards it.
type grace struct {
	until int64 // the second in which another begins
	left  int64
}

// take takes one repeat out of the grace that began with inflight of them.
func (g *grace) take(second, inflight int64) bool {
	if second >= g.until {
		g.until, g.left = second+budgetSeconds, inflight
	}
	g.left--
	return g.left >= 0
}

// spend takes one repeat out of the grace of the instance that has failed, to
// which so many requests are in flight, or out of the budget, if there is one
// left.
func (b *budget) spend(second, requests int64, r Retry, g *grace, inflight int64) bool {
	if r.Budget <= 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if g.take(second, inflight) {
		return true
	}
	b.turnLocked(second, requests)
	recent := requests - b.before[(b.second+1)%budgetSeconds]
	spent := 0
	for _, n := range b.spent {
		spent += n
	}
	if int64(spent) >= recent*int64(r.Budget)/100+int64(r.Least)*budgetSeconds {
		return false
	}
	b.spent[b.second%budgetSeconds]++
	return true
}

// second is the number of a time's second, of clock.
func second(now int64) int64 { return now / 1e9 }

// spendRepeat takes a repeat out of the service's budget; without one left it
// refuses the request.
func (x *exchange) spendRepeat() bool {
	retry := defaultRetry
	if r := x.target.cfg.Retry; r != nil {
		retry = *r
	}
	s := x.target.service
	if s.budget.spend(second(x.p.clock()), s.requests.Load(), retry, &x.in.grace, x.in.inflight.Load()) {
		x.repeats++
		return true
	}
	x.failed()
	x.refuse(refuseBudget)
	return false
}
