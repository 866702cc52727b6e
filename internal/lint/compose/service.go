package compose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// graceDefault is how long the engine waits between the stop signal and KILL
// if the file says nothing: docs.docker.com/reference/compose-file/services/#stop_grace_period
const graceDefault = 10 * time.Second

// A Service of a compose file, with what it extends and what override files add.
type Service struct {
	*lint.Object `json:"-"` // where it stands first
	Key          string     `json:"-"` // its name
	Stack        bool       `json:"-"` // of a file that is for Swarm

	Image           text         `json:"image"`
	Build           build        `json:"build"`
	ContainerName   text         `json:"container_name"`
	Entrypoint      command      `json:"entrypoint"`
	Command         command      `json:"command"`
	StopSignal      text         `json:"stop_signal"`
	StopGracePeriod span         `json:"stop_grace_period"`
	Restart         text         `json:"restart"`
	Init            text         `json:"init"`
	Healthcheck     *healthcheck `json:"healthcheck"`
	Ports           []port       `json:"ports"`
	Expose          []text       `json:"expose"`
	DependsOn       dependencies `json:"depends_on"`
	Volumes         []mount      `json:"volumes"`
	Labels          pairs        `json:"labels"`
	Environment     pairs        `json:"environment"`
	NetworkMode     text         `json:"network_mode"`
	Scale           count        `json:"scale"`
	Deploy          *deploy      `json:"deploy"`
	Extends         extends      `json:"extends"`

	Drain   span `json:"x-segue-drain"`
	Slowest span `json:"x-segue-slowest-request"`

	Running lint.Running `json:"-"`
	image   recipe       // what its Dockerfile says, if it is built and that is at hand
	file    *lint.Object
	layers  []*lint.Object // what it extends, itself, and overrides, in this order
	behind  bool           // a proxy of the same file depends on it
}

type healthcheck struct {
	Test        command `json:"test"`
	Disable     text    `json:"disable"`
	Interval    span    `json:"interval"`
	Retries     count   `json:"retries"`
	StartPeriod span    `json:"start_period"`
}

type deploy struct {
	Mode           text    `json:"mode"`
	Replicas       count   `json:"replicas"`
	EndpointMode   text    `json:"endpoint_mode"`
	UpdateConfig   update  `json:"update_config"`
	RollbackConfig update  `json:"rollback_config"`
	RestartPolicy  *policy `json:"restart_policy"`
	Placement      any     `json:"placement"`
	Labels         pairs   `json:"labels"`
}

type update struct {
	Parallelism   count `json:"parallelism"`
	Delay         span  `json:"delay"`
	Monitor       span  `json:"monitor"`
	FailureAction text  `json:"failure_action"`
	Order         text  `json:"order"`
}

// At is where a path stands: in the last of the files that has it, or else, at
// the nearest parent that is there, of which the farthest is the service's name.
func (s *Service) At(path ...any) lint.Place {
	for ; len(path) > 0; path = path[:len(path)-1] {
		for _, layer := range slices.Backward(s.layers) {
			if layer.Find(path...) != nil {
				return layer.At(path...)
			}
		}
	}
	at := s.file.At("services", s.Key)
	at.Object = s.Object
	return at
}

// Put is the fix that writes a value at a path: in the override file that has
// it, or else in the service itself.
func (s *Service) Put(value string, path ...any) *lint.Fix {
	for _, layer := range slices.Backward(s.layers) {
		if layer == s.Object {
			break
		}
		if layer.Find(path...) != nil {
			return layer.Put(value, path...)
		}
	}
	return s.Object.Put(value, path...)
}

// Grace is how long the service has after its stop signal.
func (s *Service) Grace() time.Duration { return s.StopGracePeriod.or(graceDefault) }

// Replicas is how many containers there are of it. ok is false if that cannot
// be known: one for each node, or a variable.
func (s *Service) Replicas() (n int, ok bool) {
	switch {
	case s.Deploy != nil && strings.HasPrefix(string(s.Deploy.Mode), "global"):
		return 0, false
	case s.Deploy != nil && s.Has("deploy", "replicas"):
		return s.Deploy.Replicas.n, s.Deploy.Replicas.ok
	case s.Has("scale"):
		return s.Scale.n, s.Scale.ok
	}
	return 1, true
}

// Has reports whether any of its files has a path.
func (s *Service) Has(path ...any) bool {
	return slices.ContainsFunc(s.layers, func(o *lint.Object) bool { return o.Find(path...) != nil })
}

// Updates is how Swarm replaces the service; the zero value if nothing is said.
func (s *Service) Updates() update {
	if s.Deploy == nil {
		return update{}
	}
	return s.Deploy.UpdateConfig
}

// StartsFirst reports whether Swarm starts the new task before it stops the old.
func (s *Service) StartsFirst() bool { return s.Updates().Order == "start-first" }

// Role is what the service is for, as far as its image or command tell.
func (s *Service) Role() lint.Role {
	if p := cmp.Or(s.Running.Program, lint.ByImage(s.base())); p != nil {
		return p.Role
	}
	return lint.Unsure
}

// Edge reports whether it stands before other services: a proxy, or a web server.
func (s *Service) Edge() bool { return s.Role() == lint.Proxy || s.Role() == lint.Web }

// Store reports whether it keeps data, so that two cannot stand side by side.
func (s *Service) Store() bool {
	return s.Role() == lint.Store || s.Role() == lint.Unsure && len(s.Ports) > 0 && !slices.ContainsFunc(s.Ports, func(p port) bool { return !p.ofStore() })
}

// Stateful reports whether it writes to a volume or to a folder of the host, so
// that it is in doubt whether two can stand side by side.
func (s *Service) Stateful() bool { return slices.ContainsFunc(s.Volumes, mount.written) }

// doubt is the severity of what may be so on purpose: nothing else can be done
// with a service that keeps state.
func (s *Service) doubt() lint.Severity {
	if s.Stateful() {
		return lint.Warning
	}
	return ""
}

// Serves reports whether it answers requests, as far as the file tells.
func (s *Service) Serves() bool {
	switch {
	case s.Store():
		return false
	case len(s.Ports) > 0, len(s.Expose) > 0, s.image.exposes, s.behind, s.NetworkMode == "host" && s.Role() != lint.Unsure:
		return true
	case s.Role() == lint.App, s.Edge():
		return true
	}
	return s.routed() || s.askedByHTTP()
}

// routed reports whether it asks a proxy for requests, by labels or variables.
func (s *Service) routed() bool {
	labels := s.Labels
	if s.Deploy != nil && len(s.Deploy.Labels) > 0 {
		labels = s.Deploy.Labels
	}
	for k := range labels {
		if strings.HasPrefix(k, "traefik.http.") || strings.HasPrefix(k, "traefik.tcp.") || k == "caddy" || strings.HasPrefix(k, "caddy.") || strings.HasPrefix(k, "caddy_") {
			return true
		}
	}
	return s.Environment["VIRTUAL_HOST"] != ""
}

// askedByHTTP reports whether its health is asked for over HTTP.
func (s *Service) askedByHTTP() bool {
	if s.Healthcheck == nil {
		return false
	}
	test := strings.Join(s.Healthcheck.Test, " ")
	return strings.Contains(test, "http://localhost") || strings.Contains(test, "http://127.0.0.1")
}

// look finds out what it runs: its own entrypoint and command, or the image's,
// of which a new entrypoint takes the command away.
func (s *Service) look() {
	s.image = s.recipe()
	entrypoint, cmd := []string(s.Entrypoint), []string(s.Command)
	if len(entrypoint) == 0 {
		entrypoint = s.image.entrypoint.argv
		if len(cmd) == 0 {
			cmd = s.image.cmd.argv
		}
	}
	if shell := len(entrypoint) == 3 && entrypoint[0] == "/bin/sh" && len(s.Entrypoint) == 0; shell {
		cmd = nil // it is no argument of the script
	}
	s.Running = lint.Look(s.base(), slices.Concat(entrypoint, cmd), func(name string) string {
		if v := text(s.Environment[name]); v.known() {
			return string(v)
		}
		return ""
	})
}

// base is the image that it runs, or is built on.
func (s *Service) base() string {
	if s.image.from != "" {
		return s.image.from
	}
	return string(s.Image)
}

// startAt is where it says what it runs, and what to write before a hazard that
// stands in the Dockerfile.
func (s *Service) startAt(part string) (lint.Place, string) {
	has := func(argv []string) bool { return strings.Contains(strings.Join(argv, " "), part) }
	switch {
	case has(s.Entrypoint):
		return s.At("entrypoint"), ""
	case has(s.Command):
		return s.At("command"), ""
	case has(s.image.entrypoint.argv):
		return s.At("build"), fmt.Sprintf("%s, line %d: ", s.image.file(), s.image.entrypoint.line)
	}
	return s.At("build"), fmt.Sprintf("%s, line %d: ", s.image.file(), s.image.cmd.line)
}

// drain is how long its program drains, as far as that is known.
func (s *Service) drain(facts lint.Facts) lint.Drain {
	return facts.DrainOf(s.Drain.Duration, "x-segue-drain", s.Running)
}

func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

type policy struct {
	Condition text `json:"condition"`
}
