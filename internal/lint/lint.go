// Package lint finds what in Kubernetes manifests, compose files and systemd
// units loses requests when a service is replaced. It reads files, gives every
// object in them a place, runs rules over all of them together, and reports
// findings with their line, the hazard, and the mend.
//
// It knows no rule: those are in its subfolders, a set for each kind of file.
package lint

import (
	"fmt"
	"time"
)

// A Kind is what a file holds.
type Kind string

const (
	Kubernetes Kind = "kubernetes"
	Compose    Kind = "compose"
	Systemd    Kind = "systemd"
)

// Severity says how sure it is that requests are lost. The zero value stands
// for what the rule's documentation says.
type Severity string

const (
	Error   Severity = "error"   // on every replacement
	Warning Severity = "warning" // sometimes: under load, or when a node is drained
)

// Facts are what the files cannot know. What a manifest says of itself (the
// annotations segue.dev/drain and segue.dev/slowest-request) goes before them.
type Facts struct {
	Drain       time.Duration // how long the program needs to finish after the signal; 0 is unknown
	Propagation time.Duration // until everybody has learned that an endpoint is gone
	Slowest     time.Duration // the longest request; 0 is unknown
}

// A Finding is one hazard at one place.
type Finding struct {
	At        Place
	Container string // in At.Object, if it has several
	Hazard    string // what is lost and why, with the numbers of this file: one sentence, no full stop
	Mend      string // what to write: an imperative, no full stop
	Fix       *Fix   // nil if only a human can mend it
	Severity  Severity

	Rule string // filled in by the engine
}

// Report takes a finding. A rule calls it as often as it likes.
type Report func(Finding)

// A Place is a line and a column (both from 1; columns count characters) in a
// file, and the object that it belongs to.
type Place struct {
	File   *File
	Line   int
	Column int
	Object *Object
}

func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File.Name, p.Line, p.Column) }

// A Problem is why a file, or an object in it, cannot be looked at.
type Problem struct {
	At   Place
	What string
	Mend string
}

func (p *Problem) Error() string {
	if p.Mend == "" {
		return p.At.String() + ": " + p.What
	}
	return p.At.String() + ": " + p.What + "; " + p.Mend
}
