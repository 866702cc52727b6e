package proxy

import (
	"math/rand/v2"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/proxy/wire"
)

// lots is how finely a Split divides: to the hundredth of a percent.
const lots = 10_000

func drawLot() uint32 { return rand.Uint32N(lots) }

// lotOf is the number of an address. It must come out the same in every proxy.
// Services are told apart, or the same clients would try every new release.
func lotOf(service string, client netip.Addr) uint32 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a, 64 bits
	h := uint64(offset)
	for i := range len(service) {
		h = (h ^ uint64(service[i])) * prime
	}
	for _, b := range network(client).As16() {
		h = (h ^ uint64(b)) * prime
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd // as MurmurHash3 ends: neighbours are not to be neighbours
	return uint32((h ^ h>>33) % lots)
}

// division is a Split as one table uses it.
type division struct {
	split   Split
	matches []match
	parts   []part // the releases that have a share, in the order of their lots
	others  []part // the same, those with the largest share first
	reads   bool   // a request's header must be looked at
}

// part is a release and those of its instances that are in the table.
type part struct {
	release string
	weight  int
	end     uint32 // of its lots, not included
	crew    []*instance
}

// match is a SplitMatch and the instances it leads to.
type match struct {
	SplitMatch
	crew []*instance
}

// divide makes a table's division of a service's instances; nil without a Split.
func divide(s *Split, instances []*instance) *division {
	if s == nil {
		return nil
	}
	d := &division{split: *s}
	crew := func(release string) (out []*instance) {
		for _, in := range instances {
			if in.Release == release {
				out = append(out, in)
			}
		}
		return out
	}
	sum := s.weight()
	passed := 0
	for _, share := range slices.Backward(s.Shares) {
		if share.Weight > 0 {
			passed += share.Weight
			end := (passed*lots + sum/2) / sum
			d.parts = append(d.parts, part{share.Release, share.Weight, uint32(end), crew(share.Release)})
		}
	}
	d.others = slices.SortedStableFunc(slices.Values(d.parts), func(a, b part) int { return b.weight - a.weight })
	for _, m := range s.Matches {
		m.Header = textproto.CanonicalMIMEHeaderKey(m.Header)
		d.matches = append(d.matches, match{m, crew(m.Release)})
		d.reads = d.reads || m.Header != "" || m.Cookie != ""
	}
	return d
}

// plain tells whether an event loop can divide: it sets no cookies. Of requests
// that notices tells of, it takes none.
func (d *division) plain() bool { return d == nil || !d.split.setsCookie() }

// side gives the instances of the release that a request is to go to; only
// keeps it from others.
func (d *division) side(w *wish) (release string, crew []*instance, only bool) {
	for i := range d.matches {
		if m := &d.matches[i]; m.takes(w) {
			return m.Release, m.crew, m.Only
		}
	}
	p := &d.parts[0]
	for i := 1; w.lot >= p.end; i++ {
		p = &d.parts[i]
	}
	return p.release, p.crew, false
}

// takes tells whether a request is the match's.
func (m *SplitMatch) takes(w *wish) bool {
	if m.Listen != "" && m.Listen != w.listen {
		return false
	}
	if m.Header != "" && !m.isOf(slices.Values(w.header[m.Header])) {
		return false
	}
	return m.Cookie == "" || m.isOf(cookies(w.header, m.Cookie))
}

func (m *SplitMatch) isOf(values func(yield func(string) bool)) bool {
	for v := range values {
		if m.Value == "" || v == m.Value {
			return true
		}
	}
	return false
}

// choose takes one of the release that the request is to go to. Where that has
// none that is well and was not tried, another release with a share has its turn;
// one of the first is still better than one that is as bad of another.
func (t *target) choose(w *wish, now int64, tried []*instance) *instance {
	if w.stay != "" {
		if in := t.stayWith(w, now, tried); in != nil {
			return in
		}
	}
	d := t.division
	if d == nil {
		if in := t.favourite(w.token, now, tried); in != nil {
			return in
		}
		return t.pick(now, tried)
	}
	release, crew, only := d.side(w)
	if in := t.favourite(w.token, now, tried); in != nil && in.Release == release {
		return in
	}
	found := pick(crew, now, tried)
	if found.best != nil || only {
		return found.any()
	}
	for i := range d.others {
		if p := &d.others[i]; p.release != release {
			found = found.or(pick(p.crew, now, tried))
		}
	}
	return found.any()
}

// hasAny tells whether a request may find an instance without a new table.
func (t *target) hasAny(w *wish) bool {
	d := t.division
	if d == nil {
		return len(t.instances) > 0
	}
	_, crew, only := d.side(w)
	return len(crew) > 0 || !only && slices.ContainsFunc(d.parts, func(p part) bool { return len(p.crew) > 0 })
}

// lotFor is the lot of a request on an event loop.
func (t *target) lotFor(s *sender) uint32 {
	switch {
	case t.division == nil:
		return 0
	case t.division.split.Address:
		return lotOf(t.name, s.addr)
	}
	return drawLot()
}

// notices tells whether it takes a look into a request to divide it: it has what
// a match may ask for, or its sender speaks for others. It may err on that side.
func (t *target) notices(r *wire.Request, s *sender) bool {
	d := t.division
	if d == nil || !d.reads && !d.split.Address {
		return false
	}
	if d.split.Address && s.isTrusted(t) {
		return true
	}
	for i := range r.Fields {
		name := view(r.Fields[i].Name)
		for j := range d.matches {
			m := &d.matches[j]
			if m.Header != "" && strings.EqualFold(name, m.Header) ||
				m.Cookie != "" && strings.EqualFold(name, "Cookie") && strings.Contains(view(r.Fields[i].Value), m.Cookie) {
				return true
			}
		}
	}
	return false
}

// draw takes the split's cookie off the request, as it is between client and
// proxy, and gives the request its lot: the one that the client has, or a new one.
func (x *exchange) draw() {
	x.wish.lot = drawLot()
	s := x.target.cfg.Split
	switch {
	case s == nil:
	case s.Address:
		x.wish.lot = lotOf(x.target.name, x.client())
	case s.setsCookie():
		lot, ok := parseLot(takeCookie(x.r.Header, s.Cookie))
		if ok {
			x.wish.lot = lot
		}
		x.newLot = !ok
	}
}

// parseLot reads a number as draw has it written: decimal, without anything else.
func parseLot(s string) (lot uint32, ok bool) {
	if len(s) == 0 || len(s) > 4 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		lot = lot*10 + uint32(s[i]-'0')
	}
	return lot, true
}
