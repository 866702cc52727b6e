package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Config is the whole routing table. Each [Client.Apply] replaces it as one:
// a request sees the old table or the new one, never a mixture.
type Config struct {
	// Version is the caller's number for the table; Status tells it back.
	Version int64 `json:"version"`
	// AccessLog is the path of the access log, one JSON object a line; "" is
	// none. It is opened anew by each Apply, so that it can be rotated. It is
	// written behind the requests and never delays or fails one: what the disk
	// does not take is dropped and counted.
	AccessLog string `json:"access_log,omitempty"`
	// Tickets is the path of a file of [Tickets], which is read again when it
	// changes; "" gives each listener keys of its own, which end with the proxy.
	Tickets string `json:"tickets,omitempty"`
	// ACMEStorage is the folder of keys and certificates got by ACME, which all
	// proxies of a machine share; it is made when it is needed.
	ACMEStorage string    `json:"acme_storage,omitempty"`
	Services    []Service `json:"services"`
}

// Protocols that instances may speak.
const (
	HTTP1 = "http1" // HTTP/1.1, the default
	H2C   = "h2c"   // HTTP/2 over cleartext TCP by prior knowledge (RFC 9113 §3.3)
	TCP   = "tcp"   // anything: the bytes of each connection are passed on as they come
)

// Ways to end kept-alive connections of HTTP/1.1 (RFC 9112 §9.6) when the proxy
// is replaced. No way cuts a connection on which a byte of a request has arrived.
const (
	OneMoreMessage = "one-more-message" // the next answer asks the client to close; loses nothing
	HangUp         = "hang-up"          // idle connections are closed at once; a request that crosses the FIN is lost
)

// Service is what the proxy knows of one service.
//
// For every duration and bound, zero means the default named beside it and a
// negative value means none. Durations are nanoseconds in JSON.
type Service struct {
	Name string `json:"name"` // unique in the table
	// Listen names the listeners by their keys, for example ":8080". Services
	// may share a listener; their routes tell them apart.
	Listen []string `json:"listen"`
	// CertFile and KeyFile (PEM) make the service's listeners speak TLS. They
	// are read by Apply and again when they change on disk. New files that
	// cannot be used leave the old certificate in place; Status tells why.
	CertFile string `json:"cert_file,omitempty"`
	KeyFile  string `json:"key_file,omitempty"`
	// ACME makes the service's listeners speak TLS with certificates that the
	// proxy gets itself. Until a host has its first, handshakes wait for a moment.
	ACME *ACME `json:"acme,omitempty"`
	// Routes say which requests are the service's; none at all means every
	// request on its listeners.
	Routes   []Route `json:"routes,omitempty"`
	Protocol string  `json:"protocol,omitempty"` // HTTP1, H2C or TCP
	// Instances are those that may be chosen.
	Instances []Instance `json:"instances,omitempty"`
	// Split divides the requests between releases; nil does not look at releases.
	Split *Split `json:"split,omitempty"`
	// Maintenance refuses requests, or those that write; nil does not.
	Maintenance *Maintenance `json:"maintenance,omitempty"`
	// Paused parks the service's requests for a while; nil does not.
	Paused *Pause `json:"paused,omitempty"`
	// Flags are definitions in flagd's JSON. Those that are public are evaluated by
	// OFREP for pages, under /.segue/ofrep/v1/ behind the path of each route. Not
	// for TCP.
	Flags json.RawMessage `json:"flags,omitempty"`
	// OFREP says that the service is nothing but its Flags, all of them, evaluated
	// under ofrep/v1/ behind the path of each route, whatever instances there are:
	// for programs, on an address that others cannot reach.
	OFREP bool `json:"ofrep,omitempty"`

	HoldTimeout   time.Duration `json:"hold_timeout,omitempty"`   // longest wait for an instance; 10 s
	HoldMax       int           `json:"hold_max,omitempty"`       // requests that may wait at once; 10,000
	HeaderTimeout time.Duration `json:"header_timeout,omitempty"` // for a request's header, from its first byte (new connection: from accept); 20 s; the longest among a listener's services counts
	BodyTimeout   time.Duration `json:"body_timeout,omitempty"`   // longest pause in a request's body, or in the client's taking of the answer; 60 s
	IdleTimeout   time.Duration `json:"idle_timeout,omitempty"`   // a kept-alive client connection between requests; 120 s; longest among a listener's services; for TCP, a connection on which nothing moves; none
	AnswerTimeout time.Duration `json:"answer_timeout,omitempty"` // from the request sent to the answer's header; 120 s
	UpstreamIdle  time.Duration `json:"upstream_idle,omitempty"`  // a pooled connection to an instance; 4 s, below the 5 s of Node
	// Goodbye says how kept-alive HTTP/1.1 connections end when the proxy itself
	// is replaced: OneMoreMessage (the default) or HangUp. Among the services of
	// a listener, OneMoreMessage wins.
	Goodbye string `json:"goodbye,omitempty"`
	// GoodbyeAfter is how long OneMoreMessage waits for that message; then idle
	// connections are hung up. 10 s; the longest among a listener's services.
	GoodbyeAfter time.Duration `json:"goodbye_after,omitempty"`
	// DrainTimeout is what exchanges get to end in when the proxy is replaced;
	// zero is Options.DrainTimeout. (When an instance leaves, Client.Drain tells
	// it.) Those that have not ended by then are asked to, each kind in its own
	// words. DrainSpread is the time over which clients that come back at once
	// (WebSocket, server-sent events, gRPC streams) are asked; 5 s.
	DrainTimeout time.Duration `json:"drain_timeout,omitempty"`
	DrainSpread  time.Duration `json:"drain_spread,omitempty"`
	MaxHeader    int64         `json:"max_header,omitempty"` // bytes of a request's header; 64 KiB; at most 1 MiB
	MaxBody      int64         `json:"max_body,omitempty"`   // bytes of a request's body; none
	// Replay is the most bytes of a request's body that are kept while it is
	// passed on, so that the request can be sent to another instance when its
	// own leaves or dies before it has the whole body; none. Such an instance may
	// have acted on a part of the body.
	Replay int64 `json:"replay,omitempty"`
	// Trusted are the networks (CIDR, or single addresses) whose Forwarded and
	// X-Forwarded-* headers are believed and appended to. From anybody else
	// they are replaced.
	Trusted []string `json:"trusted,omitempty"`
	// AcceptProxy are the networks whose connections must begin with a header
	// of the PROXY protocol, v1 or v2; the address in it is the client's. It
	// belongs to a listener: what its services name is put together.
	AcceptProxy []string `json:"accept_proxy,omitempty"`
	// SendProxy is ProxyV1 or ProxyV2 for TCP services whose instances want such
	// a header on each connection, "" for others.
	SendProxy string `json:"send_proxy,omitempty"`

	Retry   *Retry   `json:"retry,omitempty"`   // bounds repeats; nil is 20 %, at least 10 a second
	Outlier *Outlier `json:"outlier,omitempty"` // puts failing instances aside; nil does not
	Rate    *Rate    `json:"rate,omitempty"`    // bounds each client's requests; nil does not
	Sticky  *Sticky  `json:"sticky,omitempty"`  // keeps clients with their instances; nil does not
	Mirror  *Mirror  `json:"mirror,omitempty"`  // copies requests; nil does not
	// Shedding turns requests away while the service is short of capacity; nil does not.
	Shedding *Shedding `json:"shedding,omitempty"`
	// Skew is for pages in browsers that outlive a release; nil is for none.
	Skew *Skew `json:"skew,omitempty"`
	// Pages are whole HTML pages by the status of a refusal, for those who would
	// rather read HTML than JSON.
	Pages map[int]string `json:"pages,omitempty"`
}

// Route selects requests. Host is exact ("shop.example"), a wildcard for one or more
// labels ("*.shop.example"), or "" for any; an exact host wins over a wildcard,
// the longer wildcard over the shorter, and both over any. Path is a prefix
// that ends at a segment boundary ("/api" selects /api and /api/x, not /apix);
// "" is "/". The longest path wins within a host; a request that no path of
// the better host selects is tried against the next.
type Route struct {
	Host string `json:"host,omitempty"`
	Path string `json:"path,omitempty"`
	// DrainTimeout is what the route's exchanges get to end in, when their
	// instance or the proxy leaves; zero is what its service's get.
	DrainTimeout time.Duration `json:"drain_timeout,omitempty"`
}

// Instance is one running copy of a service's program. ID is unique in the
// table. Addr is "host:port", or the path of a Unix socket when it begins with
// a slash. An instance that stays in the table with the same ID, Addr and
// Release keeps its connections.
type Instance struct {
	ID      string `json:"id"`
	Addr    string `json:"addr"`
	Release string `json:"release,omitempty"`
	// Protocol is what this instance speaks; "" is the service's. During a
	// rollout that changes it, instances of both kinds serve side by side.
	Protocol string `json:"protocol,omitempty"`
}

const maxHeaderBytes = 1 << 20 // what net/http reads at most, whatever MaxHeader says

func orDefault[T int | int64 | time.Duration](v *T, def T) {
	switch {
	case *v == 0:
		*v = def
	case *v < 0:
		*v = 0
	}
}

// withDefaults gives the service with every bound explicit; 0 then means none.
func (s Service) withDefaults() Service {
	orDefault(&s.HoldTimeout, 10*time.Second)
	orDefault(&s.HoldMax, 10_000)
	orDefault(&s.HeaderTimeout, 20*time.Second)
	if s.Protocol == TCP { // a connection may be silent for as long as it likes
		s.BodyTimeout, s.IdleTimeout = 0, max(s.IdleTimeout, 0)
	} else {
		orDefault(&s.BodyTimeout, 60*time.Second)
		orDefault(&s.IdleTimeout, 120*time.Second)
	}
	orDefault(&s.AnswerTimeout, 120*time.Second)
	orDefault(&s.UpstreamIdle, 4*time.Second)
	orDefault(&s.GoodbyeAfter, 10*time.Second)
	if s.Goodbye == "" {
		s.Goodbye = OneMoreMessage
	}
	orDefault(&s.DrainSpread, 5*time.Second)
	orDefault(&s.MaxHeader, 64<<10)
	orDefault(&s.MaxBody, 0)
	s.Outlier, s.Rate, s.Mirror = s.Outlier.withDefaults(), s.Rate.withDefaults(), s.Mirror.withDefaults()
	orDefault(&s.Replay, 0)
	if s.Protocol == "" {
		s.Protocol = HTTP1
	}
	if len(s.Routes) == 0 {
		s.Routes = []Route{{}}
	}
	return s
}

// all gives the service's instances, those that only get copies among them.
func (s Service) all() []Instance {
	if s.Mirror == nil {
		return s.Instances
	}
	return append(slices.Clone(s.Instances), s.Mirror.Instances...)
}

// without is the service without one of its instances.
func (s Service) without(id string) Service {
	cut := func(list []Instance) []Instance {
		return slices.DeleteFunc(slices.Clone(list), func(x Instance) bool { return x.ID == id })
	}
	s.Instances = cut(s.Instances)
	if s.Mirror != nil {
		m := *s.Mirror
		m.Instances = cut(m.Instances)
		s.Mirror = &m
	}
	return s
}

func (c Config) validate() error {
	var errs []error
	names, ids := map[string]bool{}, map[string]string{}
	for _, s := range c.Services {
		if s.Name == "" || names[s.Name] {
			errs = append(errs, fmt.Errorf("service name %q is empty or given twice", s.Name))
		}
		names[s.Name] = true
		errs = append(errs, s.validate())
		for _, i := range s.all() {
			if other, ok := ids[i.ID]; ok {
				errs = append(errs, fmt.Errorf("instance %q is in the table twice (services %s and %s)", i.ID, other, s.Name))
			}
			ids[i.ID] = s.Name
		}
	}
	return errors.Join(errs...)
}

func (s Service) validate() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("service %s: "+format, append([]any{s.Name}, args...)...))
	}
	protocol := func(p string) {
		if p != "" && p != HTTP1 && p != H2C && p != TCP {
			fail("protocol %q is none of %s, %s and %s", p, HTTP1, H2C, TCP)
		}
	}
	protocol(s.Protocol)
	if g := s.Goodbye; g != "" && g != OneMoreMessage && g != HangUp {
		fail("goodbye %q is neither %s nor %s", g, OneMoreMessage, HangUp)
	}
	if (s.CertFile == "") != (s.KeyFile == "") {
		fail("cert_file and key_file go together")
	}
	if s.ACME != nil && (s.CertFile != "" || len(s.acmeHosts()) == 0) {
		fail("acme goes without cert_file, and needs a route with an exact host")
	}
	if r := s.Rate; r != nil && (r.Requests < 1 || r.Per > time.Hour || r.Burst > 1_000_000) {
		fail("rate: %d requests per %s, burst %d: at least one, an hour at most, and a million at once", r.Requests, r.Per, r.Burst)
	}
	if m := s.Mirror; m != nil && (m.To == s.Name || m.Percent < 0 || m.Percent > 100) {
		fail("mirror: to %q, %d %%: another service, and from 0 to 100", m.To, m.Percent)
	}
	if err := s.Split.validate(&s); err != nil {
		fail("split: %w", err)
	}
	if err := s.Skew.validate(); err != nil {
		fail("skew: %w", err)
	}
	if err := s.Shedding.validate(); err != nil {
		fail("shedding: %w", err)
	}
	if s.Shedding != nil && s.Protocol == TCP {
		fail("shedding: connections of a %s service cannot be told that they are turned away", TCP)
	}
	if s.Sticky != nil && !isToken(s.Sticky.Cookie) {
		fail("sticky: %q is no name of a cookie", s.Sticky.Cookie)
	}
	for _, r := range s.Routes {
		if r.Path != "" && !strings.HasPrefix(r.Path, "/") {
			fail("route path %q does not begin with a slash", r.Path)
		}
	}
	for _, i := range s.all() {
		protocol(i.Protocol)
		if i.ID == "" || i.Addr == "" {
			fail("instance %q at %q: both id and addr are needed", i.ID, i.Addr)
		}
	}
	if _, err := parseNetworks(s.Trusted); err != nil {
		fail("trusted: %w", err)
	}
	if _, err := parseNetworks(s.AcceptProxy); err != nil {
		fail("accept_proxy: %w", err)
	}
	if v := s.SendProxy; v != "" && v != ProxyV1 && v != ProxyV2 {
		fail("send_proxy %q is neither %s nor %s", v, ProxyV1, ProxyV2)
	}
	if s.SendProxy != "" && s.Protocol != TCP {
		fail("send_proxy is for %s; others get the client's address in Forwarded", TCP)
	}
	if s.OFREP && (s.Protocol == TCP || len(s.Instances) > 0) {
		fail("ofrep is for a service that is nothing else")
	}
	if s.Protocol == TCP && len(s.Routes) > 0 {
		fail("a %s service gets every connection and can have no routes", TCP)
	}
	return errors.Join(errs...)
}

func parseNetworks(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, err
		}
		out = append(out, p.Masked())
	}
	return out, nil
}
