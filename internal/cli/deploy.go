package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/process"
)

type deployCmd struct {
	deployFlags `kong:"embed"`
}

// deployFlags are those of `deploy` and `up`.
type deployFlags struct {
	Services []string `arg:"" optional:"" name:"service" help:"Only these services of the file."`
	Why      string   `help:"Why, for the history." placeholder:"TEXT"`
	Force    bool     `help:"Replace the instances even when nothing has changed."`
	Wait     bool     `help:"Wait for a rollout that is under way, or somebody's lock, instead of being refused."`
	Breaking bool     `help:"Pages that were loaded from an older release cannot work with this one, and are to reload: release.breaking for this once."`
	NoBuild  bool     `help:"Do not run release.build; take the files as they are."`
	Image    string   `help:"Elsewhere than on one machine: this image, in place of what segue.yaml says." placeholder:"REF"`
	Adopt    bool     `help:"On Kubernetes: take over objects of the same names that somebody else has made."`
	Drill    string   `help:"On Kubernetes: undo the deploy when requests to this URL are lost meanwhile; cluster sends them to the Service from a Job." placeholder:"URL|cluster"`
	gateFlags

	FromSource bool `hidden:"" help:"The agent deploys a commit of the service's source, which stays what it is."`
}

func (c *deployCmd) Help() string {
	return `Examples:
  segue deploy
  segue deploy api --why "faster search"
  segue drill http://localhost:8080 -- segue deploy

The release is built here, by release.build, at a low priority (nice 10), so that running
services are not slowed down; and its files are sent to the agent, which
replaces the instances one after another. If the new release does not get ready, crashes or
hangs, the old one is put back and the exit code is 3.`
}

func (c *deployCmd) Run(e *env) error {
	f, found, err := e.asked(c.Services)
	if err != nil {
		return err
	}
	// Where a cluster runs the services none is beside us, and a command that is
	// starved, and says nothing for seconds, is taken for dead there.
	if !slices.ContainsFunc(found, func(s located) bool { return s.fleet != nil }) {
		stepAside()
	}
	for _, g := range groups(found) {
		if err := e.deployGroup(f, g, c.deployFlags); err != nil {
			return err
		}
	}
	return nil
}

// deployGroup deploys services that are run by the same.
func (e *env) deployGroup(f *config.File, g []located, c deployFlags) error {
	if g[0].fleet == nil {
		services := make([]config.Service, len(g))
		for i, s := range g {
			services[i] = s.Service
		}
		return e.deployHere(e.agent(), f, services, c)
	}
	for _, s := range g {
		if err := s.fleet.deploy(e, s.Service, c); err != nil {
			return err
		}
	}
	return nil
}

// deploy deploys the services of a file on this machine, whoever runs them
// elsewhere.
func (e *env) deploy(agent *control.Client, f *config.File, c deployFlags) error {
	services, err := chosen(f, c.Services)
	if err != nil {
		return err
	}
	services = slices.Clone(services)
	for i := range services {
		where{engine: deploy.EngineProcess}.settle(&services[i])
	}
	return e.deployHere(agent, f, services, c)
}

// deployHere deploys services one after another.
func (e *env) deployHere(agent *control.Client, f *config.File, services []config.Service, c deployFlags) error {
	if err := agent.Settings(e, control.Settings{Metrics: f.Metrics, AccessLog: f.AccessLog}); err != nil {
		return err
	}
	for _, s := range services {
		if err := e.deployOne(agent, s, c); err != nil {
			return err
		}
	}
	return nil
}

func chosen(f *config.File, names []string) ([]config.Service, error) {
	if len(names) == 0 {
		return f.Services, nil
	}
	var out []config.Service
	for _, name := range names {
		n := slices.IndexFunc(f.Services, func(s config.Service) bool { return s.Name == name })
		if n < 0 {
			return nil, &exitError{exitUsage, fmt.Sprintf("the file has no service %q", name)}
		}
		out = append(out, f.Services[n])
	}
	return out, nil
}

func (e *env) deployOne(agent *control.Client, s config.Service, c deployFlags) error {
	gate := control.PassRequest{Permit: c.permit(), Service: s.Name, Calendar: &s.Calendar, Who: who(), Why: c.Why, Wait: c.Wait, WaitWindow: c.WaitWindow}
	if err := e.pass(agent, gate); err != nil {
		return err
	}
	flags, err := fileFlags(&s)
	if err != nil {
		return err
	}
	tree, err := e.release(agent, s, c.NoBuild)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	if err := migrations(&s); err != nil {
		return err
	}
	s.Breaking = s.Breaking || c.Breaking
	q := control.DeployRequest{Spec: s.Service, Env: s.Env, ReadEnv: s.ReadEnv, Tree: tree, Flags: flags, Who: who(), Why: c.Why, Force: c.Force, Wait: c.Wait,
		Permit: gate.Permit, Calendar: s.Calendar, Source: s.Source, KeepSource: c.FromSource}
	b, err := e.passing(agent, gate, func() (control.Begun, error) { return agent.Deploy(e, q) })
	if err != nil {
		return err
	}
	e.tellFlags(s.Name, b.Flags)
	return e.follow(agent, s.Name, b)
}

// release builds a service's files and sees that the agent has them.
func (e *env) release(agent *control.Client, s config.Service, noBuild bool) (tree string, err error) {
	if err := e.build(s, noBuild); err != nil {
		return "", err
	}
	m, err := process.Digest(e, s.Dir, s.Files)
	if err != nil {
		return "", err
	}
	if has, err := agent.HasTree(e, m.Digest); err != nil || has {
		return m.Digest, err
	}
	return e.send(agent, s)
}

// build runs what the service is built by.
func (e *env) build(s config.Service, noBuild bool) error {
	if s.Build == "" || noBuild {
		return nil
	}
	e.say("%s: build: %s", s.Name, s.Build)
	began := time.Now()
	if err := process.Build(e, s.Dir, s.Build, e.err); err != nil {
		return fmt.Errorf("%s; nothing was changed", firstLine(err.Error())) // what follows is its output, which was shown
	}
	e.say("%s: built in %s", s.Name, round(time.Since(began)))
	return nil
}

// send sends a release's files to the agent.
func (e *env) send(agent *control.Client, s config.Service) (string, error) {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	var made process.Manifest
	go func() {
		m, err := process.Pack(e, w, s.Dir, s.Files)
		made = m
		_ = w.CloseWithError(err) // never fails
		packed <- err
	}()
	tree, err := agent.PutTree(e, r)
	_ = r.CloseWithError(context.Canceled) // never fails; ends Pack if the agent has refused
	if perr := <-packed; perr != nil && err == nil {
		err = perr
	}
	if err != nil {
		return "", err
	}
	if tree != made.Digest {
		return "", fmt.Errorf("the agent has got other files than were sent (%.12s, %.12s); try again", tree, made.Digest)
	}
	e.say("%s: %s, %s", s.Name, plural(made.Files, "file"), size(made.Bytes))
	return tree, nil
}

// say tells how things go; with --json only the end is told.
func (e *env) say(format string, args ...any) {
	if !e.flags.JSON {
		fmt.Fprintf(e.out, format+"\n", args...)
	}
}

// tty reports whether w is a terminal that can be drawn on.
func tty(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && isTerminal(f) && os.Getenv("TERM") != "dumb"
}
