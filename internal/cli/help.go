package cli

import "fmt"

type helpCmd struct {
	Topic string `arg:"" optional:"" help:"A command, or exit-codes."`
}

const exitCodes = `segue ends with one of these codes:

  0  done
  1  failed, and nothing was changed, or what was changed goes on (the message says which)
  2  usage or configuration: the command line or segue.yaml is wrong
  3  rolled back: the new release did not work out, the old one serves
  4  requests were lost, in a drill
  5  not now: outside a deploy window, in a freeze, or somebody else has a lock
`

func (c *helpCmd) Run(e *env) error {
	switch c.Topic {
	case "exit-codes":
		fmt.Fprint(e.out, exitCodes)
		return nil
	case "":
		return c.print(e, "--help")
	default:
		return c.print(e, c.Topic, "--help")
	}
}

// print lets the parser print its help, behind which it goes on and may find
// that a command is missing.
func (c *helpCmd) print(e *env, args ...string) error {
	_, err := e.app.Parse(args)
	if *e.helped < 0 && err != nil {
		return &exitError{exitUsage, fmt.Sprintf("there is no command or topic %q", c.Topic)}
	}
	return nil
}
