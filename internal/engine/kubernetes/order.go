package kubernetes

import (
	"context"
	"errors"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// An Order is a deploy that somebody wants.
type Order struct {
	Spec  deploy.Service
	Env   deploy.Environment
	Image string // reference, by digest where that is known
	Segue string // reference of an image whose entry point is segue, for migrations; "" there are none
	Tree  string // digest of the release's files; "" where somebody else has built the image
	Dir   string // folder on this machine in which checks by exec are asked

	Who     string
	Why     string // for the history
	Against string // the window or freeze that was overridden for it
	Now     bool   // deploy also a release that lacks migrations which are contracted

	Force bool // replace the pods even when nothing has changed
	Wait  bool // for what somebody else has under way, rather than be refused
	Adopt bool // take over objects of the same names that somebody else has made
	Drill Drill
}

// A Request is anything else that somebody wants of a service in the cluster.
type Request struct {
	Service  string
	Release  int    // of Rollback; 0: the one that served before
	Replicas int    // of Scale
	Purge    bool   // of Down: the history goes, too
	Now      bool   // of Contract: before its time, for which Why has the reason
	Segue    string // of Contract: as in Order; "" the one that has expanded
	Full     bool   // of Promote: through all stages, whatever they wait for
	Dir      string // as in Order: a rollback may go on with a rollout that has checks

	Who   string
	Why   string
	Wait  bool // for what somebody else has under way, rather than be refused
	Drill Drill
}

// A Drill sends requests to the service while it is replaced, and is asked what
// became of them. A nil one is none.
type Drill interface {
	// Start returns when requests flow, or says why they cannot. They flow until
	// Stop or until ctx ends.
	Start(ctx context.Context) error
	// Stop ends the drill and waits for the answers that are still to come. Lost
	// and Report are final then.
	Stop(ctx context.Context) error
	// Lost is how many requests were lost so far. It may be called at any time.
	Lost() int
	// Allowed is how many lost requests do not undo the rollout.
	Allowed() int
	// Report explains for people what was lost, and where, in a few lines.
	Report() string
	// Done is closed when the drill has ended, by itself or not.
	Done() <-chan struct{}
}

// EventKind says what an Event tells of, and which of its fields are set.
type EventKind string

const (
	EventStep    EventKind = "step"    // Step: it is about to be done, and is written in the cluster
	EventObject  EventKind = "object"  // Object: it was made, changed or removed
	EventPod     EventKind = "pod"     // Pod: it has come to another state
	EventHook    EventKind = "hook"    // Hook has written Text
	EventNote    EventKind = "note"    // Text: what is waited for, or was found
	EventWarning EventKind = "warning" // Text: what is not as one would wish
	EventEnd     EventKind = "end"     // End, Reason: the last event of a rollout
)

// An Event is one thing that happened in a rollout.
type Event struct {
	At      time.Time    `json:"at"`
	Kind    EventKind    `json:"kind"`
	Service string       `json:"service"`
	Rollout int64        `json:"rollout,omitempty"`
	Stage   int          `json:"stage"`            // counted from 0
	Stages  int          `json:"stages,omitempty"` // how many there are
	Step    *deploy.Step `json:"step,omitempty"`
	Object  *Change      `json:"object,omitempty"`
	Pod     *Pod         `json:"pod,omitempty"`
	Hook    string       `json:"hook,omitempty"`
	Text    string       `json:"text,omitempty"` // for people, of one line or more
	End     deploy.Phase `json:"end,omitempty"`
	Reason  string       `json:"reason,omitempty"` // with End: why it was rolled back
}

// A Plan is what Deploy would do.
type Plan struct {
	Service  string      `json:"service"`
	Kind     deploy.Kind `json:"kind"`
	From     int         `json:"from"` // release; 0: none
	To       int         `json:"to"`
	Nothing  bool        `json:"nothing,omitempty"` // all is as asked
	Stages   []string    `json:"stages,omitempty"`
	Changes  []Change    `json:"changes,omitempty"`
	Warnings []string    `json:"warnings,omitempty"`
}

// ErrNothing is returned when the service is already what it is asked to become.
var ErrNothing = errors.New("nothing to do, all is as asked")

// ErrLeft is in the error of a call that ended before its rollout did: nothing
// in the cluster works on it any more than Kubernetes itself does. The error says
// how somebody goes on with it.
var ErrLeft = errors.New("the rollout was left")

// A BusyError says that somebody else works on the service.
type BusyError struct {
	Service string
	Holder  string // who@host
	Since   time.Time
}

// Error implements error.
func (e *BusyError) Error() string {
	return e.Service + " is being changed by " + e.Holder + " since " + e.Since.Local().Format(time.TimeOnly) +
		"; `segue status` shows it, --wait waits for it, `segue rollback " + e.Service + "` calls it off"
}
