package cli

import (
	"fmt"
)

type helpCmd struct {
	Topic string `arg:"" optional:"" help:"A command, or exit-codes."`
}

const exitCodes = `segue ends with one of these codes:

  0  done
  1  failed, and nothing was changed, or what was changed goes on (the message says which)
  2  usage or configuration: the command line or segue.yaml is wrong
  3  rolled back: the new release did not work out, the old one serves
  4  requests were lost, in a drill
`

func (c *helpCmd) Run(e *env) error {
	switch c.Topic {
	case "exit-codes":
		fmt.Fprint(e.out, exitCodes)
		return nil
	case "":
		_, err := e.app.Parse([]string{"--help"})
		return err
	default:
		_, err := e.app.Parse([]string{c.Topic, "--help"})
		if err != nil {
			return &exitError{exitUsage, fmt.Sprintf("there is no command or topic %q", c.Topic)}
		}
		return nil
	}
}
