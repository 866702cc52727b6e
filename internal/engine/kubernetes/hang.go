package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

const (
	explainedPods  = 3  // whose logs are asked for
	explainedLines = 10 // of each
)

// trouble is something that is wrong with pods, which are then alike.
type trouble struct {
	state State
	why   string
	pods  []Pod
}

// Explain says in a few lines for people why a Deployment gets no further: each
// thing that is wrong, in the cluster's words, with how many of the newest pods
// have it and what the program of one of them wrote last. "" if nothing is known
// to be wrong. The logs of at most three pods are asked for.
func (c *Cluster) Explain(ctx context.Context, p Picture, deployment string) string {
	var said []string
	if d, ok := p.Deployment(deployment); ok && d.Stuck != "" {
		said = append(said, d.Stuck)
	}
	for i, t := range troubles(p.Of(deployment)) {
		said = append(said, t.String())
		if i < explainedPods && t.pods[0].mayHaveWritten() {
			said = append(said, c.lastWords(ctx, t.pods[0])...)
		}
	}
	return strings.Join(said, "\n")
}

// troubles are what is wrong with a Deployment's newest pods, what most of them
// have first.
func troubles(pods []Pod) []trouble {
	found := map[string]*trouble{}
	for _, p := range pods {
		if !p.Current || p.Why == "" || p.State == Ready || p.State == Draining {
			continue
		}
		// Messages name the pod; without its name they are alike.
		why := strings.ReplaceAll(strings.ReplaceAll(p.Why, p.UID, "…"), p.Name, "…")
		key := string(p.State) + " " + why
		if found[key] == nil {
			found[key] = &trouble{state: p.State, why: p.Why}
		}
		found[key].pods = append(found[key].pods, p)
	}
	var all []trouble
	for _, t := range found {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b trouble) int {
		return cmp.Or(cmp.Compare(len(b.pods), len(a.pods)), cmp.Compare(a.why, b.why))
	})
	return all
}

func (t trouble) String() string {
	who := t.pods[0].Name
	if n := len(t.pods); n > 1 {
		who = fmt.Sprintf("%d pods (%s and others)", n, who)
	}
	return fmt.Sprintf("%s: %s: %s", who, t.state, t.why)
}

// mayHaveWritten reports whether what the pod is stuck with has run.
func (p Pod) mayHaveWritten() bool {
	return p.Crashed || p.State == Probing || p.State == Gone || p.suspect != p.Container && p.State == Starting
}

// lastWords are the last lines of a pod's program, indented; of the one that
// has crashed, if it has.
func (c *Cluster) lastWords(ctx context.Context, p Pod) []string {
	r := reading{pod: p.Name, container: cmp.Or(p.suspect, p.Container), lines: explainedLines, previous: p.Crashed && p.State == Probing}
	var lines []string
	err := c.read(ctx, r, func(l LogLine) error {
		// What the status has of it, which may be its end, is told already.
		if !strings.Contains(p.Why, l.Line) {
			lines = append(lines, "  | "+l.Line)
		}
		return nil
	})
	if err != nil && len(lines) == 0 {
		return nil // its log is gone; what is wrong has been said
	}
	return lines
}
