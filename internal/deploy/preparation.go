package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// A Preparation is a step of Service.Prepare that was done for a service. It is
// not done again by later releases that have the same one.
type Preparation struct {
	Service string    `json:"service"`
	Name    string    `json:"name"`
	Digest  string    `json:"digest"`  // of its definition
	Release int       `json:"release"` // in whose folder and environment it ran
	Who     string    `json:"who"`
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended"`
}

// Digest tells commands apart. It does not cover the files that a command reads,
// its own program among them: what such a step is to do again has another name,
// or other arguments.
func (h Hook) Digest() string {
	sum := sha256.New()
	for _, word := range h.Command {
		fmt.Fprintf(sum, "%d:%s", len(word), word)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}
