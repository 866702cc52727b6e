package job_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/job"
)

func TestSuspendedMeansSuspended(t *testing.T) {
	inBubble(t, func(f *fleet) {
		ctx := context.Background()
		for _, name := range []string{"a", "b"} {
			f.member(name).add("sync", job.Every(10*second), takes(6*second)).start()
		}
		passes(25 * second) // in the middle of a run, which goes on
		if err := f.control.Suspend(ctx, "sync", "ada", "the partner is down"); err != nil {
			t.Fatal(err)
		}
		if s := f.status("sync"); s.State != job.Running || s.Suspended == nil || s.Suspended.By != "ada" {
			t.Errorf("while it runs: %+v", s)
		}
		passes(minute)
		f.wantSlots("sync", 0, 10*second, 20*second)
		s := f.status("sync")
		if s.State != job.Suspended || s.Overdue != 0 || !s.Next.IsZero() {
			t.Errorf("suspended: %+v", s)
		}
		_, err := f.control.Run(ctx, "sync", "bob")
		if !errors.Is(err, job.ErrSuspended) || !strings.Contains(err.Error(), "resume it first") {
			t.Errorf("a run by hand: %v", err)
		}
		if err := f.control.Resume(ctx, "sync", "ada"); err != nil {
			t.Fatal(err)
		}
		passes(10 * second)
		f.wantSlots("sync", 0, 10*second, 20*second, 90*second)
		passes(10 * second)
		f.wantHistory("sync", "0s done", "10s done", "20s done", "25s skipped", "1m30s done")
	})
}

func TestWhatWasDueWhileSuspendedIsCaughtUpIfToldSo(t *testing.T) {
	inBubble(t, func(f *fleet) {
		ctx := context.Background()
		f.member("a").add("report", job.Every(time.Hour), takes(second), job.CatchUp()).start()
		passes(minute)
		if err := f.control.Suspend(ctx, "report", "ada", ""); err != nil {
			t.Fatal(err)
		}
		passes(5*time.Hour + 5*minute)
		if err := f.control.Resume(ctx, "report", "ada"); err != nil {
			t.Fatal(err)
		}
		passes(minute)
		f.wantSlots("report", 0, 5*time.Hour)
	})
}

func TestARunByHand(t *testing.T) {
	inBubble(t, func(f *fleet) {
		ctx := context.Background()
		for _, name := range []string{"a", "b", "c"} {
			f.member(name).add("report", job.Every(time.Hour), takes(10*second)).start()
		}
		passes(30 * minute)
		id, err := f.control.Run(ctx, "report", "ada")
		if err != nil {
			t.Fatal(err)
		}
		passes(second)
		if _, err := f.control.Run(ctx, "report", "bob"); !errors.Is(err, job.ErrRunning) {
			t.Errorf("a second one: %v", err)
		}
		run, err := f.control.Wait(ctx, "report", id)
		if err != nil || run.Outcome != job.Done || run.By != "ada" || since() != 30*minute+10*second {
			t.Errorf("at %v: %+v, %v", since(), run, err)
		}
		if _, err := f.control.Wait(ctx, "report", "nonsense"); err == nil {
			t.Error("it waited for a run that there is not")
		}
		passes(time.Hour)
		f.wantSlots("report", 0, 30*minute, time.Hour)
	})
}

func TestARunByHandOfWhatNobodyHas(t *testing.T) {
	inBubble(t, func(f *fleet) {
		ctx := context.Background()
		f.member("a").add("report", job.Every(time.Hour), takes(second)).start()
		passes(second)
		_, err := f.control.Run(ctx, "raport", "ada")
		if !errors.Is(err, job.ErrUnknown) || !strings.Contains(err.Error(), "there are report") {
			t.Errorf("got %v", err)
		}
		if err := f.control.Suspend(ctx, "raport", "ada", ""); !errors.Is(err, job.ErrUnknown) {
			t.Errorf("suspend: %v", err)
		}
		if _, err := f.control.History(ctx, "raport", 3); !errors.Is(err, job.ErrUnknown) {
			t.Errorf("history: %v", err)
		}
	})
}

func TestAJobThatOnlyTheOldReleaseHasIsGoneWithIt(t *testing.T) {
	inBubble(t, func(f *fleet) {
		old := f.member("old").add("legacy", job.Every(10*second), takes(second)).add("both", job.Every(10*second), takes(second)).start()
		passes(5 * second)
		f.member("new").add("both", job.Every(20*second), takes(second)).start()
		passes(second)
		if s := f.status("both"); !slices.Equal(s.Instances, []string{"new", "old"}) || s.Schedule != "every 20s" {
			t.Errorf("during the roll: %+v", s)
		}
		old.gone()
		passes(10 * minute)
		s := f.status("legacy")
		if !s.Gone || s.Overdue != 0 || s.Last == nil || s.Last.Outcome != job.Done {
			t.Errorf("afterwards: %+v", s)
		}
		if s := f.status("both"); s.Gone || s.Overdue != 0 || s.Next.Sub(epoch()) != 10*minute+20*second {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

func TestTwoReleasesWithDifferentSchedules(t *testing.T) {
	inBubble(t, func(f *fleet) {
		f.member("old").add("sync", job.Every(10*second), takes(second)).start()
		f.member("new").add("sync", job.Every(15*second), takes(second)).start()
		passes(61 * second)
		f.wantSlots("sync", 0, 10*second, 15*second, 20*second, 30*second, 40*second, 45*second, 50*second, 60*second)
	})
}

func TestListSaysWhatIsOverdueAndOverlong(t *testing.T) {
	inBubble(t, func(f *fleet) {
		a := f.member("a").add("fine", job.Every(minute), takes(second)).
			add("long", job.Every(time.Hour), takes(10*minute), job.OverlongAfter(5*minute)).start()
		passes(6*minute + 2*second)
		all, err := f.control.List(context.Background())
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		if all[0].Name != "fine" || all[0].Overdue != 0 || all[0].State != job.Idle || !all[0].Next.Equal(epoch().Add(7*minute)) {
			t.Errorf("%+v", all[0])
		}
		if !all[1].Overlong || all[1].State != job.Running || all[1].Running.Runner.Instance != "a" {
			t.Errorf("%+v", all[1])
		}
		passes(5 * minute)
		a.gone()
	})
}

func TestFollowShowsWhatEnds(t *testing.T) {
	inBubble(t, func(f *fleet) {
		f.member("a").add("sync", job.Every(10*second), takes(second)).start()
		passes(5 * second)
		ctx, cancel := context.WithTimeout(context.Background(), 26*second)
		defer cancel()
		var shown []time.Duration
		err := f.control.Follow(ctx, "sync", func(r job.Run) error {
			shown = append(shown, r.Slot.Sub(epoch()))
			return nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || !slices.Equal(shown, []time.Duration{10 * second, 20 * second}) && len(shown) != 3 {
			t.Errorf("%v, %v", shown, err)
		}
	})
}

func TestAddRefuses(t *testing.T) {
	do := func(context.Context) error { return nil }
	for name, add := range map[string]func(*job.Jobs){
		"it is a millisecond at least":        func(j *job.Jobs) { j.Add("x", job.Every(0), do) },
		"a job has a name":                    func(j *job.Jobs) { j.Add("", job.Every(second), do) },
		"the name has 65 bytes":               func(j *job.Jobs) { j.Add(strings.Repeat("x", 65), job.Every(second), do) },
		"has a NUL":                           func(j *job.Jobs) { j.Add("a\x00", job.Every(second), do) },
		"it has no schedule":                  func(j *job.Jobs) { j.Add("x", nil, do) },
		"it has no Func":                      func(j *job.Jobs) { j.Add("x", job.Every(second), nil) },
		"there is such a job already":         func(j *job.Jobs) { j.Add("x", job.Every(second), do); j.Add("x", job.Every(second), do) },
		"is more than AtMostFor":              func(j *job.Jobs) { j.Add("x", job.Every(second), do, job.AtLeastFor(minute), job.AtMostFor(second)) },
		"it is five fields":                   func(j *job.Jobs) { j.Add("x", job.Cron("* * *"), do) },
		"AtMostFor(0s): it takes more than 0": func(j *job.Jobs) { j.Add("x", job.Every(second), do, job.AtMostFor(0)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(toText(p), name) {
					t.Errorf("panic %v", p)
				}
			}()
			add(job.New(nil))
		})
	}
}

func toText(p any) string {
	if err, ok := p.(error); ok {
		return err.Error()
	}
	return p.(string)
}
