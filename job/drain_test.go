package job_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/seguehq/segue/job"
)

// steps is a Func of n steps, a second each, with a checkpoint after each. The
// steps that were taken are added to done.
func steps(n int, done *[]int) job.Func {
	return func(ctx context.Context) error {
		at := 0
		if _, err := job.Resume(ctx, &at); err != nil {
			return err
		}
		for at < n {
			time.Sleep(second)
			at++
			*done = append(*done, at)
			if err := job.Checkpoint(ctx, at); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestADrainedInstanceHandsItsRunOnAtACheckpoint(t *testing.T) {
	inBubble(t, func(f *fleet) {
		var done []int
		a := f.member("a").add("long", job.Every(time.Hour), steps(10, &done)).start()
		passes(second / 2)
		f.member("b").add("long", job.Every(time.Hour), steps(10, &done)).start()
		passes(3 * second)
		a.gone()
		if since() != 4*second {
			t.Errorf("it drained until %v", since())
		}
		passes(minute)
		if !slices.Equal(done, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
			t.Errorf("steps %v", done)
		}
		runs := f.runs("long")
		if len(runs) != 2 || runs[1].begun != 4*second || runs[1].instance != "b" || runs[1].slot != 0 {
			t.Errorf("runs %v", runs)
		}
		f.wantHistory("long", "0s handed on", "0s done")
		passes(time.Hour) // the next begins from the beginning
		if len(done) != 20 {
			t.Errorf("steps %v", done)
		}
	})
}

func TestARunThatIsHandedOnWaitsForTheNextInstance(t *testing.T) {
	inBubble(t, func(f *fleet) {
		var done []int
		a := f.member("a").add("long", job.Every(time.Hour), steps(10, &done)).start()
		passes(3*second + second/2)
		a.gone()
		passes(10 * minute)
		if s := f.status("long"); s.State != job.Waiting || s.Running == nil || s.Running.Part != 0 {
			t.Errorf("%+v", s)
		}
		f.member("b").add("long", job.Every(time.Hour), steps(10, &done)).start()
		passes(10 * second)
		if len(done) != 10 {
			t.Errorf("steps %v", done)
		}
	})
}

func TestADrainedInstanceFinishesARunWithoutCheckpoints(t *testing.T) {
	inBubble(t, func(f *fleet) {
		a := f.member("a").add("report", job.Every(10*second), takes(25*second)).start()
		passes(second)
		b := f.member("b").add("report", job.Every(10*second), takes(25*second)).start()
		a.gone()
		if since() != 25*second {
			t.Errorf("it drained until %v", since())
		}
		passes(30 * second)
		f.wantSlots("report", 0, 30*second)
		b.gone()
	})
}

func TestAtTheDeadlineARunIsCalledOffAndTakenUpIfToldSo(t *testing.T) {
	for name, c := range map[string]struct {
		settings []job.Setting
		history  []string
	}{
		"with Retry": {[]job.Setting{job.Retry(1)}, []string{"0s stopped", "0s done"}},
		"without":    {nil, []string{"0s stopped"}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(f *fleet) {
				a := f.member("a").add("report", job.Every(time.Hour), heeds(minute), c.settings...).start()
				passes(second)
				f.member("b").add("report", job.Every(time.Hour), heeds(minute), c.settings...).start()
				a.stop()
				passes(10 * second)
				a.kill()
				a.gone()
				if r := f.runs("report")[0]; r.ended != 11*second || !errors.Is(r.err, job.ErrStopped) {
					t.Errorf("it was called off at %v with %v", r.ended, r.err)
				}
				passes(5 * minute)
				f.wantHistory("report", c.history...)
			})
		})
	}
}

func TestNothingBeginsOnAnInstanceThatDrains(t *testing.T) {
	inBubble(t, func(f *fleet) {
		a := f.member("a").add("slow", job.Every(time.Hour), takes(minute)).add("quick", job.Every(second), takes(second/10)).start()
		passes(10*second + second/2)
		a.gone()
		if n := len(f.runs("quick")); n != 11 {
			t.Errorf("%d runs", n)
		}
	})
}

func TestHandOnWithoutADrainIsAnError(t *testing.T) {
	inBubble(t, func(f *fleet) {
		f.member("a").add("odd", job.Every(time.Hour), func(context.Context) error { return job.ErrHandOn }).start()
		passes(minute)
		f.wantHistory("odd", "0s failed")
	})
}

func TestTheNextRunGoesOnWhereOneThatFailedHasGotTo(t *testing.T) {
	inBubble(t, func(f *fleet) {
		var done []int
		f.member("a").add("import", job.Every(minute), func(ctx context.Context) error {
			err := steps(3, &done)(ctx)
			if since() < minute {
				return errBroken
			}
			return err
		}).start()
		passes(90 * second)
		f.wantHistory("import", "0s failed", "1m0s done")
		if !slices.Equal(done, []int{1, 2, 3}) {
			t.Errorf("steps %v", done)
		}
	})
}
