package agent

import (
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// A time of shedding is one, however its level comes and goes within a few seconds, and
// counts what every proxy turned away.
func TestSheddingIsOneTime(t *testing.T) {
	var s shedState
	now := time.Unix(1e9, 0)
	look := func(after time.Duration, pid int, level string, shed int64) (shedNews, bool) {
		now = now.Add(after)
		return s.look(&proxy.SheddingStatus{Level: level, Shed: map[string]int64{"low": shed}}, pid, "in flight 9 of 3", now)
	}
	quiet := func(news shedNews, keep bool) {
		t.Helper()
		if news != "" || keep {
			t.Errorf("told: %q, %v", news, keep)
		}
	}
	loud := func(news shedNews, keep bool) {
		t.Helper()
		if news == "" || !keep {
			t.Errorf("not told: %q, %v", news, keep)
		}
		t.Log(news)
	}
	quiet(look(0, 1, "", 700)) // of an earlier time
	quiet(look(time.Second, 1, "", 700))
	loud(look(time.Second, 1, "low", 710))
	quiet(look(time.Second, 1, "", 720))
	quiet(look(4*time.Second, 1, "low", 720))
	loud(look(time.Second, 1, "high", 730))
	if got := levels[s.level(now)]; got != "high" {
		t.Error("level", got)
	}
	quiet(look(time.Second, 1, "low", 740))
	quiet(look(time.Second, 2, "low", 5)) // another proxy
	if got := levels[s.level(now.Add(sheddingHold-2*time.Second))]; got != "low" {
		t.Error("some time later, level", got)
	}
	quiet(look(time.Second, 2, "", 6))

	kept := s.past // the agent dies
	s = shedState{past: kept}
	s.resume(now.Add(time.Hour))
	if got := levels[s.level(now.Add(time.Hour))]; got != "high" {
		t.Error("the next agent's level", got)
	}
	quiet(look(time.Hour+time.Second, 2, "", 8))
	quiet(look(sheddingHold-2*time.Second, 2, "", 8))
	loud(look(2*time.Second, 2, "", 8))
	if e := s.past[0]; len(s.past) != 1 || e.Ended.IsZero() || e.Turned != 48 || e.Level != "high" {
		t.Errorf("%+v", s.past)
	}
	if s.level(now) >= 0 {
		t.Error("a level when all is over")
	}
	quiet(look(time.Minute, 2, "", 8))
	loud(look(time.Second, 2, "", 9)) // between two looks
	if e := s.past[1]; e.Turned != 1 || e.Level != "low" {
		t.Errorf("%+v", e)
	}
}
