package drill

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"regexp"
	"time"
)

// Defaults of a Plan's fields that are left zero.
const (
	DefaultRate          = 100.0 // requests per second
	DefaultConnections   = 16
	DefaultTimeout       = 10 * time.Second
	DefaultReleaseHeader = "Segue-Release"

	// maxInFlightDefault keeps the default MaxInFlight within the number of
	// file descriptors that a process usually may have.
	maxInFlightDefault = 10_000
	maxRate            = 1e6
)

// Plan says what a drill sends, how often, and what it expects back.
// Only URL (or Targets) is needed. A Plan is only read; it may be shared.
type Plan struct {
	// Label is told on top of reports: the command around which the drill is
	// held, for instance. It is printed as it is: put no secret in it.
	Label string

	URL    string      // http or https; the one target, unless Targets is set
	Method string      // default GET
	Header http.Header // sent with every request; "Host" sets the Host header
	Body   []byte      // request body

	// Rate is the number of requests that are due per second, evenly spaced,
	// whatever becomes of the earlier ones (an open loop). Default DefaultRate.
	Rate float64
	// Duration is how long requests are due; 0 means until the context is
	// done or Stop is called.
	Duration time.Duration
	// Mix says on which connections; the zero Mix is half fresh, half kept alive.
	Mix Mix
	// Connections is the number of kept-alive HTTP/1.1 connections for each
	// origin, used least recently used first, so that each gets its turn. When
	// all are busy an extra one is opened rather than a request held back.
	// Default DefaultConnections.
	Connections int
	// Timeout is how long after it was due a request may take until its
	// response is complete; the drill's own lateness is added, so that it is
	// not held against the server. Default DefaultTimeout.
	Timeout time.Duration
	// MaxInFlight bounds the requests under way at once, so that a dead server
	// cannot exhaust this machine. A request due beyond it is counted as
	// NotSent. Default Rate × Timeout, at least 256 and at most 10,000.
	MaxInFlight int

	// Targets, when set, replaces URL, Method, Header and Body by several.
	Targets []Target
	// Expect is what makes an answer right; the zero value wants 200–399.
	Expect Expect

	// ReleaseHeader is the response header that names the release which
	// answered. Default DefaultReleaseHeader, which Segue's proxy adds to
	// requests that carry "Segue-Drill: 1", as the drill's do.
	ReleaseHeader string
	// ReleaseFromBody, when set, finds the release in the response's body
	// instead: its first group, or the whole match where it has none.
	ReleaseFromBody *regexp.Regexp

	// SkipPeek turns off the look at a kept-alive connection, just before it
	// is used, for whether the server has closed it. Browsers, Go and most
	// clients do look; those that do not (some pools, some proxies) lose a
	// request for each idle connection that a server closes. Default: look.
	SkipPeek bool

	// TLS is used for https URLs; nil means the system's roots. ServerName and
	// NextProtos are filled in.
	TLS *tls.Config
	// Dial opens connections; nil means a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Target is one kind of request among several.
type Target struct {
	URL    string
	Method string      // default GET
	Header http.Header // in addition to the plan's
	Body   []byte
	Weight float64 // share relative to the other targets; 0 means 1
	// Expect replaces the plan's for this target when it is not nil.
	Expect *Expect
}

// withDefaults returns p with zero fields filled in, or what is wrong with it.
func (p Plan) withDefaults() (Plan, error) {
	if p.Rate == 0 {
		p.Rate = DefaultRate
	}
	if p.Timeout == 0 {
		p.Timeout = DefaultTimeout
	}
	if p.Connections == 0 {
		p.Connections = DefaultConnections
	}
	if p.ReleaseHeader == "" {
		p.ReleaseHeader = DefaultReleaseHeader
	}
	if p.Mix == (Mix{}) {
		p.Mix = Mix{Fresh: 0.5, KeptAlive: 0.5}
	}
	if p.MaxInFlight == 0 {
		due := math.Ceil(p.Rate * p.Timeout.Seconds())
		p.MaxInFlight = int(min(max(due, 256), maxInFlightDefault))
	}
	if len(p.Targets) == 0 {
		p.Targets = []Target{{URL: p.URL, Method: p.Method, Body: p.Body}}
	}
	return p, p.check()
}

func (p Plan) check() error {
	switch {
	case !(p.Rate > 0 && p.Rate <= maxRate):
		return fmt.Errorf("drill: rate %v: want requests per second, above 0 and at most %.0f", p.Rate, maxRate)
	case p.Duration < 0:
		return fmt.Errorf("drill: duration %v is negative", p.Duration)
	case p.Timeout < 0:
		return fmt.Errorf("drill: timeout %v is negative", p.Timeout)
	case p.Connections < 0:
		return fmt.Errorf("drill: %d connections: want at least 1", p.Connections)
	case p.MaxInFlight < 0:
		return fmt.Errorf("drill: at most %d in flight: want at least 1", p.MaxInFlight)
	}
	return errors.Join(p.Mix.check(), p.Expect.check())
}
