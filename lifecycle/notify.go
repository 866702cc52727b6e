package lifecycle

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// A notifier tells the service manager how the service is (sd_notify(3)). Without
// NOTIFY_SOCKET it does nothing.
type notifier struct {
	r     *running
	every time.Duration // of the watchdog; 0 without
	quit  chan struct{}
	alive sync.WaitGroup
}

func (r *running) notifier() *notifier {
	n := &notifier{r: r, quit: make(chan struct{})}
	if limit, err := daemon.SdWatchdogEnabled(false); err != nil {
		r.log.Warn("the watchdog's settings cannot be read", "error", err)
	} else {
		n.every = limit / 2
	}
	return n
}

func (n *notifier) say(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.r.log.Warn("the service manager cannot be told", "error", err)
	}
}

// ready says that the service is, unless the process before this one says so for
// it, and from then on that it is alive.
func (n *notifier) ready(said bool) {
	if !said {
		n.say(fmt.Sprintf("%s\nMAINPID=%d", daemon.SdNotifyReady, os.Getpid()))
	}
	if n.every <= 0 {
		return
	}
	n.alive.Go(func() {
		tick := time.NewTicker(n.every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				n.say(daemon.SdNotifyWatchdog)
			case <-n.quit:
				return
			}
		}
	})
}

func (n *notifier) stopping() { n.say(daemon.SdNotifyStopping) }

// handOver makes another process the service's main one. It is said by the one
// that is so far, from whom the manager believes it in any case (NotifyAccess=main).
func (n *notifier) handOver(pid int) {
	n.say(fmt.Sprintf("MAINPID=%d\n%s", pid, daemon.SdNotifyReady))
}

func (n *notifier) close() {
	close(n.quit)
	n.alive.Wait()
}
