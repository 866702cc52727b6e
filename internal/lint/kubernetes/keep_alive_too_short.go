package kubernetes

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// keepAliveTooShort: who closes an idle connection first should not be the one
// who does not know whether a request is on its way.
func keepAliveTooShort(w *World, report lint.Report) {
	for x := range w.Served() {
		for _, c := range x.Serving() {
			alive, why, path := c.keepAlive()
			if alive == 0 {
				continue
			}
			for _, front := range x.Fronts {
				if front.Idle < alive {
					continue
				}
				report(c.Find(
					fmt.Sprintf("an idle connection is closed by the program after %s (%s), and by %s after %s: a request that it sends into a connection just closed is reset", sec(alive), why, front.Name, sec(front.Idle)),
					fmt.Sprintf("let the program keep idle connections for %d s, and say so with the annotation segue.dev/keep-alive if it is set in its code", whole(front.Idle)+15),
					path))
				break
			}
		}
	}
}

// idleTimes are how long servers keep idle connections: the flags that say so,
// and what counts without.
var idleTimes = map[string]struct {
	flags []string
	usual time.Duration
}{
	"uvicorn":      {[]string{"--timeout-keep-alive"}, 5 * time.Second},
	"hypercorn":    {[]string{"--keep-alive"}, 5 * time.Second},
	"Node.js":      {nil, 5 * time.Second},
	"Apache httpd": {nil, 5 * time.Second},
	"nginx":        {nil, 65 * time.Second},
}

// keepAlive is how long the program keeps an idle connection, 0 if it is not
// known, with who says so and below which key of the container.
func (c Container) keepAlive() (time.Duration, string, string) {
	at := commandKey(c)
	if d, ok := c.Workload.Note("keep-alive"); ok {
		return d, "segue.dev/keep-alive", at
	}
	r := c.Running()
	if r.Program == nil {
		return 0, "", at
	}
	if r.Program.Name == "gunicorn" {
		return gunicornKeepAlive(r), "gunicorn's --keep-alive", at
	}
	known := idleTimes[r.Program.Name]
	for _, flag := range known.flags {
		if value, ok := r.Flag(flag); ok {
			d, _ := lint.Seconds(value, time.Second)
			return d, r.Program.Name + "'s " + flag, at
		}
	}
	return known.usual, r.Program.Name + "'s default", at
}

// gunicornKeepAlive: its default worker closes every connection after its
// answer, and says so; the others keep them for 2 s.
func gunicornKeepAlive(r lint.Running) time.Duration {
	class, ok := r.Flag("--worker-class")
	if !ok {
		class, ok = r.Flag("-k")
	}
	threads, _ := r.Flag("--threads")
	if (!ok || class == "sync") && threads == "" {
		return 0
	}
	for _, flag := range []string{"--keep-alive", "--keepalive"} {
		if value, ok := r.Flag(flag); ok {
			d, _ := lint.Seconds(value, time.Second)
			return d
		}
	}
	return 2 * time.Second
}
