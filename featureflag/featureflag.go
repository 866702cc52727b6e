// Package featureflag turns what a service does on, up and off while it runs.
//
// It promises:
//
//   - Flags are evaluated in process, from memory: no evaluation waits for anything,
//     and none fails because a store, an agent or a network does. What cannot be
//     evaluated is the default that the caller gives.
//   - The same answer everywhere. Definitions are flagd's JSON, with its targeting,
//     and a user's variant follows from the flag, the user and the definition alone:
//     any evaluator of flagd's definitions, in any language, gives the same one.
//   - A ramp only adds. While a variant is ramped up, nobody who has it loses it.
//   - A kill is in force in every process that can reach the store within a second,
//     and a process that cannot keeps the values it has.
//   - Nothing changes unrecorded: each change has its time, its author and its why.
//
// A [Set] is what is in force; [Flags] keeps one up with a store, and [Control]
// changes what is there, which is what `segue flag` uses. Package
// featureflag/openfeature is the provider for OpenFeature's SDK, package
// featureflag/ofrep serves a Set to other languages.
package featureflag

import "encoding/json"

// A Definition is a flag as flagd's JSON has it (flagd.dev, schema v0 "flags").
type Definition struct {
	State          string                     `json:"state"`                    // Enabled or Disabled
	Variants       map[string]json.RawMessage `json:"variants"`                 // values, all of one type
	DefaultVariant *string                    `json:"defaultVariant,omitempty"` // nil: the caller's default
	Targeting      json.RawMessage            `json:"targeting,omitempty"`      // JsonLogic that gives the name of a variant, or null
	// Metadata is told with each evaluation. These keys of it are ours:
	// "importance", see Importance; "public": true shows the flag to browsers;
	// "off": the variant that is in force while the flag is killed or shed.
	Metadata map[string]any `json:"metadata,omitempty"`
}

// States of a flag in flagd's JSON.
const (
	Enabled  = "ENABLED"
	Disabled = "DISABLED"
)

// Definitions are flagd's whole document.
type Definitions struct {
	Schema     string                     `json:"$schema,omitempty"`
	Flags      map[string]Definition      `json:"flags"`
	Evaluators map[string]json.RawMessage `json:"$evaluators,omitempty"` // what {"$ref": name} in Targeting stands for
	Metadata   map[string]any             `json:"metadata,omitempty"`    // told with every flag's
}

// Importance ranks what a service does, for when it cannot do all of it. What
// matters least is turned down first, what is Critical never.
type Importance int

const (
	Normal   Importance = iota // the zero value
	Low                        // turned down before Normal
	High                       // turned down after Normal
	Critical                   // never turned down
)

// A Context is for whom, or for what, a flag is evaluated.
type Context struct {
	// Key is OpenFeature's targeting key: who gets a variant, and keeps it, such
	// as the ID of a user. Empty is nobody in particular.
	Key string
	// Attributes are what targeting may look at beside it. Values are those of
	// JSON: string, bool, float64 (int, int64 and the like are taken, too), map[string]any, []any, nil.
	Attributes map[string]any
}

// For is the Context of one user.
func For(key string) Context { return Context{Key: key} }

// A Reason says why an evaluation gave what it gave (OpenFeature specification, 1.4.7
// and types: resolution reason).
type Reason string

const (
	Static         Reason = "STATIC"          // the default variant; there is no targeting
	Default        Reason = "DEFAULT"         // the default variant; targeting named none
	TargetingMatch Reason = "TARGETING_MATCH" // targeting named it
	IsDisabled     Reason = "DISABLED"        // the caller's default: disabled, or killed or shed without an off variant
	Failed         Reason = "ERROR"           // the caller's default: see Err
)

// An ErrorCode is one of OpenFeature's.
type ErrorCode string

const (
	FlagNotFound   ErrorCode = "FLAG_NOT_FOUND"
	ParseError     ErrorCode = "PARSE_ERROR"
	TypeMismatch   ErrorCode = "TYPE_MISMATCH"
	InvalidContext ErrorCode = "INVALID_CONTEXT"
	General        ErrorCode = "GENERAL"
)

// An Evaluation is what a flag is for somebody. Variant "" is the caller's default.
type Evaluation struct {
	Value    any // bool, string, float64, map[string]any or []any; nil without a Variant
	Variant  string
	Reason   Reason
	Metadata map[string]any // not to be changed
	Err      ErrorCode      // "" when there is none
	Detail   string         // of Err, for people
}
