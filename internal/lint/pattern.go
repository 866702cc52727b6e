package lint

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression that is compiled when it is first needed.
// Every process of Segue pays for what its packages do at their start, and few
// of them lint.
func Pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
