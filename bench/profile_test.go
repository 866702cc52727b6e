//go:build bench

package bench

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/seguehq/segue/internal/proxy"
)

// profilePath, when it is set, has Segue's proxy run in this binary and write
// a CPU profile there, in place of the real one.
func profilePath() string { return os.Getenv("SEGUE_BENCH_PROFILE") }

func profiledProxy() error {
	f, err := os.Create(profilePath())
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o, err := proxy.Inherit()
	if err != nil {
		return err
	}
	o.Log = slog.New(slog.DiscardHandler)
	err = proxy.Run(ctx, o)
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}
