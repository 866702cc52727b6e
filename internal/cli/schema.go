package cli

import "github.com/seguehq/segue/internal/config"

type schemaCmd struct{}

func (c *schemaCmd) Run(e *env) error {
	s, err := config.Schema()
	if err != nil {
		return err
	}
	_, err = e.out.Write(append(s, '\n'))
	return err
}
