package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// sleepWithoutShell: the hook runs what the image does not have.
func sleepWithoutShell(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		for _, c := range append(x.Containers(), x.Sidecars()...) {
			if c.Lifecycle == nil || c.Lifecycle.PreStop == nil || c.Lifecycle.PreStop.Exec == nil || !withoutShell(c.Image) {
				continue
			}
			p := c.PreStop()
			if p.Total == 0 { // a program of the image's own, for all we know
				continue
			}
			f := c.Find(
				fmt.Sprintf("the image %s has no shell and no `sleep`: the hook fails at once, and the %s that it was to wait are not waited", c.Image, sec(p.Total)),
				fmt.Sprintf("write `preStop: {sleep: {seconds: %d}}`, which the kubelet does itself", whole(p.Total)),
				"lifecycle", "preStop", "exec")
			if p.Known && p.Quits == "" {
				f.Fix = c.Put(fmt.Sprintf("{sleep: {seconds: %d}}", whole(p.Total)), "lifecycle", "preStop")
			}
			report(f)
		}
	}
}
