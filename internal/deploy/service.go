// Package deploy holds Segue's nouns (Service, Release, Instance, Rollout) and
// the only moves between their states that are legal. It does no I/O and knows
// nobody: every other package may import it, and it imports only the standard
// library.
package deploy

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Service is what the user runs, as segue.yaml says it, with every default
// filled in. It carries no secret: values of environment variables travel in
// Environment, beside it, so that a Service can be journalled and shown.
type Service struct {
	Name     string   `json:"name"`
	Listen   []string `json:"listen,omitempty"` // host:port addresses; none for a worker
	TLS      *TLS     `json:"tls,omitempty"`    // nil: cleartext
	Routes   []Route  `json:"routes,omitempty"` // none: every request on Listen
	Via      Via      `json:"via,omitempty"`    // empty for a worker
	Socket   Socket   `json:"socket,omitzero"`  // of ViaSocket
	Build    string   `json:"build,omitempty"`  // run by sh -c in the source folder; empty: nothing to build
	Files    []string `json:"files"`            // what a Release keeps, relative to the source folder
	Command  []string `json:"command"`          // argv; $NAME in it is expanded from the Instance's environment
	Replicas int      `json:"replicas"`         // 0 is allowed: kept, but not running
	EnvNames []string `json:"env_names,omitempty"`
	Store    string   `json:"store,omitempty"` // whose file holds the store of its Instances; empty: its own

	Probes      Probes       `json:"probes"`
	Strategy    Strategy     `json:"strategy"`
	Drain       Drain        `json:"drain"`
	Stop        Stop         `json:"stop"`
	Limits      Limits       `json:"limits"`
	Proxy       Proxy        `json:"proxy"`
	Logs        Logs         `json:"logs"`
	Hooks       Hooks        `json:"hooks,omitzero"`
	Maintenance *Maintenance `json:"maintenance,omitempty"` // nil: as the command says
	Skew        *Skew        `json:"skew,omitempty"`        // nil: nothing is done for pages of older releases
	Breaking    bool         `json:"breaking,omitempty"`    // pages of older releases cannot work with this one
	Shedding    *Shedding    `json:"shedding,omitempty"`    // nil: no request is turned away
	Prepare     []Hook       `json:"prepare,omitempty"`     // each run once for all releases, long before or at the start of a deploy
	Migrate     *Migrate     `json:"migrate,omitempty"`     // nil: Segue changes no database
	// Flags names the file of feature flags that its deploys bring in, as segue.yaml
	// does; empty: none. OFREP is the address where its flags are evaluated for
	// programs; empty: nowhere.
	Flags  string    `json:"flags,omitempty"`
	OFREP  string    `json:"ofrep,omitempty"`
	Notify []Webhook `json:"notify,omitempty"` // who is told of what happens to it
	Keep   int       `json:"keep"`             // releases kept for rollback, the serving one among them

	Engine     EngineType  `json:"engine,omitempty"`     // who runs it; empty: EngineProcess
	Kubernetes *Kubernetes `json:"kubernetes,omitempty"` // nil: all by default
	ECS        *ECS        `json:"ecs,omitempty"`        // nil: all by default
}

// Worker reports whether the service takes no requests.
func (s *Service) Worker() bool { return len(s.Listen) == 0 }

// StoreName is the name of the file that holds the store of its Instances, which
// several services may share.
func (s *Service) StoreName() string { return cmp.Or(s.Store, s.Name) }

// Proxied reports whether the proxy forwards requests to the instances, which
// therefore have a port each.
func (s *Service) Proxied() bool { return !s.Worker() && s.Via != ViaSocket }

// Inherits reports whether the instances inherit the listening sockets.
func (s *Service) Inherits() bool { return !s.Worker() && s.Via == ViaSocket }

// Kept returns the addresses of which one socket is kept for all: those of
// Listen, unless each instance has its own, and of OFREP.
func (s *Service) Kept() []string {
	var kept []string
	if !s.Socket.PerInstance {
		kept = s.Addresses()
	}
	if s.OFREP != "" {
		kept = append(slices.Clone(kept), s.OFREP)
	}
	return kept
}

// Addresses are all that the service listens on: those of Listen, and the
// preview's.
func (s *Service) Addresses() []string {
	if p := s.Strategy.Preview; p != nil && p.Listen != "" {
		return append(slices.Clone(s.Listen), p.Listen)
	}
	return s.Listen
}

// Match is the route without what is done with the requests that it selects.
func (r Route) Match() Route { return Route{Host: r.Host, Path: r.Path} }

// DrainTime is how long an Instance may take from its leaving the routes to the
// end of its last exchange that can be asked to end.
func (s *Service) DrainTime() time.Duration {
	longest := s.Drain.Timeout
	for _, r := range s.Routes {
		longest = max(longest, r.Drain)
	}
	return longest + s.Drain.Spread
}

// Via says how requests reach the instances.
type Via string

const (
	ViaProxy  Via = "proxy"  // segue proxy forwards each request
	ViaSocket Via = "socket" // the program accepts on an inherited socket
)

// Socket holds the settings of ViaSocket.
type Socket struct {
	PerInstance bool `json:"per_instance,omitempty"` // a socket for each (SO_REUSEPORT); false: one for all
}

// TLS names the certificate that the proxy serves: two file paths, or from
// whom it is got.
type TLS struct {
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`
	ACME *ACME  `json:"acme,omitempty"`
}

// ACME is a CA that gives certificates to programs (RFC 8555), whose terms
// the user has agreed to.
type ACME struct {
	CA    string `json:"ca"` // URL of its directory
	Email string `json:"email,omitempty"`
	Roots string `json:"roots,omitempty"` // file path; empty: the system's
}

// A Route says which requests on the listening addresses go to the service.
// Empty fields match everything.
type Route struct {
	Host string `json:"host,omitempty"` // exact, or "*.example.com"; without a port
	Path string `json:"path,omitempty"` // prefix, matched at segment boundaries
	// Drain is what the route's exchanges get to end in; zero is what the
	// service's Drain.Timeout says.
	Drain time.Duration `json:"drain,omitempty"`
}

// Protocol is what the instances speak.
type Protocol string

const (
	HTTP1 Protocol = "http1"
	H2C   Protocol = "h2c" // HTTP/2 with prior knowledge, cleartext
	TCP   Protocol = "tcp" // anything: connections are passed on as bytes
)

// Proxy holds a service's settings of the data path. Zero durations and sizes
// mean no limit, except where a default is told in the configuration manual.
type Proxy struct {
	Protocol      Protocol      `json:"protocol"`
	HoldTimeout   time.Duration `json:"hold_timeout"`           // how long a request waits for a ready instance
	HoldMax       int           `json:"hold_max"`               // how many may wait
	HeaderTimeout time.Duration `json:"header_timeout"`         // for the client's whole request header
	BodyTimeout   time.Duration `json:"body_timeout"`           // longest pause while the client's body arrives
	IdleTimeout   time.Duration `json:"idle_timeout"`           // of the client's kept-alive connection
	AnswerTimeout time.Duration `json:"answer_timeout"`         // until the instance's response header; 0: none
	UpstreamIdle  time.Duration `json:"upstream_idle"`          // of kept-alive connections to instances
	Goodbye       string        `json:"goodbye"`                // one-more-message or hang-up, when the proxy itself is replaced
	GoodbyeAfter  time.Duration `json:"goodbye_after"`          // for one-more-message: then idle connections are hung up
	MaxHeader     int64         `json:"max_header"`             // bytes
	MaxBody       int64         `json:"max_body"`               // bytes; 0: no limit
	Replay        int64         `json:"replay"`                 // bytes kept of an upload, to be sent to another instance; 0: none
	Trusted       []string      `json:"trusted,omitempty"`      // CIDRs whose forwarding headers are believed
	AcceptProxy   []string      `json:"accept_proxy,omitempty"` // CIDRs whose connections begin with a PROXY header
	SendProxy     string        `json:"send_proxy,omitempty"`   // "v1" or "v2": the PROXY header that instances get; empty: none

	Retry   *Retry         `json:"retry,omitempty"`   // nil: the proxy's defaults
	Outlier *Outlier       `json:"outlier,omitempty"` // nil: no instance is ejected
	Mirror  *Mirror        `json:"mirror,omitempty"`  // nil: nothing is copied
	Sticky  *Sticky        `json:"sticky,omitempty"`  // nil: clients go anywhere
	Rate    *Rate          `json:"rate,omitempty"`    // nil: no bound
	Pages   map[int]string `json:"pages,omitempty"`   // HTML by the status of a refusal
}

// Probes are the questions asked of an Instance; a nil one is not asked.
type Probes struct {
	Startup   *Probe `json:"startup,omitempty"`
	Readiness *Probe `json:"readiness,omitempty"`
	Liveness  *Probe `json:"liveness,omitempty"`
}

// A Probe is one question; exactly one of HTTP, TCP, Exec and Notify is set.
type Probe struct {
	HTTP      string        `json:"http,omitempty"`   // path, starting with "/"
	TCP       bool          `json:"tcp,omitempty"`    // connect to $PORT
	Exec      []string      `json:"exec,omitempty"`   // argv, exit status 0 is success
	Notify    bool          `json:"notify,omitempty"` // has it said READY=1 (sd_notify(3))?
	Every     time.Duration `json:"every"`
	Timeout   time.Duration `json:"timeout"`
	Failures  int           `json:"failures"`  // so many in a row mean no
	Successes int           `json:"successes"` // so many in a row mean yes
}

// What names the probe's kind, for people.
func (p *Probe) What() string {
	switch {
	case p.HTTP != "":
		return "http " + p.HTTP
	case p.TCP:
		return "tcp"
	case p.Notify:
		return "notify"
	default:
		return "exec " + strings.Join(p.Exec, " ")
	}
}

// Drain says how an Instance is let finish before it is signalled.
type Drain struct {
	Delay   time.Duration `json:"delay"`   // wait after it has left the routes
	Timeout time.Duration `json:"timeout"` // what its exchanges get to end in, where their route says nothing
	Spread  time.Duration `json:"spread"`  // over which clients that come back at once are then sent away
}

// Stop says how an Instance is ended.
type Stop struct {
	Signal  string        `json:"signal"`  // without SIG: "TERM"
	Timeout time.Duration `json:"timeout"` // then the whole process group is killed
}

// Limits bound an Instance by cgroup; zero means none.
type Limits struct {
	Memory int64   `json:"memory,omitempty"` // bytes
	CPU    float64 `json:"cpu,omitempty"`    // cores
}

// Logs bound what an Instance's output may take on disk.
type Logs struct {
	MaxSize int64 `json:"max_size"` // bytes in one file before it is rotated
	Keep    int   `json:"keep"`     // rotated files kept per instance
}

// Environment is a Release's variables with their values: secrets. It is kept
// in a file that only the owner reads, and never journalled, logged or shown.
type Environment map[string]string
