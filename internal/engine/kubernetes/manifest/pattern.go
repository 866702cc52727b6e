package manifest

import (
	"regexp"
	"sync"
)

// pattern is a regular expression that is compiled when it is first asked for:
// every process of Segue would pay for it otherwise, and few ever write manifests.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
