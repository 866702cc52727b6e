package systemd

import (
	"fmt"
	"strconv"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// startLimit: a program that fails at once is given up after a few starts.
func startLimit(w *World, report lint.Report) {
	for _, u := range w.Serving() {
		if !u.restarts() || u.service("RestartSteps").value != "" {
			continue
		}
		interval, intervalAt := u.limitInterval()
		burst, burstAt := u.limitBurst()
		wait, ok := u.service("RestartSec").span()
		if !ok {
			wait = 100 * time.Millisecond
		}
		last := wait * time.Duration(burst)
		if interval == 0 || burst == 0 || last >= interval {
			continue
		}
		at := u.service("Restart").at
		for _, s := range []setting{u.service("RestartSec"), burstAt, intervalAt} {
			if s.value != "" {
				at = s.at
			}
		}
		pause := (interval / time.Duration(burst)).Truncate(time.Second) + time.Second
		f := lint.Finding{
			At: at,
			Hazard: fmt.Sprintf("if it fails at its start, say because something that it needs is away for a moment, it is started %d times, %s apart, and given up after %s (%d starts in %s): then it stays down, and the next deploy's start is refused too",
				burst, wait, last, burst, interval),
			Mend: fmt.Sprintf("set RestartSec=%s, or StartLimitIntervalSec=0 in [Unit]", pause),
		}
		if pause <= long {
			f.Fix = u.service("RestartSec").put(pause.String(), "Service", "RestartSec")
		} else {
			f.Mend = "set StartLimitIntervalSec=0 in [Unit]"
		}
		report(f)
	}
}

// limitInterval is StartLimitIntervalSec, which once had another name and place.
func (u *Unit) limitInterval() (time.Duration, setting) {
	for _, key := range [][2]string{{"Unit", "StartLimitIntervalSec"}, {"Unit", "StartLimitInterval"}, {"Service", "StartLimitInterval"}} {
		s := u.get(key[0], key[1])
		if d, ok := s.span(); ok {
			return d, s
		}
	}
	return 10 * time.Second, setting{}
}

func (u *Unit) limitBurst() (int, setting) {
	for _, section := range []string{"Unit", "Service"} {
		s := u.get(section, "StartLimitBurst")
		if n, err := strconv.Atoi(s.value); err == nil {
			return n, s
		}
	}
	return 5, setting{}
}
