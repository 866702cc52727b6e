package migrate

import (
	"fmt"
	"strings"
)

// A RefusedError is what Expand returns when the gate refuses statements; nothing
// was changed.
type RefusedError struct{ Findings []Finding }

// Error names the rules and their places.
func (e *RefusedError) Error() string {
	var all []string
	for _, f := range e.Findings {
		if f.Refused {
			all = append(all, fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Rule))
		}
	}
	return "the gate refuses: " + strings.Join(all, "; ")
}
