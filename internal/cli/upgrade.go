package cli

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/control"
)

type upgradeCmd struct {
	Binary string `arg:"" optional:"" type:"path" help:"The binary to upgrade to. Default: the one that the agent was started from, as it now is on disk."`
}

func (c *upgradeCmd) Help() string {
	return `Put the new segue in the old one's place first (by rename, as package managers do), or name it:
  segue upgrade
  segue upgrade ./segue-new

The proxy is replaced like any service: the new one accepts before the old one drains. Then the
agent puts the new binary in its own place. Instances are not touched.`
}

func (c *upgradeCmd) Run(e *env) error {
	agent := e.agent()
	before, err := agent.Status(e)
	if err != nil {
		return err
	}
	err = agent.Upgrade(e, control.UpgradeRequest{Binary: c.Binary}, func(line string) error {
		e.say("%s", line)
		return nil
	})
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		now, err := agent.Status(e)
		if err == nil && now.Agent.Began.After(before.Agent.Began) {
			return e.print(now.Agent, func(w out) {
				fmt.Fprintf(w, "agent %d and proxy %d run segue %s\n", now.Agent.PID, now.Proxy.PID, now.Agent.Version)
			})
		}
		if time.Now().After(deadline) {
			return &exitError{exitFailed, "the new agent does not answer; proxy and instances go on without it. Its log tells why; start it again with `segue agent`"}
		}
		if err := pause(e, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
