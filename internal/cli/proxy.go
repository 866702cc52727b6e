package cli

import (
	"log/slog"

	"github.com/seguehq/segue/internal/proxy"
)

type proxyCmd struct{}

func (c *proxyCmd) Run(e *env) error {
	o, err := proxy.Inherit()
	if err != nil {
		return &exitError{exitUsage, "proxy: " + err.Error() + "; the agent starts it, users do not"}
	}
	o.Version, o.Log, o.Flags = version(), slog.New(slog.NewTextHandler(e.err, nil)), serveFlags
	return proxy.Run(e, o)
}
