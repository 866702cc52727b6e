package cli

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/seguehq/segue/internal/agent"
)

type agentCmd struct{}

func (c *agentCmd) Help() string {
	return `The agent starts and watches instances and the proxy, and runs rollouts. When it is stopped or
killed, proxy and instances go on; the next agent adopts them. ` + "`segue install`" + ` makes systemd
run it. To stop the services themselves: segue down --all.`
}

func (c *agentCmd) Run(e *env) error {
	o, err := e.agentOptions(slog.New(slog.NewTextHandler(e.err, nil)))
	if err != nil {
		return err
	}
	o.Ready = func() {
		o.Log.Info("agent ready", "state", o.State, "version", o.Version, "pid", os.Getpid())
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // nobody to tell when systemd did not start us
	}
	return replaceBy(agent.Run(e, o))
}

func (e *env) agentOptions(log *slog.Logger) (agent.Options, error) {
	self, err := os.Executable()
	if err != nil {
		return agent.Options{}, err
	}
	// The path as it was typed survives the binary's being replaced on disk.
	if typed, err := filepath.Abs(os.Args[0]); err == nil && sameFile(typed, self) {
		self = typed
	}
	return agent.Options{State: e.state(), Binary: self, Version: version(), Log: log}, nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// signalContext ends at the next Ctrl-C.
func signalContext() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}
