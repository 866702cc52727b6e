package compose

import (
	"fmt"
	"time"

	"github.com/seguehq/segue/internal/lint"
)

// stopGracePeriod: the engine kills what has not ended after it.
func stopGracePeriod(w *World, report lint.Report) {
	for _, s := range w.Services {
		if s.StopGracePeriod.set && !s.StopGracePeriod.ok {
			continue
		}
		drain, slowest := s.drain(w.Facts), max(s.Slowest.Duration, w.Facts.Slowest)
		switch grace := s.Grace(); {
		case s.Store() || !s.Serves() && s.Drain.Duration == 0:
		case grace == 0:
			report(s.shortGrace("it is killed at once, with all requests that it is answering", drain, slowest))
		case drain.Known() && grace == drain.Time:
			f := s.shortGrace(fmt.Sprintf("it may need %s to finish (%s), and is killed in the same moment%s", drain.Time, drain.Why, s.byDefault()), drain, slowest)
			f.Severity = lint.Warning
			report(f)
		case drain.Known() && grace < drain.Time:
			report(s.shortGrace(fmt.Sprintf("it may need %s to finish (%s), and is killed %s after the stop signal%s: requests that are still being answered are cut", drain.Time, drain.Why, grace, s.byDefault()), drain, slowest))
		case slowest > 0 && grace <= slowest:
			report(s.shortGrace(fmt.Sprintf("its longest request takes %s, and it is killed %s after the stop signal%s", slowest, grace, s.byDefault()), drain, slowest))
		case !s.StopGracePeriod.set && !drain.Known() && slowest == 0:
			report(lint.Finding{
				At: s.At("stop_grace_period"), Severity: lint.Warning,
				Hazard: fmt.Sprintf("it is killed %s after the stop signal, by default: every request that takes longer is cut", graceDefault),
				Mend:   "set `stop_grace_period:` above the longest request, 30s if in doubt; say what is known with `x-segue-drain:`",
			})
		}
	}
}

func (s *Service) byDefault() string {
	if s.StopGracePeriod.set {
		return ""
	}
	return ", by default"
}

func (s *Service) shortGrace(hazard string, drain lint.Drain, slowest time.Duration) lint.Finding {
	f := lint.Finding{At: s.At("stop_grace_period"), Hazard: hazard, Mend: "set `stop_grace_period:` above the longest request, 30s if in doubt"}
	if need := max(drain.Time, slowest); need > 0 {
		value := (need + 5*time.Second).String()
		f.Mend = fmt.Sprintf("set `stop_grace_period: %s`", value)
		f.Fix = s.Put(value, "stop_grace_period")
	}
	return f
}
