package featureflag

import "time"

// A Flag is one flag as the store keeps it (key "flag/" + Key, JSON): its definition,
// what has been laid over it by command, and how it came to that. What is in
// force is Definition if nothing is laid over it; a ramp stands before its
// targeting; a kill before everything.
type Flag struct {
	Key        string     `json:"key"`
	Definition Definition `json:"definition"`
	// File is a digest of the definition that a flags file brought last; a file
	// that still has it changes nothing, so that what was set by command since stays.
	File    string   `json:"file,omitempty"`
	Killed  *Stamp   `json:"killed,omitempty"`
	Ramp    *Ramp    `json:"ramp,omitempty"`
	Version int64    `json:"version"` // counts changes
	History []Change `json:"history"` // the newest last; at most HistoryKept
	// Removed: somebody has forgotten it; for RemovedKept its history is there still.
	Removed *Stamp `json:"removed,omitempty"`
	// Broken says why the store's entry cannot be read; then there is only Key. Whoever
	// evaluates the flag gets his own default, and Control.Remove forgets it.
	Broken string `json:"broken,omitempty"`
}

// HistoryKept is how many changes a flag remembers.
const HistoryKept = 100

// RemovedKept is for how long the history of a flag that was removed is there.
const RemovedKept = 30 * 24 * time.Hour

// A Stamp says when something was done, by whom and why.
type Stamp struct {
	At  time.Time `json:"at"`
	By  string    `json:"by"` // user@host, or segue's own: "ramp", "file", "shedding"
	Why string    `json:"why,omitempty"`
}

// A Change is a line of a flag's history.
type Change struct {
	Stamp
	What string `json:"what"` // for people: "killed", "ramp of on: 0 % to 100 % over 4h0m0s", "ramp stopped at 25 %", …
}

// A Ramp gives one variant to a growing share of those who ask. Who is in it
// follows from flagd's fractional over flag and targeting key, so that
// whoever has got it keeps it while the share grows.
type Ramp struct {
	Variant string        `json:"variant"`
	From    float64       `json:"from"` // percent, as To and Percent
	To      float64       `json:"to"`
	Over    time.Duration `json:"over"`    // from From to To; zero: at once
	Percent float64       `json:"percent"` // now
	State   RampState     `json:"state"`
	Stamp                 // of its begin
	// Guard stops it when the service does worse; nil does not look.
	Guard *Guard `json:"guard,omitempty"`
	// Ran is for how long it has run: it goes on from there when whoever moves it was away.
	Ran  time.Duration `json:"ran,omitempty"`
	Note string        `json:"note,omitempty"` // why it stopped, with the evidence
}

// RampState tells where a ramp stands.
type RampState string

const (
	RampRunning RampState = "running" // the agent moves it
	RampStopped RampState = "stopped" // by its guard or by command: it stays at Percent, or at Back to From
	RampDone    RampState = "done"    // it is at To
)

// A Guard says what a ramp must not do to the service. Errors are answers of
// 500 and above and requests that got none; the proxy counts both.
type Guard struct {
	Errors  float64       `json:"errors"`            // percent of requests, at most; 0: 1
	P95     time.Duration `json:"p95,omitempty"`     // at most; 0 is not looked at
	Back    bool          `json:"back,omitempty"`    // when it stops: back to From. False: stay at Percent
	Service string        `json:"service,omitempty"` // whose requests are looked at; "": those of the one whose store it is
}

// Shed is what the store keeps (key "flagshed") while the service is short of
// capacity: flags up to this Importance are at their off variant. No entry: none are.
type Shed struct {
	Level string `json:"level"` // "low", "normal" or "high"
	Stamp
}
