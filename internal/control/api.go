// Package control is how the segue command and the agent talk: HTTP/JSON with
// server-sent events over a Unix socket that only its owner may open. There is
// no TCP port. Another machine is reached by forwarding the socket over the
// user's own SSH.
package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// Agent is what the control API serves: the agent, in its process.
type Agent interface {
	Status(ctx context.Context) (Status, error)
	Releases(ctx context.Context, service string) ([]Release, error)
	History(ctx context.Context, service string, limit int) ([]deploy.Rollout, error)

	// HasTree tells whether a release tree is there already, so that it need
	// not be sent; PutTree takes one as a tar stream and returns its digest.
	HasTree(ctx context.Context, digest string) (bool, error)
	PutTree(ctx context.Context, tar io.Reader) (string, error)

	// Deploy and the others begin a rollout and return at once; Watch follows it.
	Deploy(ctx context.Context, r DeployRequest) (Begun, error)
	Rollback(ctx context.Context, r Request) (Begun, error)
	Scale(ctx context.Context, r Request) (Begun, error)
	Restart(ctx context.Context, r Request) (Begun, error)
	Down(ctx context.Context, r Request) (Begun, error)
	Plan(ctx context.Context, r DeployRequest) (Plan, error)

	// Pause parks a service's requests, and Resume lets them go on.
	Pause(ctx context.Context, r PauseRequest) (Paused, error)
	Resume(ctx context.Context, r Request) (Resumed, error)

	// Watch calls tell for every event of a rollout after the given journal
	// sequence number, in order, and returns after its end.
	Watch(ctx context.Context, rollout, since int64, tell func(Event) error) error
	// Logs calls line for the last n lines of the service's instances, or of
	// one, and with follow for every line after that until ctx ends.
	Logs(ctx context.Context, r LogsRequest, line func(LogLine) error) error
	// Settings applies what a segue.yaml says beside its services.
	Settings(ctx context.Context, s Settings) error
	Upgrade(ctx context.Context, r UpgradeRequest, tell func(string) error) error
	Metrics(ctx context.Context) ([]byte, error)
	// Quit ends the agent: with everything, or leaving proxy and instances to
	// the next one.
	Quit(ctx context.Context, everything bool) error
}

// DeployRequest asks for a service to become what Spec says, with the files of
// Tree. Env holds the values of the variables, secrets among them.
type DeployRequest struct {
	Spec  deploy.Service     `json:"spec"`
	Env   deploy.Environment `json:"env,omitempty"`
	Tree  string             `json:"tree"`
	Who   string             `json:"who"`
	Why   string             `json:"why,omitempty"`
	Force bool               `json:"force,omitempty"` // replace the instances even when nothing has changed
	Wait  bool               `json:"wait,omitempty"`  // wait for a rollout that is under way instead of being refused
}

// Request asks for a change of a service that is there already.
type Request struct {
	Service  string `json:"service"`
	Release  int    `json:"release,omitempty"`  // Rollback: 0 is the one before; else its number
	Replicas int    `json:"replicas,omitempty"` // Scale
	Who      string `json:"who"`
	Why      string `json:"why,omitempty"`
	Wait     bool   `json:"wait,omitempty"`
}

// Begun says what a request set off.
type Begun struct {
	Rollout deploy.Rollout `json:"rollout"`
	Nothing bool           `json:"nothing,omitempty"` // all is as asked already; Rollout is empty
	Joined  bool           `json:"joined,omitempty"`  // Rollout was under way and is being undone, as asked
}

// PauseRequest asks for a service's requests to be parked.
type PauseRequest struct {
	Service string        `json:"service"`
	For     time.Duration `json:"for"`           // above 0; then it is resumed
	Max     int           `json:"max,omitempty"` // requests that may be parked at once; 0 is the service's proxy.hold.max
	Who     string        `json:"who"`
	Why     string        `json:"why,omitempty"`
	Wait    bool          `json:"wait,omitempty"` // answer when no request is in flight any more, or the pause is over
}

// A Pause is one that a service is in.
type Pause struct {
	Began time.Time `json:"began"`
	Until time.Time `json:"until"`
	Max   int       `json:"max,omitempty"`
	Who   string    `json:"who"`
	Why   string    `json:"why,omitempty"`
}

// Paused answers PauseRequest: what was parked comes to rest.
type Paused struct {
	Pause
	InFlight int `json:"inflight"` // requests that instances still work on
}

// Resumed answers Resume.
type Resumed struct {
	Pause
	Nothing bool  `json:"nothing,omitempty"` // the service was not paused
	Parked  int64 `json:"parked"`            // requests that went on
}

// A Release is what is kept of one, for people.
type Release struct {
	Service string    `json:"service"`
	Number  int       `json:"number"`
	Digest  string    `json:"digest"`
	Made    time.Time `json:"made"`
	Serving bool      `json:"serving"`
	Command []string  `json:"command"`
}

// Plan is what a deploy would do.
type Plan struct {
	Service string        `json:"service"`
	From    int           `json:"from"` // 0: none
	To      int           `json:"to"`   // the number the release would get
	Kept    bool          `json:"kept"` // that release is kept from before and is not made again
	Nothing bool          `json:"nothing"`
	Changes []string      `json:"changes"`
	Steps   []deploy.Step `json:"steps"`
}

// Event is one thing that happened in a rollout. Those with a Step are in the
// journal and are told again to whoever asks later; the others pass.
type Event struct {
	Seq      int64        `json:"seq,omitempty"`
	At       time.Time    `json:"at"`
	Rollout  int64        `json:"rollout"`
	Step     *deploy.Step `json:"step,omitempty"`
	Instance string       `json:"instance,omitempty"`
	Progress string       `json:"progress,omitempty"` // "startup 3/50", "2 in flight"
	Problem  string       `json:"problem,omitempty"`  // what could not be done and is tried again
	End      deploy.Phase `json:"end,omitempty"`      // the last event of a rollout
	Reason   string       `json:"reason,omitempty"`   // with End: why it was rolled back
}

// Settings is what is not a service's but the file's.
type Settings struct {
	Metrics   string `json:"metrics,omitempty"` // host:port; "" none
	AccessLog bool   `json:"access_log"`
}

// LogsRequest chooses log lines.
type LogsRequest struct {
	Service  string `json:"service,omitempty"` // "" all
	Instance string `json:"instance,omitempty"`
	Lines    int    `json:"lines"`
	Follow   bool   `json:"follow,omitempty"`
}

// LogLine is one line that an instance wrote.
type LogLine struct {
	Instance string `json:"instance"`
	Line     string `json:"line"`
}

// UpgradeRequest asks for agent and proxy to be replaced by a binary.
type UpgradeRequest struct {
	Binary string `json:"binary,omitempty"` // path; "" is the one that the agent was started from, as it now is on disk
}

// Status is everything at one moment.
type Status struct {
	Agent    AgentStatus     `json:"agent"`
	Proxy    ProxyStatus     `json:"proxy"`
	Services []ServiceStatus `json:"services"`
}

// AgentStatus tells of the agent.
type AgentStatus struct {
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	State   string    `json:"state"` // its folder
	Began   time.Time `json:"began"`
}

// ProxyStatus tells of the proxy; PID 0 means that there is none.
type ProxyStatus struct {
	PID         int      `json:"pid"`
	Version     string   `json:"version,omitempty"`
	Listening   []string `json:"listening,omitempty"`
	Connections int      `json:"connections"`
	Problem     string   `json:"problem,omitempty"`
}

// ServiceStatus tells of a service.
type ServiceStatus struct {
	Name        string           `json:"name"`
	Listen      []string         `json:"listen,omitempty"`
	Via         deploy.Via       `json:"via,omitempty"` // of the release; empty for a worker
	Release     int              `json:"release"`
	Replicas    int              `json:"replicas"`
	Rollout     *deploy.Rollout  `json:"rollout,omitempty"`     // the one under way
	Held        int64            `json:"held"`                  // requests waiting for a ready instance, or for the end of the pause
	Paused      *Pause           `json:"paused,omitempty"`      // the one it is in
	Mirror      *Mirror          `json:"mirror,omitempty"`      // what came of copies of its requests
	Problem     string           `json:"problem,omitempty"`     // the last thing that went wrong and is being tried again
	Certificate string           `json:"certificate,omitempty"` // why the newest one is not in use, or there is none
	Instances   []InstanceStatus `json:"instances"`
}

// InstanceStatus tells of an instance.
type InstanceStatus struct {
	deploy.Instance
	Ready    bool   `json:"ready"`           // by its readiness probe
	InFlight int    `json:"inflight"`        // requests in it now; 0 where they do not pass the proxy
	Requests int64  `json:"requests"`        // answered since it entered the routes; the same
	Aside    bool   `json:"aside,omitempty"` // the proxy passes it over for a while, since it fails
	Progress string `json:"progress,omitempty"`
}

// Mirror counts copies of a service's requests by how their answers compare
// with those of the originals.
type Mirror struct {
	To          string       `json:"to"`
	Same        int64        `json:"same"`
	Status      int64        `json:"status"`  // another status
	Body        int64        `json:"body"`    // another body or content type
	Failed      int64        `json:"failed"`  // no whole answer came
	Skipped     int64        `json:"skipped"` // not copied, or nothing to compare with
	Differences []Difference `json:"differences,omitempty"`
}

// A Difference is a request that was answered in two ways.
type Difference struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // without the query
	Status int       `json:"status"`
	Mirror int       `json:"mirror"` // the copy's status
}

// Codes of an Error.
const (
	CodeInvalid = "invalid" // the request is wrong
	CodeNone    = "none"    // no such service, release, instance, rollout
	CodeBusy    = "busy"    // a rollout is in the way
	CodeFailed  = "failed"  // it was tried and did not work
)

// Error is an answer of the agent that is not what was asked for.
type Error struct {
	Code    string          `json:"code"`
	Message string          `json:"error"`
	Rollout *deploy.Rollout `json:"rollout,omitempty"` // with CodeBusy
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// encode writes v as a JSON line.
func encode(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
