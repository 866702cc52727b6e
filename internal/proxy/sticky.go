package proxy

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Sticky keeps a client with the instance that answered it first, by a cookie.
// When that instance leaves the table, or is put aside, the client is given to
// another and gets its cookie.
type Sticky struct {
	Cookie string        `json:"cookie"`        // its name, a token (RFC 6265 §4.1.1)
	TTL    time.Duration `json:"ttl,omitempty"` // counted from its setting, to the second; 0: until the browser ends
}

// tokenOf is what a cookie says of an instance. It must come out the same in
// every proxy of the service, without a secret shared among them: so it is a
// hash. Whoever makes one up can choose among the instances that serve anyway,
// as somebody could who collects cookies, and learns nothing from it.
func tokenOf(service, id string) string {
	sum := sha256.Sum256([]byte("segue sticky\x00" + service + "\x00" + id))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// favourite gives the instance that a token stands for, if it may be chosen.
func (t *target) favourite(token string, now int64, tried []*instance) *instance {
	if token == "" || t.cfg.Sticky == nil {
		return nil
	}
	in := t.tokens[token]
	if in == nil || in.asideUntil.Load() > now || in.outUntil.Load() > now || slices.Contains(tried, in) {
		return nil
	}
	return in
}

// unstick takes the cookie off the request: it is between client and proxy.
func (x *exchange) unstick() {
	if s := x.target.cfg.Sticky; s != nil {
		x.wish.token = takeCookie(x.r.Header, s.Cookie)
	}
}

// stick gives the client the cookie of the instance that answers, and that of its
// lot, unless it has them.
func (x *exchange) stick(h http.Header) {
	if s := x.target.cfg.Sticky; s != nil && x.wish.token != x.in.token {
		x.setCookie(h, s.Cookie, x.in.token, s.TTL)
	}
	if s := x.target.cfg.Split; s != nil && x.newLot && s.setsCookie() {
		x.setCookie(h, s.Cookie, strconv.Itoa(int(x.wish.lot)), s.TTL)
	}
}

func (x *exchange) setCookie(h http.Header, name, value string, ttl time.Duration) {
	x.setCookieFor(h, name, value, ttl, "; HttpOnly")
}

// setCookieFor is setCookie for others, too, unless more says HttpOnly.
func (x *exchange) setCookieFor(h http.Header, name, value string, ttl time.Duration, more string) {
	c := name + "=" + value + "; Path=/" + more + "; SameSite=Lax"
	if x.overTLS() {
		c += "; Secure"
	}
	if ttl > 0 {
		c += "; Max-Age=" + strconv.Itoa(seconds(ttl))
	}
	h["Set-Cookie"] = append(h["Set-Cookie"], c)
}

// overTLS tells whether the client came by TLS, to us or to a trusted peer.
func (x *exchange) overTLS() bool {
	proto := x.conn.sender.proto
	if x.target.trusts(x.conn.sender.addr) {
		proto = firstOr(x.r.Header["X-Forwarded-Proto"], proto)
	}
	return proto == "https"
}
