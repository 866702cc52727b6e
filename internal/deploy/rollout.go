package deploy

import (
	"fmt"
	"time"
)

// Phase is where a Rollout stands.
type Phase string

const (
	Forward    Phase = "rolling"      // towards the new release
	Backward   Phase = "rolling back" // towards the old one
	Done       Phase = "done"
	RolledBack Phase = "rolled back"
)

// Where a pause stands, in the history.
const (
	Paused  Phase = "paused"  // requests are parked
	Resumed Phase = "resumed" // by command
	RanOut  Phase = "ran out" // its time was over
)

// Where a freeze by command stands, in the history; its time may run out, too.
const (
	Frozen Phase = "frozen" // deploys are refused
	Thawed Phase = "ended"  // by command
)

// NotDeployed is how a commit ends, in the history, of which no rollout has come.
const NotDeployed Phase = "failed"

// Where a lock stands, in the history.
const (
	Locked   Phase = "locked"   // deploys of others are refused
	Released Phase = "released" // its command has ended
	Left     Phase = "left"     // its holder has gone without a word
	Broken   Phase = "broken"   // by somebody else
)

// Where maintenance stands, in the history; RanOut, too.
const (
	Closed   Phase = "closed"   // requests are refused
	Reopened Phase = "reopened" // by command
)

// Where shedding stands, in the history.
const (
	TurningAway Phase = "under way" // requests are turned away
	LetIn       Phase = "over"      // by itself
)

// Ended reports whether the phase is final.
func (p Phase) Ended() bool { return p == Done || p == RolledBack }

// To checks that moving from p to next is legal: a rollout ends in exactly one
// of Done and RolledBack, and never turns forward again once it went back.
func (p Phase) To(next Phase) error {
	if (p == Forward && (next == Done || next == Backward)) || (p == Backward && next == RolledBack) {
		return nil
	}
	return fmt.Errorf("a rollout cannot go from %s to %s", p, next)
}

// A Rollout is the move of a Service from one Release to another. From is 0
// for a first deploy, To is 0 for `segue down`. From equal to To is a scale or
// a restart; what tells old from new instances is therefore not their Release
// but their generation.
type Rollout struct {
	ID       int64     `json:"id"`
	Service  string    `json:"service"`
	Kind     Kind      `json:"kind"`
	From     int       `json:"from"`
	To       int       `json:"to"`
	FromGen  int64     `json:"from_gen"` // generation of the instances to be replaced
	ToGen    int64     `json:"to_gen"`   // generation of those that replace them: the rollout's own ID, or FromGen where Kind.Keeps
	Replicas int       `json:"replicas"` // wanted at its end
	Before   int       `json:"before"`   // wanted when it began, and again if it is undone
	Phase    Phase     `json:"phase"`
	Who      string    `json:"who"`
	Why      string    `json:"why,omitempty"`
	Against  string    `json:"against,omitempty"` // the window or freeze that was overridden for it
	Reason   string    `json:"reason,omitempty"`  // why it was rolled back
	Mode     Mode      `json:"mode,omitempty"`    // of the instances that it makes
	Stage    int       `json:"stage,omitempty"`   // of its strategy's stages, the one that was entered last
	StageAt  time.Time `json:"stage_at,omitzero"`
	Promoted int       `json:"promoted,omitempty"` // stages below this one are passed on somebody's word
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"`

	// Brings are the migrations that To has and From has not, which the rollout
	// expands and backfills first; of KindContract those that it contracts.
	Brings []string `json:"brings,omitempty"`
	// Fresh says that no release of the service has ever served.
	Fresh bool `json:"fresh,omitempty"`
	// Migrated is the last phase of Brings that was done, empty for none, and Did
	// what it told of that, for people: how many rows, in which time.
	Migrated Verb   `json:"migrated,omitempty"`
	Did      string `json:"did,omitempty"`
}

// Tries reports whether the rollout brings a release that is not known to be
// good, which the strategy is about. Others change no program, or are in need.
func (r *Rollout) Tries() bool { return r.Kind == KindDeploy && r.From != r.To }

// Keeps reports whether the instances that there are stay: the rollout makes no
// generation of its own.
func (k Kind) Keeps() bool { return k == KindScale || k == KindContract }

// Expanded reports whether the database has all that Brings adds to it, and keeps
// it, although the rollout was undone: nothing is dropped by itself.
func (r *Rollout) Expanded() bool { return r.Phase == RolledBack && r.Migrated == StepBackfilled }

// Mode is what instances are started for.
type Mode string

const (
	ReadWrite Mode = ""          // everything
	ReadOnly  Mode = "read-only" // safe methods, with the environment of Service.Maintenance
)

// Kind says what made the rollout.
type Kind string

const (
	KindDeploy   Kind = "deploy"
	KindRollback Kind = "rollback" // to an older release, by command
	KindScale    Kind = "scale"
	KindRestart  Kind = "restart"
	KindDown     Kind = "down"
	KindMode     Kind = "mode" // the same release with the environment of another Mode
	// KindContract removes from the database what only older releases needed. The
	// instances stay as they are.
	KindContract Kind = "contract"

	// KindPause is no rollout: the history tells of a pause beside them, with
	// the ID 0 and no releases.
	KindPause Kind = "pause"

	// The same for a freeze by command, and for a lock. Their Service may be
	// empty: all.
	KindFreeze Kind = "freeze"
	KindLock   Kind = "lock"
	// KindRamp is none either: the history tells of a flag's last ramp.
	KindRamp Kind = "ramp"
	// KindMaintenance is none either, and told of likewise.
	KindMaintenance Kind = "maintenance"
	// KindShedding is a time in which a service was short of capacity.
	KindShedding Kind = "shedding"

	// KindSource is a commit of a source of which no rollout has come.
	KindSource Kind = "source"
)

// Verb is what a Step does; each is written to the journal before it is done.
type Verb string

const (
	StepBegin   Verb = "begin"   // the rollout exists
	StepStart   Verb = "start"   // an instance is about to be started
	StepReady   Verb = "ready"   // it passed its probes
	StepShift   Verb = "shift"   // it is about to enter the routes
	StepDrain   Verb = "drain"   // it is about to leave the routes
	StepStop    Verb = "stop"    // it is about to be signalled
	StepGone    Verb = "gone"    // it has ended as wanted
	StepFailed  Verb = "failed"  // it has ended, or was given up, unwanted
	StepStage   Verb = "stage"   // the strategy's next stage is about to be entered
	StepPromote Verb = "promote" // a stage is passed on somebody's word
	StepBack    Verb = "back"    // the rollout is about to be undone

	// A phase of what the release's migrations do to the database is done; Note
	// tells what it was.
	StepExpanded   Verb = "expanded"
	StepBackfilled Verb = "backfilled"
	StepContracted Verb = "contracted"
	StepEnd        Verb = "end" // the rollout is over
)

// A Step is one entry of the journal.
type Step struct {
	Seq      int64     `json:"seq"`
	At       time.Time `json:"at"`
	Rollout  int64     `json:"rollout"` // 0: outside any (an instance died and is replaced)
	Service  string    `json:"service"`
	Verb     Verb      `json:"verb"`
	Instance string    `json:"instance,omitempty"`
	Release  int       `json:"release,omitempty"`
	Stage    int       `json:"stage,omitempty"` // with stage and promote: its number
	Note     string    `json:"note,omitempty"`  // for people: the reason, the outcome
}
