package plane

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// auditPolicy has the calls of one user written down, each when it is answered;
// a watch, when its answer begins.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: [%q]}
- {level: None}
`

// Calls counts calls of the API by what they did: "watch pods", "patch deployments".
type Calls map[string]int

// Total is all of them.
func (c Calls) Total() int {
	n := 0
	for _, v := range c {
		n += v
	}
	return n
}

// Less is what came on top of earlier, which was counted before.
func (c Calls) Less(earlier Calls) Calls {
	rest := Calls{}
	for k, v := range c {
		if n := v - earlier[k]; n != 0 {
			rest[k] = n
		}
	}
	return rest
}

// Without leaves out what ends with one of these, such as "leases".
func (c Calls) Without(suffixes ...string) Calls {
	rest := maps.Clone(c)
	maps.DeleteFunc(rest, func(k string, _ int) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(k, s) })
	})
	return rest
}

func (c Calls) String() string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(c)) {
		words = append(words, fmt.Sprintf("%d × %s", c[k], k))
	}
	return strings.Join(words, ", ")
}

// Calls are those that the counted user has made so far.
func (p *Plane) Calls() Calls {
	p.t.Helper()
	f, err := os.Open(p.file("audit.log"))
	p.must(err)
	defer f.Close()
	calls := Calls{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Stage, Verb, RequestURI string
			ObjectRef               struct{ Resource, Subresource string }
		}
		p.must(json.Unmarshal(lines.Bytes(), &event))
		if (event.Verb == "watch") != (event.Stage == "ResponseStarted") {
			continue // the other end of it
		}
		what := event.ObjectRef.Resource
		if what == "" {
			what, _, _ = strings.Cut(event.RequestURI, "?")
		}
		if sub := event.ObjectRef.Subresource; sub != "" {
			what += "/" + sub
		}
		calls[event.Verb+" "+what]++
	}
	p.must(lines.Err())
	return calls
}
