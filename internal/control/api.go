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
	// Contract begins the rollout that removes from the database what only older
	// releases needed. It is refused while the way back to one of them is promised,
	// unless Permit.Now goes against that.
	Contract(ctx context.Context, r Request) (Begun, error)

	// Promote says that the stage in which a rollout waits is passed. It returns
	// when the next one's routes are in force.
	Promote(ctx context.Context, r PromoteRequest) (Promoted, error)

	// Maintain keeps a service's requests, or those that write, from it, or has
	// that end; it returns when the first is in force. AwaitMaintenance returns
	// when all that follows is done, and after some seconds at the latest, with
	// Doing saying what is under way.
	Maintain(ctx context.Context, r MaintenanceRequest) (Maintenance, error)
	AwaitMaintenance(ctx context.Context, r Request) (Maintenance, error)
	// Pause parks a service's requests, and Resume lets them go on.
	Pause(ctx context.Context, r PauseRequest) (Paused, error)
	Resume(ctx context.Context, r Request) (Resumed, error)

	// Prepare runs the steps of a release's prepare that were never done, and
	// tells how that goes. When ctx ends, so does the step that runs.
	Prepare(ctx context.Context, r PrepareRequest, tell func(PrepareEvent) error) error
	// Preparations lists the steps that were done, of a service or with "" of all.
	Preparations(ctx context.Context, service string) ([]deploy.Preparation, error)

	// NotifyTest sends a message to each of the service's webhooks.
	NotifyTest(ctx context.Context, r Request) ([]Notified, error)

	Gate
	Sources

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
	Spec deploy.Service     `json:"spec"`
	Env  deploy.Environment `json:"env,omitempty"`
	// ReadEnv is what instances have beside Env, or in its place, when they only
	// serve reads in times of maintenance.
	ReadEnv deploy.Environment `json:"read_env,omitempty"`
	Tree    string             `json:"tree"`
	// Flags is the content of the file that Spec.Flags names: flagd's JSON. It is
	// brought in by the rollout before it starts an instance, and at once where there is
	// nothing else to do.
	Flags json.RawMessage `json:"flags,omitempty"`
	Who   string          `json:"who"`
	Why   string          `json:"why,omitempty"`
	Force bool            `json:"force,omitempty"` // replace the instances even when nothing has changed
	Wait  bool            `json:"wait,omitempty"`  // wait for a rollout that is under way instead of being refused

	Permit
	Calendar   deploy.Calendar `json:"calendar,omitzero"` // from now on
	Source     *deploy.Source  `json:"source,omitempty"`  // from now on; nil: none. Its URL may hold a secret
	KeepSource bool            `json:"keep_source,omitempty"`
}

// Request asks for a change of a service that is there already.
type Request struct {
	Service  string `json:"service"`
	Release  int    `json:"release,omitempty"`  // Rollback: 0 is the one before; else its number
	Replicas int    `json:"replicas,omitempty"` // Scale
	Who      string `json:"who"`
	Why      string `json:"why,omitempty"`
	Wait     bool   `json:"wait,omitempty"`
	Permit          // of Restart and Contract
}

// Begun says what a request set off.
type Begun struct {
	Rollout deploy.Rollout `json:"rollout"`
	Nothing bool           `json:"nothing,omitempty"` // all is as asked already; Rollout is empty
	Flags   []string       `json:"flags,omitempty"`   // that were changed at once
	Joined  bool           `json:"joined,omitempty"`  // Rollout was under way and is being undone, as asked
}

// PromoteRequest is somebody's word that a rollout is to go on.
type PromoteRequest struct {
	Service string `json:"service"`
	Full    bool   `json:"full,omitempty"` // through all stages
	Who     string `json:"who"`
	Why     string `json:"why,omitempty"`
}

// Promoted answers PromoteRequest.
type Promoted struct {
	Rollout deploy.Rollout `json:"rollout"`
	Stage   *Stage         `json:"stage,omitempty"` // the one it is in now
	Over    bool           `json:"over,omitempty"`  // it does not go forward any more
}

// A Stage is where a rollout stands that has several.
type Stage struct {
	Number  int       `json:"number"` // from 0
	Of      int       `json:"of"`
	Name    string    `json:"name"`
	Since   time.Time `json:"since,omitzero"`
	Split   bool      `json:"split,omitempty"`   // requests are divided by share
	Share   int       `json:"share"`             // per cent of them that the new release gets
	Manual  bool      `json:"manual,omitempty"`  // it waits for `segue promote`
	Waiting string    `json:"waiting,omitempty"` // for what, and how that stands
}

// MaintenanceRequest asks for a service's requests to be kept from it, or for
// the end of that.
type MaintenanceRequest struct {
	Service    string        `json:"service"`
	Off        bool          `json:"off,omitempty"`
	Writes     bool          `json:"writes,omitempty"`      // only requests that may change something
	For        time.Duration `json:"for,omitempty"`         // then it ends by itself; 0: not
	RetryAfter time.Duration `json:"retry_after,omitempty"` // told to clients; 0: as segue.yaml says
	Hold       time.Duration `json:"hold,omitempty"`        // requests are parked so long before they are refused
	Page       string        `json:"page,omitempty"`        // HTML for people; "": as segue.yaml says
	Who        string        `json:"who"`
	Why        string        `json:"why,omitempty"`
}

// Maintenance is what a service is in, as far as it has come.
type Maintenance struct {
	Off        bool          `json:"off,omitempty"`     // it is in none; nothing else is set
	Nothing    bool          `json:"nothing,omitempty"` // it was not in any when its end was asked for
	Began      time.Time     `json:"began,omitzero"`
	Asked      time.Time     `json:"asked,omitzero"` // when it was last changed
	Until      time.Time     `json:"until,omitzero"`
	Writes     bool          `json:"writes,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	Hold       time.Duration `json:"hold,omitempty"`
	Who        string        `json:"who,omitempty"`
	Why        string        `json:"why,omitempty"`
	Opening    bool          `json:"opening,omitempty"`  // it is to end
	Doing      string        `json:"doing,omitempty"`    // what is still under way, for people; "" nothing
	InFlight   int           `json:"inflight,omitempty"` // requests of those kept out that were there before, and have not ended
	Failed     string        `json:"failed,omitempty"`   // why instances of another environment could not take over
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

// PrepareRequest asks for a service to be prepared for what Spec says, with the
// files of Tree. Nothing of it is made to serve.
type PrepareRequest struct {
	DeployRequest
	Again []string `json:"again,omitempty"` // steps to do although they were done
}

// States of a step in a PrepareEvent.
const (
	PrepareKnown  = "known"  // it was done before
	PrepareBegun  = "begun"  // it runs from now on
	PrepareRuns   = "runs"   // it has written a line
	PrepareDone   = "done"   // it has ended well, and that is written down
	PrepareFailed = "failed" // no other is begun
)

// A PrepareEvent is one thing that happened in Prepare.
type PrepareEvent struct {
	Step        string              `json:"step"`
	State       string              `json:"state"`
	Line        string              `json:"line,omitempty"`        // with PrepareRuns
	Preparation *deploy.Preparation `json:"preparation,omitempty"` // with PrepareKnown and PrepareDone
	Error       string              `json:"error,omitempty"`       // with PrepareFailed
}

// Preparing tells of who runs the preparations of a service.
type Preparing struct {
	Release int       `json:"release"`
	Step    string    `json:"step"`
	Who     string    `json:"who"`
	Began   time.Time `json:"began"`
}

// Notified says how it went to tell a webhook.
type Notified struct {
	Receiver string `json:"receiver"` // the variable with its URL, or its host
	Signed   bool   `json:"signed"`
	Error    string `json:"error,omitempty"`
}

// NotifyStatus tells of a webhook that is not reached.
type NotifyStatus struct {
	Receiver string    `json:"receiver"`
	Waiting  int       `json:"waiting"` // messages that are sent once it answers; 0: given up
	Error    string    `json:"error"`   // why it was not reached the last time
	At       time.Time `json:"at"`
}

// A Release is what is kept of one, for people.
type Release struct {
	Service string    `json:"service"`
	Number  int       `json:"number"`
	Digest  string    `json:"digest"`
	Made    time.Time `json:"made"`
	Serving bool      `json:"serving"`
	// Breaking says that pages of older releases cannot work with it.
	Breaking bool     `json:"breaking,omitempty"`
	Command  []string `json:"command"`
	Has      []string `json:"migrations,omitempty"` // that it works with
	TooOld   []string `json:"too_old,omitempty"`    // migrations that it lacks and that are contracted: it cannot serve any more
}

// A Contract is one that a service's database waits for.
type Contract struct {
	Migrations []string  `json:"migrations"`
	Due        time.Time `json:"due,omitzero"`      // so long the way back is promised
	Manual     bool      `json:"manual,omitempty"`  // it comes only by command
	Waiting    string    `json:"waiting,omitempty"` // for what else, for people
	Failed     string    `json:"failed,omitempty"`  // how the last try ended; it is tried again at Retry
	Retry      time.Time `json:"retry,omitzero"`
}

// Plan is what a deploy would do.
type Plan struct {
	Service string        `json:"service"`
	From    int           `json:"from"` // 0: none
	To      int           `json:"to"`   // the number the release would get
	Kept    bool          `json:"kept"` // that release is kept from before and is not made again
	Nothing bool          `json:"nothing"`
	Prepare []string      `json:"prepare,omitempty"` // steps that were never done and come first
	Changes []string      `json:"changes"`
	Stages  []string      `json:"stages,omitempty"` // for people, of a strategy that has several
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
	Hook     string       `json:"hook,omitempty"`     // the hook that has written Progress
	Progress string       `json:"progress,omitempty"` // "startup 3/50", "2 in flight"
	Problem  string       `json:"problem,omitempty"`  // what could not be done and is tried again
	End      deploy.Phase `json:"end,omitempty"`      // the last event of a rollout
	Reason   string       `json:"reason,omitempty"`   // with End: why it was rolled back
	Migrated deploy.Verb  `json:"migrated,omitempty"` // with End: the last phase of its migrations that was done
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
	Stage       *Stage           `json:"stage,omitempty"`       // of the rollout
	Held        int64            `json:"held"`                  // requests waiting for a ready instance, or for the end of the pause
	Paused      *Pause           `json:"paused,omitempty"`      // the one it is in
	Closed      *Closed          `json:"closed,omitempty"`      // to deploys, by windows or a freeze
	Source      *Source          `json:"source,omitempty"`      // whose commits are deployed
	Locked      *Lock            `json:"locked,omitempty"`      // to deploys of others than the holder
	Maintenance *Maintenance     `json:"maintenance,omitempty"` // the one it is in
	Shedding    *Shedding        `json:"shedding,omitempty"`    // while requests or flags are turned down
	Contract    *Contract        `json:"contract,omitempty"`    // that its database waits for
	Mirror      *Mirror          `json:"mirror,omitempty"`      // what came of copies of its requests
	Problem     string           `json:"problem,omitempty"`     // the last thing that went wrong and is being tried again
	Preparing   *Preparing       `json:"preparing,omitempty"`   // who runs its preparations
	Notify      []NotifyStatus   `json:"notify,omitempty"`      // webhooks that are not reached
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

// Shedding tells what a service leaves undone, as it is short of capacity.
type Shedding struct {
	Level   string    `json:"level,omitempty"`   // the highest importance of which requests are turned away now; "": none are
	Percent int       `json:"percent,omitempty"` // of those
	Because string    `json:"because"`           // what there is too much of, for people
	Began   time.Time `json:"began"`
	Turned  int64     `json:"turned"`          // requests, since then
	Flags   string    `json:"flags,omitempty"` // flags up to this importance are off; "": none are
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
	CodeClosed  = "closed"  // it is outside the windows, or there is a freeze
	CodeLocked  = "locked"  // somebody else has a lock
)

// Error is an answer of the agent that is not what was asked for.
type Error struct {
	Code    string          `json:"code"`
	Message string          `json:"error"`
	Rollout *deploy.Rollout `json:"rollout,omitempty"` // with CodeBusy
	Closed  *Closed         `json:"closed,omitempty"`  // with CodeClosed
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// encode writes v as a JSON line.
func encode(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
