package deploy

import "time"

// Shedding says when a Service is short of capacity, and what it then turns away
// first. What is zero is not looked at.
type Shedding struct {
	InFlight int           `json:"in_flight,omitempty"` // requests at once, of one Instance
	P95      time.Duration `json:"p95,omitempty"`       // until the answer begins
	Errors   float64       `json:"errors,omitempty"`    // percent
	Routes   []Ranked      `json:"routes,omitempty"`    // others are normal
}

// Ranked says how much the requests below a path matter: low, normal, high or
// critical.
type Ranked struct {
	Path       string `json:"path"` // prefix, matched at segment boundaries
	Importance string `json:"importance"`
}
