package deploy

import (
	"strings"
	"time"
)

// StrategyType names a way to move from one Release to another.
type StrategyType string

const (
	Rolling   StrategyType = "rolling"    // a few instances at a time
	BlueGreen StrategyType = "blue-green" // all beside the old ones, then one switch
	Canary    StrategyType = "canary"     // a growing share of the requests
	Recreate  StrategyType = "recreate"   // the old ones go before the new ones come
)

// A Strategy says how a Rollout goes about it.
type Strategy struct {
	Type             StrategyType  `json:"type"`
	Surge            int           `json:"surge"`             // instances above Replicas while rolling
	Unavailable      int           `json:"unavailable"`       // instances below Replicas while rolling
	MinReady         time.Duration `json:"min_ready"`         // an instance counts after being ready so long
	ProgressDeadline time.Duration `json:"progress_deadline"` // without a step forward for so long, the rollout is undone
	Overlap          bool          `json:"overlap"`           // false: old and new instances never run at the same time

	// Bake is how long the new release has all requests before the rollout is
	// over. Where old instances can be kept (BlueGreen, Canary), they are kept
	// meanwhile, and going back is one switch. Zero is none.
	Bake time.Duration `json:"bake,omitempty"`
	// Manual wants a person's `segue promote` before BlueGreen's switch.
	Manual  bool         `json:"manual,omitempty"`
	Preview *Preview     `json:"preview,omitempty"` // how the new release is reached before it serves; nil: not at all
	Steps   []CanaryStep `json:"steps,omitempty"`   // of Canary
	Stick   Stick        `json:"stick,omitempty"`   // what a client is known by that stays with its release; of Canary

	Analysis *Analysis `json:"analysis,omitempty"` // nil: the proxy's counts are not looked at
	Checks   []Check   `json:"checks,omitempty"`   // asked as long as new and old are compared; one that fails undoes the rollout
}

// Beside reports whether the whole of the old release stays until the new one
// has proved itself, requests being divided between them by share.
func (s *Strategy) Beside() bool { return s.Type == BlueGreen || s.Type == Canary }

// A Preview leads to the new release while others do not get it. Requests it
// matches never reach another release.
type Preview struct {
	Listen string `json:"listen,omitempty"` // an address of its own; "" none
	Match  *Match `json:"match,omitempty"`  // requests on the service's own addresses; nil none
}

// A Match selects requests by a header field or a cookie, exactly one of them.
type Match struct {
	Header string `json:"header,omitempty"` // its name
	Cookie string `json:"cookie,omitempty"` // its name
	Value  string `json:"value,omitempty"`  // exactly this; "" any
}

// A CanaryStep is one of the states that a canary goes through, in which it
// then stays. Exactly one of Weight, Match and Mirror is set.
type CanaryStep struct {
	Weight int           `json:"weight,omitempty"` // per cent of the requests that the new release gets, 1 to 100
	Match  *Match        `json:"match,omitempty"`  // only these requests
	Mirror int           `json:"mirror,omitempty"` // per cent of the requests that it gets copies of, whose answers nobody sees
	For    time.Duration `json:"for,omitempty"`    // at least so long
	Manual bool          `json:"manual,omitempty"` // and until `segue promote`
}

// Stick is what a client is known by that stays with the release it got.
type Stick string

const (
	StickCookie  Stick = "cookie"  // one that the proxy sets while a canary is under way
	StickAddress Stick = "address" // its IP address
	StickNone    Stick = "none"    // each request is on its own
)

// Analysis compares what the new release answers with what the old one answers
// in the same minutes, and undoes the rollout when the new one is worse beyond
// chance and beyond what is tolerated. Too few requests neither promote nor
// condemn: the step waits for more.
type Analysis struct {
	Requests int     `json:"requests"`       // of the new release, before which nothing is promoted
	Errors   float64 `json:"errors"`         // tolerated, in per cent of the requests more than the old release has
	Latency  float64 `json:"latency"`        // tolerated, as a multiple of the old release's: 1.5
	Most     float64 `json:"most,omitempty"` // errors in per cent that are too many whatever the old release has, 0 to 100; 0: no such bound
	// P95 is what 95 % of the requests must be answered within, whatever the old
	// release does; 0: no such bound.
	P95 time.Duration `json:"p95,omitempty"`
	// Warmup is how long after a stage is entered the new release's times do not
	// count, and nothing is promoted: a program may be slow at first.
	Warmup time.Duration `json:"warmup,omitempty"`
}

// A Check is a question about the whole service; exactly one of Exec, HTTP and
// Prometheus is set. In each of them and in Headers, $NAME and ${NAME} stand for
// variables of the new release's environment, and are replaced when it is asked:
// the settings are journalled, and are no place for secrets.
type Check struct {
	Name       string            `json:"name"`
	Exec       []string          `json:"exec,omitempty"`       // argv in the new release's folder and environment; exit status 0 is yes
	HTTP       string            `json:"http,omitempty"`       // a URL; 2xx is yes
	Prometheus string            `json:"prometheus,omitempty"` // URL of a server, asked with Query
	Query      string            `json:"query,omitempty"`      // PromQL that gives one number; an empty result or NaN is neither yes nor no
	Min        *float64          `json:"min,omitempty"`        // the least that is yes; nil: no bound
	Max        *float64          `json:"max,omitempty"`        // the most that is yes
	Headers    map[string]string `json:"headers,omitempty"`    // of HTTP and Prometheus
	Every      time.Duration     `json:"every"`
	Timeout    time.Duration     `json:"timeout"`
	Failures   int               `json:"failures"` // so many in a row, unanswered ones among them, mean no
}

// What tells people what is asked, without what stands in variables.
func (c *Check) What() string {
	switch {
	case c.HTTP != "":
		return "GET " + c.HTTP
	case c.Prometheus != "":
		return "query " + c.Query
	}
	return "exec " + strings.Join(c.Exec, " ")
}

// Hooks are commands around a Rollout. One that fails undoes it. Each may run a
// second time, for a rollout that is gone on with after a crash.
type Hooks struct {
	Before  []Hook `json:"before,omitempty"`  // anything of the new release is started
	Between []Hook `json:"between,omitempty"` // the new instances are ready, and before they serve (Rolling: before the second one comes; Recreate: before the first)
	After   []Hook `json:"after,omitempty"`   // the new release has all requests, and before the old one is out of reach
}

// A Hook is a command of the user's, run in the new release's folder with its
// environment and SEGUE_SERVICE, SEGUE_RELEASE, SEGUE_FROM, SEGUE_ROLLOUT, SEGUE_HOOK.
type Hook struct {
	Name    string        `json:"name"`
	Command []string      `json:"command"`         // argv
	Timeout time.Duration `json:"timeout"`         // then its process group is killed, and it has failed
	Once    bool          `json:"once,omitempty"`  // not again for a later release: those of Service.Prepare
	Segue   bool          `json:"segue,omitempty"` // Command are arguments of segue itself: a phase of Service.Migrate
}
