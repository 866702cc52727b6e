package deploy

import (
	"fmt"
	"time"
)

// State is where an Instance stands in its life.
type State string

const (
	Starting State = "starting" // recorded, perhaps running, not yet ready
	Ready    State = "ready"    // passed its probes, gets no requests yet
	Serving  State = "serving"  // in the routes (a worker: at work)
	Draining State = "draining" // out of the routes, finishing its requests
	Stopping State = "stopping" // signalled
	Stopped  State = "stopped"  // gone because we wanted it
	Failed   State = "failed"   // gone or given up, and not because we wanted it
)

// legal lists the moves of an Instance. An instance may fail at any time while
// it lives, and may be stopped from any living state: without a drain only
// when it is unfit.
var legal = map[State][]State{
	Starting: {Ready, Stopping, Failed},
	Ready:    {Serving, Stopping, Failed},
	Serving:  {Draining, Stopping, Failed},
	Draining: {Stopping, Failed},
	Stopping: {Stopped, Failed},
	Stopped:  nil,
	Failed:   nil,
}

// Live reports whether the state is one in which a process may be running.
func (s State) Live() bool { return s != Stopped && s != Failed && s != "" }

// To checks that moving from s to next is legal.
func (s State) To(next State) error {
	for _, t := range legal[s] {
		if t == next {
			return nil
		}
	}
	return fmt.Errorf("an instance cannot go from %s to %s", s, next)
}

// An Instance is one running copy of a Release.
type Instance struct {
	ID      string    `json:"id"` // unique within the state folder: "shop-7-3"
	Service string    `json:"service"`
	Release int       `json:"release"`
	Gen     int64     `json:"gen"` // the Rollout whose wanted outcome it is part of; see Rollout.ToGen
	State   State     `json:"state"`
	Port    int       `json:"port,omitempty"` // loopback port it was given; 0 for a worker
	PID     int       `json:"pid,omitempty"`  // of its session leader; 0 until it is known
	Born    uint64    `json:"born,omitempty"` // start time of PID in clock ticks since boot, so that a reused pid is not mistaken for it
	Started time.Time `json:"started"`
	Why     string    `json:"why,omitempty"` // how it failed
}

// Addr is where it listens, or "" for a worker.
func (i *Instance) Addr() string {
	if i.Port == 0 {
		return ""
	}
	return fmt.Sprintf("127.0.0.1:%d", i.Port)
}
