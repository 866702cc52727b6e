package kubernetes

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// note is the newest warning of one reason about one object.
type note struct {
	reason, text string
	at           time.Time
}

// notes are the warnings about a service's objects, by their UID.
type notes map[string]map[string]note

func (n notes) add(e *corev1.Event) {
	uid := string(e.InvolvedObject.UID)
	if n[uid] == nil {
		n[uid] = map[string]note{}
	}
	at := lastSeen(e)
	if !at.Before(n[uid][e.Reason].at) {
		n[uid][e.Reason] = note{reason: e.Reason, text: e.Message, at: at}
	}
}

// newest is the latest note of one of the reasons. How old it is says little:
// what repeats itself is reported ever less often.
func (n notes) newest(uid string, reasons ...string) (note, bool) {
	var found note
	for _, reason := range reasons {
		if e, ok := n[uid][reason]; ok && e.at.After(found.at) {
			found = e
		}
	}
	return found, found.text != ""
}

func lastSeen(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

// The warnings that tell why a pod in a state gets no further.
var telling = map[State][]string{
	Scheduling: {"FailedScheduling"},
	Pulling:    {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady", "Failed", "InspectFailed"},
	Starting:   {"Failed", "FailedPostStartHook", "FailedSync"},
	Probing:    {"Unhealthy"},
	Draining:   {"FailedPreStopHook", "FailedKillPod"},
}

// explain adds to a pod what the warnings say about it.
func (n notes) explain(p *Pod) {
	e, ok := n.newest(p.UID, telling[p.State]...)
	switch {
	case !ok:
	case p.Why == "":
		p.Why = e.text
		p.Hanging = p.State != Probing
	case p.State == Probing, e.reason == "FailedPostStartHook":
		p.Why = e.text + "; " + p.Why
	}
}
