package kubernetes

import (
	"fmt"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// quickStopSignal: the program takes its stop signal for an order to drop what
// it has.
func quickStopSignal(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, c := range x.Serving() {
			p := c.Running().Program
			if p == nil || p.Graceful == "" || c.PreStop().Quits != "" {
				continue
			}
			said := c.Lifecycle != nil && c.Lifecycle.StopSignal != nil
			switch {
			case said && p.Cuts(lint.Signal(string(*c.Lifecycle.StopSignal))):
				f := c.Find(
					fmt.Sprintf("the stop signal is %s, on which %s drops its requests in the middle; it finishes them on SIG%s", *c.Lifecycle.StopSignal, p.Name, p.Graceful),
					fmt.Sprintf("write `stopSignal: SIG%s`", p.Graceful),
					"lifecycle", "stopSignal")
				f.Fix = c.Put("SIG"+p.Graceful, "lifecycle", "stopSignal")
				report(f)
			case !said && p.Cuts("TERM") && stopsByTERM(c.Image):
				report(c.Find(
					fmt.Sprintf("the image %s stops by SIGTERM, on which %s drops its requests in the middle; it finishes them on SIG%s", c.Image, p.Name, p.Graceful),
					signalMend(p), "image"))
			case !said && p.Cuts("TERM") && p.ImageStop == "":
				f := c.Find(
					fmt.Sprintf("%s drops its requests on SIGTERM, which is what it gets unless the image's STOPSIGNAL says otherwise; it finishes them on SIG%s", p.Name, p.Graceful),
					signalMend(p), commandKey(c))
				f.Severity = lint.Warning
				report(f)
			}
		}
	}
}

// stopsByTERM: images of such programs that are known to leave STOPSIGNAL as it is.
func stopsByTERM(image string) bool {
	r := parseImage(image).Repository
	for _, of := range []string{"bitnami/", "bitnamilegacy/", "bitnamisecure/", "cgr.dev/chainguard/"} {
		if strings.HasPrefix(strings.TrimPrefix(r, "docker.io/"), of) {
			return true
		}
	}
	return false
}

func signalMend(p *lint.Program) string {
	return fmt.Sprintf("set STOPSIGNAL SIG%[1]s in the image, or `lifecycle: {stopSignal: SIG%[1]s}` with `os: {name: linux}`, or send it from the preStop hook after the wait", p.Graceful)
}

// commandKey is where a container says what it runs.
func commandKey(c Container) string {
	switch {
	case len(c.Args) > 0:
		return "args"
	case len(c.Command) > 0:
		return "command"
	}
	return "image"
}
