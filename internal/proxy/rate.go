package proxy

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Rate bounds the requests of each client: so many within Per, evenly spread,
// and Burst at once after a rest. Those beyond are answered 429 and do not
// count. A client is an address, for IPv6 a /64; behind trusted forwarders it is
// the one that they name in X-Forwarded-For.
type Rate struct {
	Requests int           `json:"requests"`        // at least 1
	Per      time.Duration `json:"per,omitempty"`   // 1 s
	Burst    int           `json:"burst,omitempty"` // as many as Requests
}

func (r *Rate) withDefaults() *Rate {
	if r == nil {
		return nil
	}
	c := *r
	orDefault(&c.Per, time.Second)
	orDefault(&c.Burst, c.Requests)
	return &c
}

// clientsKept bounds the memory of a limiter. Whoever has been idle for longest
// is forgotten first, and may then send a burst again.
const clientsKept = 100_000

// limiter is the generic cell rate algorithm (ITU-T I.371) for many clients. Of
// each it keeps one number: when, at an even pace, its next request would be due.
type limiter struct {
	shards [shardCount]limiterShard
}

const shardCount = 16

// limiterShard keeps its clients in two generations. When the young one is
// full it becomes the old one, and who is still in that has been idle: neither
// a list to keep in order nor a sweep is needed.
type limiterShard struct {
	mu         sync.Mutex
	young, old map[netip.Addr]int64
}

var limiterSeed = maphash.MakeSeed()

// take counts a request at a time of clock. It is 0 when the client may send
// it, else how long until it may.
func (l *limiter) take(client netip.Addr, now int64, r *Rate) time.Duration {
	step := max(int64(r.Per)/int64(r.Requests), 1)
	s := &l.shards[maphash.Comparable(limiterSeed, client)%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	due := max(s.due(client), now)
	if over := due + step - now - step*int64(r.Burst); over > 0 {
		s.young[client] = due
		return time.Duration(over)
	}
	s.young[client] = due + step
	return 0
}

// due gives what is kept of a client, and makes room for it among the young.
func (s *limiterShard) due(client netip.Addr) int64 {
	due, known := s.young[client]
	if known {
		return due
	}
	due = s.old[client]
	if s.young == nil || len(s.young) >= clientsKept/2/shardCount {
		s.old, s.young = s.young, map[netip.Addr]int64{}
	}
	return due
}

// withinRate counts the request, and refuses it if its client has sent too many.
func (x *exchange) withinRate() bool {
	r := x.target.cfg.Rate
	if r == nil {
		return true
	}
	wait := x.target.service.rates.take(network(x.client()), x.start, r)
	if wait == 0 {
		return true
	}
	f := refuseRate
	f.retry = seconds(wait)
	x.refuse(f)
	return false
}

// network is what counts as one client: of IPv6 each has at least a /64.
func network(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is6() {
		p, _ := a.WithZone("").Prefix(64) // always in range
		return p.Addr()
	}
	return a
}

// client is the address that the request comes from: the peer's or, as far as
// everybody from there to here is trusted, the one that was forwarded.
func (x *exchange) client() netip.Addr {
	addr := x.conn.sender.addr
	for hop := range forwardedFor(x.r.Header) {
		if !x.target.trusts(addr) {
			break
		}
		next := parseHop(hop)
		if !next.IsValid() {
			break
		}
		addr = next
	}
	return addr
}

func (t *target) trusts(a netip.Addr) bool {
	for _, p := range t.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwardedFor gives the entries of X-Forwarded-For, the last one first.
func forwardedFor(h http.Header) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		lines := h["X-Forwarded-For"]
		for i := len(lines) - 1; i >= 0; i-- {
			for rest, more := lines[i], true; more; {
				hop := rest
				cut := strings.LastIndexByte(rest, ',')
				if more = cut >= 0; more {
					rest, hop = rest[:cut], rest[cut+1:]
				}
				if !yield(strings.Trim(hop, " \t")) {
					return
				}
			}
		}
	}
}

// parseHop reads an entry of X-Forwarded-For, with a port or without.
func parseHop(s string) netip.Addr {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap().WithZone("")
	}
	a, _ := netip.ParseAddrPort(s) // the zero address when it is none
	return a.Addr().Unmap().WithZone("")
}
