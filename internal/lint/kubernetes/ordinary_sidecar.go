package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// ordinarySidecar: a proxy that gets its signal together with the program.
func ordinarySidecar(w *World, report lint.Report) {
	for x := range w.Served() {
		if len(x.Containers()) < 2 {
			continue
		}
		for _, c := range x.Containers() {
			proxy := proxyOf(c.Container)
			if proxy == "" || x.isAll(c) || !c.PreStop().None || c.staysByItself() {
				continue
			}
			report(c.Find(
				fmt.Sprintf("%s gets its stop signal together with the program, and may end before it: what the program still has then has no network", proxy),
				"move it to initContainers with `restartPolicy: Always`, so that it starts before the program and is stopped after it"))
		}
	}
}

// isAll says that a proxy is what the workload is about.
func (x *Workload) isAll(proxy Container) bool {
	base := parseImage(proxy.Image).Base()
	if strings.Contains(x.Name, base) || x.Name == proxy.Name {
		return true
	}
	return !slices.ContainsFunc(x.Containers(), func(c Container) bool {
		return proxyOf(c.Container) == "" && !c.exports()
	})
}

// staysByItself says that a proxy is told to wait for others.
func (c Container) staysByItself() bool {
	for _, a := range slices.Concat(c.Command, c.Args) {
		if strings.Contains(a, "term_timeout") || strings.Contains(a, "term-timeout") || strings.Contains(a, "max-sigterm-delay") || strings.Contains(a, "quitquitquit") {
			return true
		}
	}
	for _, e := range c.Env {
		switch e.Name {
		case "EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "CSQL_PROXY_MAX_SIGTERM_DELAY", "CSQL_PROXY_QUITQUITQUIT":
			return true
		}
	}
	return false
}
