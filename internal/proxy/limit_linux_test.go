package proxy_test

import (
	"context"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func setLimit(t *testing.T, pid int, n uint64) {
	t.Helper()
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}, nil); err != nil {
		t.Skip("cannot limit descriptors:", err)
	}
}

func contextOfProcess() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	return ctx
}
