package kubernetes

import "github.com/seguehq/segue/internal/lint"

// noHistory: there is nothing to go back to.
func noHistory(w *World, report lint.Report) {
	for x := range w.Served() {
		var limit *int32
		switch {
		case x.Deployment != nil:
			limit = x.Deployment.Spec.RevisionHistoryLimit
		case x.StatefulSet != nil:
			limit = x.StatefulSet.Spec.RevisionHistoryLimit
		case x.Rollout != nil:
			limit = x.Rollout.Spec.RevisionHistoryLimit
		}
		if limit == nil || *limit > 0 {
			continue
		}
		report(lint.Finding{
			At:     x.At("spec", "revisionHistoryLimit"),
			Hazard: "old versions are deleted at once: a bad one cannot be taken back, and loses requests until another is built and deployed",
			Mend:   "leave revisionHistoryLimit out, which is 10, or set it to 2 or more",
			Fix:    x.Put("10", "spec", "revisionHistoryLimit"),
		})
	}
}
