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
	ToGen    int64     `json:"to_gen"`   // generation of those that replace them: the rollout's own ID, or FromGen for a scale, which replaces none
	Replicas int       `json:"replicas"` // wanted at its end
	Before   int       `json:"before"`   // wanted when it began, and again if it is undone
	Phase    Phase     `json:"phase"`
	Who      string    `json:"who"`
	Why      string    `json:"why,omitempty"`
	Reason   string    `json:"reason,omitempty"` // why it was rolled back
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"`
}

// Kind says what made the rollout.
type Kind string

const (
	KindDeploy   Kind = "deploy"
	KindRollback Kind = "rollback" // to an older release, by command
	KindScale    Kind = "scale"
	KindRestart  Kind = "restart"
	KindDown     Kind = "down"

	// KindPause is no rollout: the history tells of a pause beside them, with
	// the ID 0 and no releases.
	KindPause Kind = "pause"
)

// Verb is what a Step does; each is written to the journal before it is done.
type Verb string

const (
	StepBegin  Verb = "begin"  // the rollout exists
	StepStart  Verb = "start"  // an instance is about to be started
	StepReady  Verb = "ready"  // it passed its probes
	StepShift  Verb = "shift"  // it is about to enter the routes
	StepDrain  Verb = "drain"  // it is about to leave the routes
	StepStop   Verb = "stop"   // it is about to be signalled
	StepGone   Verb = "gone"   // it has ended as wanted
	StepFailed Verb = "failed" // it has ended, or was given up, unwanted
	StepBack   Verb = "back"   // the rollout is about to be undone
	StepEnd    Verb = "end"    // the rollout is over
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
	Note     string    `json:"note,omitempty"` // for people: the reason, the outcome
}
