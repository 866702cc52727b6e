package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// preStopQuits: the hook stops the program, and that is the first thing it does.
func preStopQuits(w *World, report lint.Report) {
	for x := range w.Served() {
		if !x.HandsOver() {
			continue
		}
		learns, last := x.Learns()
		for _, c := range x.Serving() {
			p := c.PreStop()
			if p.Quits == "" || p.Wait > 0 || c.Lingers() >= learns {
				continue
			}
			report(c.Find(
				fmt.Sprintf("the preStop hook begins with `%s`: the listener is closed at once, and %s learns of it up to %s later", p.Quits, last, sec(learns)),
				fmt.Sprintf("wait first: `sleep %d && %s`", whole(x.sleepFor(learns)), p.Quits),
				p.path...))
		}
	}
}
