package kubernetes

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/seguehq/segue/internal/lint"
)

// sessionAffinity: clients belong to pods.
func sessionAffinity(w *World, report lint.Report) {
	for _, i := range w.Ingresses {
		if key, ok := cookieAffinity(i.Is.Annotations); ok {
			report(lint.Finding{
				At:     i.At("metadata", "annotations", key),
				Hazard: "a client is tied to a pod by a cookie: what it has there is lost when the pod is replaced",
				Mend:   "keep sessions where all pods find them, and do without",
			})
		}
	}
	for _, s := range w.Services {
		if s.Is.Spec.SessionAffinity != corev1.ServiceAffinityClientIP || slices.ContainsFunc(w.Workloads, func(x *Workload) bool {
			return slices.Contains(x.Services, s) && x.KeepsData()
		}) {
			continue
		}
		tied := 3 * time.Hour
		if c := s.Is.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
			tied = seconds(*c.ClientIP.TimeoutSeconds)
		}
		report(lint.Finding{
			At:     s.At("spec", "sessionAffinity"),
			Hazard: fmt.Sprintf("a client is tied to a pod for %s: what it has there is lost when the pod is replaced, and pods that are new get new clients only", sec(tied)),
			Mend:   "keep sessions where all pods find them, and leave sessionAffinity out",
		})
	}
}

// cookieAffinity says whether an Ingress ties clients to pods, and by which annotation.
func cookieAffinity(notes map[string]string) (string, bool) {
	const nginx, alb = "nginx.ingress.kubernetes.io/affinity", albPrefix + "target-group-attributes"
	switch {
	case notes[nginx] == "cookie":
		return nginx, true
	case strings.Contains(notes[alb], "stickiness.enabled=true"):
		return alb, true
	}
	return "", false
}
