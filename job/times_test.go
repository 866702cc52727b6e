package job_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seguehq/segue/job"
)

func TestEachTimeIsRunOnceWhateverTheNumberOfInstances(t *testing.T) {
	inBubble(t, func(f *fleet) {
		for n := range 20 {
			f.member(fmt.Sprint("web", n)).add("sync", job.Every(10*second), takes(second)).start()
		}
		passes(5 * minute / 2)
		runs := f.runs("sync")
		if len(runs) != 16 { // the first at the very instant of the start
			t.Errorf("%d runs", len(runs))
		}
		for n, r := range runs {
			if want := time.Duration(n) * 10 * second; r.slot != want || r.begun != want {
				t.Errorf("run %d was for %v, begun at %v, want %v", n, r.slot, r.begun, want)
			}
		}
	})
}

func TestATimeThatComesWhileARunGoesOnIsSkipped(t *testing.T) {
	inBubble(t, func(f *fleet) {
		for _, name := range []string{"a", "b"} {
			f.member(name).add("slow", job.Every(10*second), takes(25*second)).start()
		}
		passes(80 * second)
		f.wantSlots("slow", 0, 30*second, 60*second)
		f.wantHistory("slow", "0s done", "10s skipped 2", "30s done", "40s skipped 2")
	})
}

func TestDelayIsFromTheEndOfTheLastRun(t *testing.T) {
	inBubble(t, func(f *fleet) {
		for _, name := range []string{"a", "b", "c"} {
			f.member(name).add("poll", job.Delay(10*second), takes(3*second)).start()
		}
		passes(50 * second)
		var begun []time.Duration
		for _, r := range f.runs("poll") {
			begun = append(begun, r.begun)
		}
		if fmt.Sprint(begun) != "[0s 13s 26s 39s]" {
			t.Errorf("begun at %v", begun)
		}
	})
}

func TestDelayGoesOnWhenItsRunnerHasGone(t *testing.T) {
	inBubble(t, func(f *fleet) {
		a := f.member("a").add("poll", job.Delay(30*second), takes(second)).start()
		passes(5 * second)
		f.member("b").add("poll", job.Delay(30*second), takes(second)).start()
		a.gone()
		passes(2 * minute)
		f.wantSlots("poll", 0, 31*second, 62*second, 93*second, 124*second)
	})
}

func TestAtLeastForKeepsTheNextRunFromBeginning(t *testing.T) {
	inBubble(t, func(f *fleet) {
		for _, name := range []string{"a", "b"} {
			f.member(name).add("quick", job.Every(10*second), takes(second), job.AtLeastFor(25*second)).start()
		}
		passes(65 * second)
		f.wantSlots("quick", 0, 30*second, 60*second)
		if s := f.status("quick"); s.State != job.Resting {
			t.Errorf("state %q, want %q", s.State, job.Resting)
		}
		f.wantHistory("quick", "0s done", "10s skipped 2", "30s done", "40s skipped 2", "1m0s done")
	})
}

func TestAtLeastForAsLongAsTheScheduleSkipsNothing(t *testing.T) {
	inBubble(t, func(f *fleet) {
		f.member("a").add("quick", job.Every(10*second), takes(second), job.AtLeastFor(10*second)).start()
		passes(25 * second)
		f.wantSlots("quick", 0, 10*second, 20*second)
	})
}

func TestWhatWasMissedWhileNobodyWasThere(t *testing.T) {
	for name, c := range map[string]struct {
		settings []job.Setting
		slots    []time.Duration
	}{
		"is skipped":             {nil, []time.Duration{0, 60 * second, 120 * second}},
		"is run once if told so": {[]job.Setting{job.CatchUp()}, []time.Duration{0, 50 * second, 60 * second, 120 * second}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fleet) {
				a := f.member("a").add("report", job.Every(10*second), takes(second), c.settings...).start()
				passes(5 * second)
				a.gone()
				passes(50 * second)
				b := f.member("b").add("report", job.Every(10*second), takes(second), c.settings...).start()
				passes(6 * second)
				b.gone()
				passes(63 * second)
				if len(c.settings) > 0 {
					return
				}
				f.member("c").add("report", job.Every(10*second), takes(second)).start()
				passes(second)
				f.wantHistory("report", "0s done", "10s skipped 5", "1m0s done")
			})
		})
	}
}

func TestAtMostForCallsARunOff(t *testing.T) {
	inBubble(t, func(f *fleet) {
		f.member("a").add("stuck", job.Every(minute), heeds(time.Hour), job.AtMostFor(20*second)).start()
		passes(30 * second)
		f.wantHistory("stuck", "0s too long")
		if r := f.runs("stuck")[0]; r.err != job.ErrTooLong || r.ended != 20*second {
			t.Errorf("it ended at %v with %v", r.ended, r.err)
		}
		if len(f.alarms) != 1 || f.alarms[0] != (job.Alarm{Kind: job.Overlong, Job: "stuck", Slot: epoch(), By: 16 * second}) {
			t.Errorf("alarms %v", f.alarms)
		}
	})
}

func TestExtendPutsOffTheCall(t *testing.T) {
	inBubble(t, func(f *fleet) {
		f.member("a").add("long", job.Every(time.Hour), func(ctx context.Context) error {
			for range 5 {
				time.Sleep(15 * second)
				if err := job.Extend(ctx, 20*second); err != nil {
					return err
				}
			}
			return heeds(10 * second)(ctx)
		}, job.AtMostFor(20*second)).start()
		passes(2 * minute)
		f.wantHistory("long", "0s done")
	})
}

func TestARunThatFailsOrPanicsIsOnRecord(t *testing.T) {
	inBubble(t, func(f *fleet) {
		n := 0
		f.member("a").add("bad", job.Every(10*second), func(context.Context) error {
			switch n++; n {
			case 1:
				return errBroken
			case 2:
				panic("no way")
			}
			return nil
		}).start()
		passes(25 * second)
		f.wantHistory("bad", "0s failed", "10s failed", "20s done")
		runs, err := f.control.History(context.Background(), "bad", 2)
		if err != nil || len(runs) != 2 || runs[1].Why != "panic: no way" {
			t.Errorf("%v, %v", runs, err)
		}
	})
}
