package kubernetes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// State is where a pod is in its life.
type State string

// The states of a pod, in their order.
const (
	Scheduling State = "scheduling" // a node is looked for
	Pulling    State = "pulling"    // volumes, network and image are fetched
	Starting   State = "starting"   // what comes before its program runs, or the program is made anew
	Probing    State = "probe"      // its program runs, and is not ready
	Ready      State = "ready"
	Draining   State = "draining" // told to go, and still there
	Gone       State = "gone"     // ended
)

// Pod is one of them.
type Pod struct {
	Name       string    `json:"name"`
	UID        string    `json:"uid"`
	Deployment string    `json:"deployment"`
	Node       string    `json:"node,omitempty"` // "" until it has one
	Zone       string    `json:"zone,omitempty"` // "" unknown
	IP         string    `json:"ip,omitempty"`
	Release    int       `json:"release,omitempty"`  // 0 unknown
	Template   string    `json:"template,omitempty"` // hash of the template that it was made from
	Current    bool      `json:"current,omitempty"`  // of its Deployment's newest template
	State      State     `json:"state"`
	Since      time.Time `json:"since,omitzero"` // of State, as far as the cluster tells
	Until      time.Time `json:"until,omitzero"` // of Draining: it is killed then
	Born       time.Time `json:"born"`
	Restarts   int       `json:"restarts,omitempty"`
	Container  string    `json:"container"` // that of the program

	// Why it is not ready, in the cluster's words; "" nothing is known to be wrong.
	Why string `json:"why,omitempty"`
	// Hanging: what is Why will not go away by itself in a moment. A probe that
	// fails is no such thing: that may be how the program starts.
	Hanging bool `json:"hanging,omitempty"`
	Crashed bool `json:"crashed,omitempty"` // its program has ended before, and may have told why

	Listed  bool `json:"listed,omitempty"`  // an EndpointSlice knows it
	Serving bool `json:"serving,omitempty"` // and says that it answers, be it on its way out
	Routed  bool `json:"routed,omitempty"`  // and says that it is to be sent new requests

	Services []string `json:"services,omitempty"` // by whose EndpointSlices it is Routed

	exit    int    // its program's exit code; -1 it has not ended
	suspect string // the container for which it is not ready; "" none
}

// podOf is what a Pod says of itself; the rest of a Picture is not known here.
func podOf(p *corev1.Pod) Pod {
	release, _ := strconv.Atoi(p.Labels[LabelRelease]) // none from `segue render`
	pod := Pod{
		Name: p.Name, UID: string(p.UID), Deployment: p.Labels[LabelDeployment], Release: release,
		Template: p.Labels["pod-template-hash"], Node: p.Spec.NodeName, Zone: p.Labels[corev1.LabelTopologyZone], IP: p.Status.PodIP,
		Born: p.CreationTimestamp.Time, Container: programOf(p), exit: -1,
	}
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == pod.Container {
			pod.Restarts = int(s.RestartCount)
			if t := s.State.Terminated; t != nil {
				pod.exit = int(t.ExitCode)
			}
			pod.Crashed = s.LastTerminationState.Terminated != nil || s.State.Terminated != nil && s.State.Terminated.ExitCode != 0
		}
	}
	if p.DeletionTimestamp != nil {
		pod.Until = p.DeletionTimestamp.Time
	}
	l := lifeOf(p)
	pod.State, pod.Since, pod.Why, pod.Hanging, pod.suspect = l.state, l.since, l.why, l.hanging, l.container
	return pod
}

// programOf is the container that the logs of a pod are those of: the one called
// like the service, or what kubectl would take.
func programOf(p *corev1.Pod) string {
	names := make([]string, 0, len(p.Spec.Containers))
	for _, c := range p.Spec.Containers {
		names = append(names, c.Name)
	}
	for _, wanted := range []string{p.Labels[LabelName], p.Annotations["kubectl.kubernetes.io/default-container"]} {
		if slices.Contains(names, wanted) {
			return wanted
		}
	}
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// life is where a pod is, since when and why.
type life struct {
	state   State
	since   time.Time
	why     string
	hanging bool

	container string // that keeps it there; "" none
}

func lifeOf(p *corev1.Pod) life {
	switch {
	case p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed:
		return ended(p)
	case p.DeletionTimestamp != nil:
		return leaving(p)
	}
	scheduled := condition(p, corev1.PodScheduled)
	if scheduled.Status != corev1.ConditionTrue {
		return life{state: Scheduling, since: p.CreationTimestamp.Time, why: scheduled.Message, hanging: scheduled.Message != ""}
	}
	l := life{state: Pulling, since: scheduled.LastTransitionTime.Time}
	if ready := condition(p, corev1.PodReady); ready.Status == corev1.ConditionTrue {
		return life{state: Ready, since: ready.LastTransitionTime.Time}
	}
	for n, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		of, ok := containerLife(s, l.since)
		if !ok {
			continue
		}
		if of.state == Probing && n < len(p.Status.InitContainerStatuses) {
			of.state = Starting // the program does not run yet, and has no log
		}
		if of.why != "" && s.Name != programOf(p) {
			of.why = "container " + s.Name + ": " + of.why
		}
		if of.state == Probing { // perhaps again, after it was ready
			of.since = later(of.since, condition(p, corev1.PodReady).LastTransitionTime.Time)
		}
		of.container = s.Name
		return of
	}
	if gate := missingGate(p); gate != "" {
		return life{state: Probing, since: condition(p, corev1.ContainersReady).LastTransitionTime.Time, why: gate}
	}
	return l
}

// containerLife is the life of a pod whose container has this status; false if
// the container keeps nobody waiting.
func containerLife(s corev1.ContainerStatus, since time.Time) (life, bool) {
	switch {
	case s.State.Waiting != nil:
		return waiting(s, since), true
	case s.State.Terminated != nil && s.State.Terminated.ExitCode == 0 && s.Ready:
		return life{}, false // an init container that is done
	case s.State.Terminated != nil:
		t := s.State.Terminated
		return life{state: Starting, since: t.FinishedAt.Time, why: lastEnd(t, s.RestartCount), hanging: t.ExitCode != 0}, true
	case s.State.Running != nil && !s.Ready:
		l := life{state: Probing, since: s.State.Running.StartedAt.Time}
		if t := s.LastTerminationState.Terminated; t != nil {
			l.why = lastEnd(t, s.RestartCount)
		}
		return l, true
	}
	return life{}, false
}

// waiting is the life of a pod whose container is not made yet, or not again.
func waiting(s corev1.ContainerStatus, since time.Time) life {
	w := s.State.Waiting
	l := life{state: Starting, since: since}
	switch w.Reason {
	case "ContainerCreating":
		l.state = Pulling
		return l
	case "PodInitializing", "":
		return l
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed":
		l.state = Pulling
	}
	l.why, l.hanging = said(w.Reason, w.Message), true
	if t := s.LastTerminationState.Terminated; t != nil {
		l.since, l.why = t.FinishedAt.Time, said(w.Reason, lastEnd(t, s.RestartCount))
	}
	return l
}

// lastEnd says how a container ended.
func lastEnd(t *corev1.ContainerStateTerminated, restarts int32) string {
	how := "ended with exit code " + strconv.Itoa(int(t.ExitCode))
	switch {
	case t.Reason == "OOMKilled":
		how = "was killed because it used more memory than its limit (OOMKilled)"
	case t.Signal != 0 || t.ExitCode > 128:
		signal := max(t.Signal, t.ExitCode-128)
		how = "was ended by signal " + strconv.Itoa(int(signal))
	case t.Reason != "" && t.Reason != "Error" && t.Reason != "Completed":
		how += " (" + t.Reason + ")"
	}
	if restarts > 1 {
		how += fmt.Sprintf(" (restart %d)", restarts)
	}
	if words := strings.TrimSpace(t.Message); words != "" {
		lines := strings.Split(words, "\n")
		how += ": " + strings.Join(lines[max(0, len(lines)-statusLines):], " | ")
	}
	return how
}

// statusLines is how many of the last lines of a program stand in a pod's Why,
// where its status has them (terminationMessagePolicy: FallbackToLogsOnError).
const statusLines = 3

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ended is a pod that runs no more, and that somebody may yet have to remove.
func ended(p *corev1.Pod) life {
	l := life{state: Gone, since: p.CreationTimestamp.Time}
	for _, s := range p.Status.ContainerStatuses {
		if t := s.State.Terminated; t != nil {
			l.since = t.FinishedAt.Time
			if t.ExitCode != 0 {
				l.why = lastEnd(t, s.RestartCount)
			}
		}
	}
	if p.Status.Reason != "" {
		l.why = said(p.Status.Reason, p.Status.Message) // Evicted, Preempting, NodeShutdown
	}
	return l
}

// leaving is a pod that has been told to go: at what the cluster calls its
// deletion time, it will be killed.
func leaving(p *corev1.Pod) life {
	l := life{state: Draining, since: p.DeletionTimestamp.Time}
	if p.DeletionGracePeriodSeconds != nil {
		l.since = l.since.Add(-time.Duration(*p.DeletionGracePeriodSeconds) * time.Second)
	}
	if why := condition(p, corev1.DisruptionTarget); why.Status == corev1.ConditionTrue {
		l.why = said(why.Reason, why.Message)
	}
	return l
}

// missingGate is the readiness gate that a pod waits for whose containers are
// all ready; "" none.
func missingGate(p *corev1.Pod) string {
	if condition(p, corev1.ContainersReady).Status != corev1.ConditionTrue {
		return ""
	}
	for _, g := range p.Spec.ReadinessGates {
		if condition(p, g.ConditionType).Status != corev1.ConditionTrue {
			return "waits for its readiness gate " + string(g.ConditionType)
		}
	}
	return ""
}

func condition(p *corev1.Pod, kind corev1.PodConditionType) corev1.PodCondition {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return corev1.PodCondition{}
}

// said is a reason with its message, which may be empty or say it already.
func said(reason, message string) string {
	switch {
	case message == "":
		return reason
	case strings.Contains(message, reason):
		return message
	}
	return reason + ": " + message
}
