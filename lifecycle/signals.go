package lifecycle

import (
	"os"
	"os/signal"
	"syscall"
)

// subscribe takes over the signals that this package is about.
func subscribe() (<-chan os.Signal, func()) {
	// Room for several: the runtime throws away what finds nobody waiting.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, append([]os.Signal{os.Interrupt, syscall.SIGTERM}, replaceSignals...)...)
	return signals, func() { signal.Stop(signals) }
}

func reasonOf(s os.Signal) reason {
	if s == os.Interrupt {
		return byPerson
	}
	return told
}
