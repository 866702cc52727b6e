package kubernetes

import (
	"fmt"

	"github.com/seguehq/segue/internal/lint"
)

// hostPortBlocksSurge: old and new pod want a port of the node that one can have.
func hostPortBlocksSurge(w *World, report lint.Report) {
	for _, x := range w.Workloads {
		n, _ := x.Replicas()
		p, rolls := x.Pace(max(n, 1))
		if !rolls || p.Surge == 0 {
			continue
		}
		for _, c := range x.Containers() {
			for i, port := range c.Ports {
				number := port.HostPort
				if number == 0 && x.Pod.Spec.HostNetwork {
					number = port.ContainerPort
				}
				if number == 0 {
					continue
				}
				report(c.Find(
					fmt.Sprintf("a rollout starts %s beside the old, and port %d of a node can be had once: where every node has a pod already, the new one stays Pending", count(p.Surge, "new pod"), number),
					"use a Service instead of the host's port; or a DaemonSet behind a load balancer that asks each node",
					"ports", i, "hostPort"))
				break
			}
		}
	}
}
