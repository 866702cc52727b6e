package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/seguehq/segue/internal/agent"
	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
)

type upCmd struct {
	deployFlags `kong:"embed"`
	Detach      bool `short:"d" help:"Leave the agent running in the background."`
}

func (c *upCmd) Help() string {
	return `Examples:
  segue up
  segue up --detach

The agent's state is kept in .segue beside segue.yaml. Ctrl-C drains and stops everything; the
releases stay. From another terminal: segue status, segue deploy, segue logs -f.`
}

// resumedEnv tells an `up` that it is an upgraded agent and has not been
// started by the user anew: it deploys nothing.
const resumedEnv = "SEGUE_UP_RESUMED"

func (c *upCmd) Run(e *env) error {
	f, err := e.load()
	if err != nil {
		return err
	}
	if e.flags.State == "" {
		e.flags.State = e.ownState()
	}
	switch st, err := e.agent().Status(e); {
	case err == nil:
		e.say("agent %d is running already; deploying to it", st.Agent.PID)
		return e.deploy(e.agent(), f, c.deployFlags)
	case c.Detach:
		if err := e.startAgent(); err != nil {
			return err
		}
		if err := e.deploy(e.agent(), f, c.deployFlags); err != nil {
			return errors.Join(err, e.endUnused())
		}
		e.tellUp(f)
		return nil
	}
	return c.foreground(e, f)
}

// foreground runs the agent in this process until Ctrl-C.
func (c *upCmd) foreground(e *env, f *config.File) error {
	log, err := openAgentLog(e.state())
	if err != nil {
		return err
	}
	defer log.Close()
	ready, over := make(chan struct{}), make(chan error, 1)
	o, err := e.agentOptions(slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		return err
	}
	o.Ready = func() { close(ready) }
	// Not e: the agent lives on while what it runs is drained.
	go func() { over <- agent.Run(context.WithoutCancel(e), o) }()
	select {
	case err := <-over:
		return err
	case <-ready:
	}
	if os.Getenv(resumedEnv) == "" {
		switch err := e.deploy(e.agent(), f, c.deployFlags); {
		case err != nil && e.Err() != nil:
			return errors.Join(&exitError{exitFailed, "interrupted before all was up"}, e.endAgent(over))
		case err != nil && !e.anythingUp():
			return errors.Join(err, e.endAgent(over))
		case err != nil:
			_ = report(e.err, err) // the services that are up stay up
		default:
			e.tellUp(f)
		}
	}
	select {
	case err := <-over:
		return replaceBy(err)
	case <-e.Done():
		return e.endAgent(over)
	}
}

// replaceBy execs the binary that is to take the agent's place.
func replaceBy(err error) error {
	var r *agent.Replacement
	if !errors.As(err, &r) {
		return err
	}
	return fmt.Errorf("put %s in the agent's place: %w", r.Binary, r.Exec(os.Args[1:], append(os.Environ(), resumedEnv+"=1")))
}

// endUnused ends the agent that was started for a deploy which has left it
// nothing to do. One whose deploy is merely not watched any more stays.
func (e *env) endUnused() error {
	if e.Err() != nil || e.anythingUp() {
		return nil
	}
	return e.endAll()
}

// endAll ends the agent and all that it runs, and returns when it answers no
// more: what comes next in a script finds no agent.
func (e *env) endAll() error {
	agent := e.agent()
	if err := agent.Quit(e, true); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		if _, err := agent.Status(e); err != nil && e.Err() == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return &exitError{exitFailed, "everything is down, and the agent still answers; its log tells why"}
		}
		if err := pause(e, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (e *env) anythingUp() bool {
	st, err := e.agent().Status(context.WithoutCancel(e))
	if err != nil {
		return false
	}
	for _, s := range st.Services {
		if s.Release != 0 {
			return true
		}
	}
	return false
}

// endAgent drains and stops everything. A second Ctrl-C ends this process as
// usual; proxy and instances are then adopted by the next `segue up`.
func (e *env) endAgent(over <-chan error) error {
	e.say("\ndraining and stopping everything; Ctrl-C again leaves it running")
	ctx, stop := signalContext()
	defer stop()
	if err := e.agent().Quit(ctx, true); err != nil {
		return err
	}
	err := <-over
	e.say("stopped")
	return err
}

// startAgent starts an agent in the background and waits until it answers.
func (e *env) startAgent() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := openAgentLog(e.state())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(self, "agent", "--state", e.state())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	over := make(chan error, 1)
	go func() { over <- cmd.Wait() }()
	for {
		if _, err := e.agent().Status(e); !errors.Is(err, control.ErrNoAgent) {
			return err
		}
		select {
		case err := <-over:
			return fmt.Errorf("the agent has ended (%v); its log is %s", err, log.Name())
		case <-e.Done():
			return e.Err()
		default:
			if err := pause(e, 20e6); err != nil {
				return err
			}
		}
	}
}

func openAgentLog(state string) (*os.File, error) {
	path := filepath.Join(state, "logs", "agent.log")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("state folder: %w; choose another with --state", err)
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

func (e *env) tellUp(f *config.File) {
	for _, s := range f.Services {
		for _, l := range s.Listen {
			scheme := "http"
			switch {
			case s.Proxy.Protocol == deploy.TCP:
				scheme = "tcp"
			case s.TLS != nil:
				scheme = "https"
			}
			if strings.HasPrefix(l, ":") {
				l = "localhost" + l
			}
			e.say("%s is up at %s://%s", s.Name, scheme, l)
		}
	}
	e.say("agent log: %s", filepath.Join(e.state(), "logs", "agent.log"))
}
