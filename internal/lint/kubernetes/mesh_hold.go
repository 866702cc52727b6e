package kubernetes

import "github.com/seguehq/segue/internal/lint"

// meshHold: the program is there before its network.
func meshHold(w *World, report lint.Report) {
	for x := range w.Served() {
		c, said := x.istio()
		hold := c.HoldApplicationUntilProxyStarts
		f := lint.Finding{Mend: "set holdApplicationUntilProxyStarts: true in " + istioConfig + ", or use native sidecars"}
		switch {
		case hold != nil && *hold || x.Pod.Annotations[istioNative] == "true":
			continue
		case said && hold != nil:
			f.At = x.podOf.At(x.atNote(istioConfig)...)
			f.Hazard = "holdApplicationUntilProxyStarts is false: the program starts while Istio's proxy does, and until that is ready whatever it opens is refused"
		case x.Pod.Annotations[istioNative] == "false":
			f.At = x.podOf.At(x.atNote(istioNative)...)
			f.Hazard = "Istio's proxy is no native sidecar, and the program is not held back until it is ready: until then whatever it opens is refused"
		default:
			continue
		}
		report(f)
	}
}
