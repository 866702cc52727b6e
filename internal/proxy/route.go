package proxy

import (
	"net/netip"
	"strings"
	"time"
)

// table is one Config made ready for lookups. It never changes once it is
// stored; the services, instances and counters it points to live on from
// table to table.
type table struct {
	config    Config
	targets   map[string]*target // by service name
	instances map[string]*instance
	listeners map[string]*vhosts
}

// target is a service as one table sees it: who may be chosen, by which bounds.
type target struct {
	*service
	cfg       Service // with defaults filled in
	trusted   []netip.Prefix
	instances []*instance
	mixed     bool          // some instances speak another protocol than the service's
	drain     time.Duration // by the route that selected it; 0 by the service

	hasOwn bool   // the proxy itself answers some of its requests
	flags  *flags // nil: none

	plain       bool // an event loop may serve it: nothing in cfg needs the general path
	acceptProxy []netip.Prefix

	division *division // by releases; nil none
	ranking  ranking   // of paths, for Shedding

	tokens map[string]*instance // by what a sticky client's cookie says

	crews map[string][]*instance // by release: those that a page can stay with; nil without Skew
	news  news                   // what pages are told

	pausedUntil int64 // of clock; in the past when there is no pause
	opensAt     int64 // of clock, when maintenance ends by itself; 0 it does not
}

// isPlain tells whether the service's exchanges need nothing but forwarding.
func (t *target) isPlain() bool {
	c := &t.cfg
	return !t.mixed && c.Protocol == HTTP1 && c.Outlier == nil && c.Rate == nil && c.Sticky == nil && c.Mirror == nil &&
		t.division.plain()
}

// vhosts are the routes of one listener.
type vhosts struct {
	exact     map[string]*paths
	wildcards map[string]*paths // by the suffix behind "*."
	any       *paths
	bytes     *target // gets every connection as it is; nil: they speak HTTP
	tls       bool
	pages     map[int]string // for requests that no route takes
	limits    limits
	goodbye   time.Duration // after which idle connections are hung up when the proxy leaves; never

	acceptProxy []netip.Prefix // peers whose connections begin with a PROXY header
}

// limits are those that a connection has before its service is known.
type limits struct {
	header, idle time.Duration
	body         time.Duration // a client that does not take an answer
	head         int64         // bytes of a request's header
}

// paths maps a prefix, without its last slash, to a target. A lookup costs one
// map access for each segment of the path, up to the deepest prefix there is,
// whatever the number of routes.
type paths struct {
	prefix map[string]*target
	depth  int // segments of the deepest prefix
}

// fast tells whether the fast path may have the listener's connections: they
// begin with HTTP, in plaintext.
func (v *vhosts) fast() bool { return !v.tls && v.bytes == nil && len(v.acceptProxy) == 0 }

func (v *vhosts) add(r Route, t *target) {
	host := strings.ToLower(strings.TrimSuffix(r.Host, "."))
	var p *paths
	switch suffix, wild := strings.CutPrefix(host, "*."); {
	case host == "" || host == "*":
		if v.any == nil {
			v.any = newPaths()
		}
		p = v.any
	case wild:
		p = entry(v.wildcards, suffix)
	default:
		p = entry(v.exact, host)
	}
	p.add(r.Path, t)
}

func newPaths() *paths { return &paths{prefix: map[string]*target{}} }

func entry(m map[string]*paths, k string) *paths {
	if m[k] == nil {
		m[k] = newPaths()
	}
	return m[k]
}

func (p *paths) add(prefix string, t *target) {
	prefix = strings.TrimRight(prefix, "/")
	if _, taken := p.prefix[prefix]; !taken { // the first in the table wins
		p.prefix[prefix] = t
	}
	p.depth = max(p.depth, strings.Count(prefix, "/"))
}

// match gives the target for a request, or nil.
func (v *vhosts) match(host, path string) *target {
	if len(v.exact) > 0 || len(v.wildcards) > 0 {
		host = normalHost(host)
		if t := v.exact[host].match(path); t != nil {
			return t
		}
		for rest := host; len(v.wildcards) > 0; {
			_, suffix, ok := strings.Cut(rest, ".")
			if !ok {
				break
			}
			if t := v.wildcards[suffix].match(path); t != nil {
				return t
			}
			rest = suffix
		}
	}
	return v.any.match(path)
}

func (p *paths) match(path string) *target {
	if p == nil {
		return nil
	}
	if p.depth == 0 {
		return p.prefix[""]
	}
	end := prefixEnd(path, p.depth)
	for {
		if t := p.prefix[path[:end]]; t != nil || end == 0 {
			return t
		}
		end = max(strings.LastIndexByte(path[:end], '/'), 0)
	}
}

// prefixEnd gives the length of path's first n segments.
func prefixEnd(path string, n int) int {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			if n--; n == 0 {
				return i
			}
		}
	}
	if len(path) > 0 && path[0] != '/' { // "*" of OPTIONS
		return 0
	}
	return len(path)
}

// normalHost strips port and final dot from a Host header and lowers its case.
func normalHost(h string) string {
	if i := strings.LastIndexByte(h, ':'); i >= 0 && strings.IndexByte(h[i:], ']') < 0 {
		h = h[:i]
	}
	h = strings.TrimSuffix(h, ".")
	for i := 0; i < len(h); i++ {
		if 'A' <= h[i] && h[i] <= 'Z' {
			return strings.ToLower(h)
		}
	}
	return h
}
