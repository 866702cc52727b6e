package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/calendar"
	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/deploy"
)

// A fleet does with a service of another engine what the agent does with those of
// this machine. Each of its methods shows by itself how things go.
type fleet interface {
	plan(e *env, s config.Service, force bool) error
	deploy(e *env, s config.Service, c deployFlags) error
	rollback(e *env, service string, release int, c changeFlags) error
	restart(e *env, service string, c changeFlags) error
	scale(e *env, service string, replicas int, c changeFlags) error
	promote(e *env, service string, full bool, why string) error
	down(e *env, service string, c changeFlags) error
	contract(e *env, service string, now bool, c changeFlags) error
	status(e *env, services []string, watch bool) error
	history(e *env, services []string, most int) error
	releases(e *env, services []string) error
	logs(e *env, services []string, c logsCmd) error
}

// where tells who runs services: an engine, and what of it.
type where struct {
	engine             deploy.EngineType
	context, namespace string // of EngineKubernetes
}

// parseWhere reads --to.
func parseWhere(s string) (where, error) {
	engine, rest, more := strings.Cut(s, ":")
	w := where{engine: deploy.EngineType(engine)}
	switch {
	case engine == "machine" && !more:
		w.engine = deploy.EngineProcess
	case engine == string(deploy.EngineECS) && !more:
	case engine == string(deploy.EngineKubernetes):
		// A context's name may hold slashes (those of EKS are ARNs), a namespace's
		// cannot.
		n := strings.LastIndexByte(rest, '/')
		w.context, w.namespace = rest[:max(n, 0)], rest[n+1:]
		if n < 0 {
			w.context, w.namespace = rest, ""
		}
	default:
		return where{}, &exitError{exitUsage, fmt.Sprintf("--to %s: nobody is called so; it can be machine, kubernetes, kubernetes:CONTEXT, kubernetes:CONTEXT/NAMESPACE or ecs", s)}
	}
	return w, nil
}

// at is where a service of the file runs: as --to says, else as the file does.
func (e *env) at(s *deploy.Service) (where, error) {
	if e.flags.To != "" {
		return parseWhere(e.flags.To)
	}
	if s.Engine == "" {
		return where{engine: deploy.EngineProcess}, nil
	}
	return where{engine: s.Engine}, nil
}

// settle has a service say where it runs, and nothing of where it does not: what
// is said of Kubernetes makes no other release on one machine.
func (w where) settle(s *config.Service) {
	s.Engine = w.engine
	if w.engine != deploy.EngineKubernetes {
		s.Kubernetes = nil
	}
	if w.engine != deploy.EngineECS {
		s.ECS = nil
	}
	switch w.engine {
	case deploy.EngineProcess:
		s.Engine = ""
	case deploy.EngineKubernetes:
		k := deploy.Kubernetes{}
		if s.Kubernetes != nil {
			k = *s.Kubernetes
		}
		if w.context != "" {
			k.Context = w.context
		}
		if w.namespace != "" {
			k.Namespace = w.namespace
		}
		s.Kubernetes = &k
		env := deploy.Environment{}
		maps.Copy(env, s.Env)
		maps.Copy(env, s.PodEnv)
		s.Env, s.EnvNames = env, env.Names()
	}
}

// located is a service of the file with who runs it; fleet is nil for this
// machine's agent.
type located struct {
	config.Service
	fleet fleet
}

// locate finds who runs each of the services.
func (e *env) locate(services []config.Service) ([]located, error) {
	out := make([]located, len(services))
	for i, s := range services {
		w, err := e.at(&s.Service)
		if err != nil {
			return nil, err
		}
		w.settle(&s)
		out[i].Service = s
		if out[i].fleet, err = e.fleetOf(w, &out[i].Service.Service); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// asked reads the file and finds who runs the services of these names, or all of
// them.
func (e *env) asked(names []string) (*config.File, []located, error) {
	f, err := e.load()
	if err != nil {
		return nil, nil, err
	}
	services, err := chosen(f, names)
	if err != nil {
		return nil, nil, err
	}
	found, err := e.locate(services)
	return f, found, err
}

// fleetOf gives who runs a service; s is nil where there is only its name.
func (e *env) fleetOf(w where, s *deploy.Service) (fleet, error) {
	switch w.engine {
	case deploy.EngineKubernetes:
		return e.kubernetes(w, s), nil
	case deploy.EngineECS:
		return e.ecs(s), nil
	}
	return nil, nil
}

// there has do done by who runs a service elsewhere; done is false where that is
// this machine's agent.
func (e *env) there(service string, do func(f fleet, name string) error) (name string, done bool, err error) {
	f, name, err := e.elsewhere(service)
	if f == nil || err != nil {
		return name, false, err
	}
	return name, true, do(f, name)
}

// everywhere has do done by each of those who run the services elsewhere: the one
// named, or all of the file. done is false where this machine's agent is to be
// asked, too.
func (e *env) everywhere(service string, do func(f fleet, names []string) error) (done bool, err error) {
	if service != "" {
		_, done, err := e.there(service, func(f fleet, name string) error { return do(f, []string{name}) })
		return done, err
	}
	found, err := e.inFile()
	if err != nil && (e.flags.To != "" || !isUnreadable(err)) {
		return false, err
	}
	if len(found) == 0 && e.flags.To != "" {
		_, done, err = e.there("", nil)
		return done, err
	}
	done = len(found) > 0
	for _, g := range groups(found) {
		if g[0].fleet == nil {
			done = false
			continue
		}
		if err := do(g[0].fleet, namesOf(g)); err != nil {
			return false, err
		}
	}
	return done, nil
}

// elsewhere finds the fleet that a command about running services is for, and the
// service: the one named, or the only one of the file. It gives nil for this
// machine's agent, which needs no file.
func (e *env) elsewhere(name string) (fleet, string, error) {
	found, err := e.inFile()
	if err != nil && (name == "" && e.flags.To != "" || !isUnreadable(err)) {
		return nil, "", err
	}
	if name == "" && len(found) == 1 {
		name = found[0].Name
	}
	for _, s := range found {
		if s.Name == name {
			return s.fleet, name, nil
		}
	}
	if e.flags.To == "" {
		if name == "" && slices.ContainsFunc(found, func(s located) bool { return s.fleet != nil }) {
			return nil, "", &exitError{exitUsage, "which service? Name one of: " + strings.Join(namesOf(found), " ")}
		}
		return nil, name, nil
	}
	w, err := parseWhere(e.flags.To)
	if err != nil {
		return nil, "", err
	}
	f, err := e.fleetOf(w, nil)
	if f != nil && name == "" {
		return nil, "", &exitError{exitUsage, "which service? Name it, or run where its segue.yaml is"}
	}
	return f, name, err
}

func namesOf(services []located) []string {
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	return names
}

// inFile reads the services of the file, if there is one: who looks at what runs
// needs none. An error that isUnreadable is about the file.
func (e *env) inFile() ([]located, error) {
	if !exists(e.flags.File) {
		return nil, nil
	}
	f, err := config.Load(e.flags.File, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	return e.locate(f.Services)
}

// isUnreadable tells errors that matter only to those who need the file.
func isUnreadable(err error) bool {
	var exit *exitError
	return !errors.As(err, &exit)
}

// groups puts services together that the same fleet runs, in the file's order.
func groups(services []located) [][]located {
	var out [][]located
	for _, s := range services {
		n := slices.IndexFunc(out, func(g []located) bool { return sameFleet(g[0].fleet, s.fleet) })
		if n < 0 {
			out, n = append(out, nil), len(out)
		}
		out[n] = append(out[n], s)
	}
	return out
}

// sameFleet compares by what is behind: fleets are plain values.
func sameFleet(a, b fleet) bool { return a == b }

// anywhere are the commands that know of other engines than this machine's.
var anywhere = []string{"deploy", "plan", "rollback", "scale", "restart", "down", "promote", "status", "releases", "history", "logs", "drill", "migrate", "flag"}

// onlyHere refuses a command that needs the agent of a machine. what is the
// command, as the parser shows it with its arguments.
func (e *env) onlyHere(what string) error {
	name, _, _ := strings.Cut(what, " ")
	if e.flags.To == "" || slices.Contains(anywhere, name) {
		return nil
	}
	w, err := parseWhere(e.flags.To)
	if err != nil || w.engine == deploy.EngineProcess {
		return err
	}
	return &exitError{exitUsage, fmt.Sprintf("segue %s asks the agent of one machine, and on %s there is none", name, w.engine)}
}

// window asks whether the file allows a deploy now, and waits for that if it is
// to. It gives what the deploy goes against, for the history.
func (e *env) window(s config.Service, c deployFlags) (against string, err error) {
	for {
		closed := calendar.At(s.Calendar, time.Now())
		switch {
		case closed == nil:
			return "", nil
		case c.Now && c.Why == "":
			return "", &exitError{exitUsage, "--now goes against " + closed.Why + "; say why with --why"}
		case c.Now:
			return closed.Why, nil
		case !c.WaitWindow:
			return "", &exitError{exitNotNow, fmt.Sprintf("%s is closed to deploys: %s; --wait-window waits, --now --why TEXT goes against it", s.Name, closed.Why)}
		}
		e.say("%s: waits: %s", s.Name, closed.Why)
		if closed.Until.IsZero() {
			return "", errors.New("it is never open again as the file stands")
		}
		if err := pause(e, time.Until(closed.Until)); err != nil {
			return "", err
		}
	}
}

// logLine writes a line of a log, whoever wrote it.
func logLine(w io.Writer, from, line string) error {
	_, err := fmt.Fprintf(w, "%-16s %s\n", from, line)
	return err
}
