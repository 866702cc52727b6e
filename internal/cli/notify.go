package cli

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/control"
)

type notifyCmd struct {
	Test notifyTestCmd `cmd:"" help:"Send a message to each webhook of a service, and tell how that went."`
}

type notifyTestCmd struct {
	Service string `arg:"" optional:"" help:"The service, if there are several."`
}

func (c *notifyTestCmd) Help() string {
	return `Examples:
  segue notify test
  segue notify test api --json

The webhooks are those of the release that serves, under notify in segue.yaml. The message is sent
once, whatever they want to be told of. The exit code is 1 when one did not take it.`
}

func (c *notifyTestCmd) Run(e *env) error {
	name, err := e.one(c.Service)
	if err != nil {
		return err
	}
	sent, err := e.agent().NotifyTest(e, control.Request{Service: name, Who: who()})
	if err != nil {
		return err
	}
	failed := 0
	for _, n := range sent {
		if n.Error != "" {
			failed++
		}
	}
	if err := e.print(sent, func(w out) { writeNotified(w, sent) }); err != nil {
		return err
	}
	if failed > 0 {
		return &exitError{exitFailed, fmt.Sprintf("%s of %d did not take the message", plural(failed, "webhook"), len(sent))}
	}
	return nil
}

func writeNotified(w out, sent []control.Notified) {
	for _, n := range sent {
		how := "has taken it"
		if n.Error != "" {
			how = printable(n.Error)
		} else if n.Signed {
			how += ", signed"
		}
		fmt.Fprintf(w, "%s: %s\n", n.Receiver, how)
	}
}

// notReached is what status tells of a webhook that is not reached.
func notReached(n control.NotifyStatus, now time.Time) string {
	next := plural(n.Waiting, "message") + " waiting"
	if n.Waiting == 0 {
		next = "given up"
	}
	return fmt.Sprintf("%s is not reached, %s; %s ago: %s", n.Receiver, next, ago(now.Sub(n.At)), printable(n.Error))
}
