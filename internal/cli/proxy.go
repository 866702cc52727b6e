package cli

import (
	"log/slog"

	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/page"
)

type proxyCmd struct{}

func (c *proxyCmd) Run(e *env) error {
	o, err := proxy.Inherit()
	if err != nil {
		return &exitError{exitUsage, "proxy: " + err.Error() + "; the agent starts it, users do not"}
	}
	o.Version, o.Log, o.Flags = version(), slog.New(slog.NewTextHandler(e.err, nil)), serveFlags
	o.Script = string(page.JS())
	return proxy.Run(e, o)
}
