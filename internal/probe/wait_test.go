package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

var errNo = errors.New("no")

// script answers questions one after the other: y is a yes, n a no; the last
// letter goes on for ever. It notes when each was asked.
type script struct {
	answers string
	began   time.Time
	asked   []time.Duration
}

func (s *script) ask(ctx context.Context, p deploy.Probe) error {
	i := min(len(s.asked), len(s.answers)-1)
	s.asked = append(s.asked, time.Since(s.began))
	if s.answers[i] == 'n' {
		return errNo
	}
	return nil
}

const sec = time.Second

func probe3() *deploy.Probe {
	return &deploy.Probe{TCP: true, Every: sec, Timeout: sec, Failures: 3, Successes: 2}
}

func TestWaitReady(t *testing.T) {
	for name, c := range map[string]struct {
		probes   deploy.Probes
		answers  string
		minReady time.Duration
		took     time.Duration
		tried    int
		err      string
	}{
		"nothing to ask":       {deploy.Probes{}, "y", 5 * sec, 5 * sec, 0, ""},
		"nothing at all":       {deploy.Probes{}, "y", 0, 0, 0, ""},
		"startup in a row":     {deploy.Probes{Startup: probe3()}, "nynyy", 0, 4 * sec, 5, ""},
		"startup gives up":     {deploy.Probes{Startup: probe3()}, "nnynnn", 0, 5 * sec, 6, "startup: not ready after 6 questions in 5s: no"},
		"readiness in a row":   {deploy.Probes{Readiness: probe3()}, "nynyy", 0, 4 * sec, 5, ""},
		"readiness waits long": {deploy.Probes{Readiness: probe3()}, strings.Repeat("n", 30) + "y", 0, 31 * sec, 32, ""},
		"both":                 {deploy.Probes{Startup: probe3(), Readiness: probe3()}, "yyyy", 0, 2 * sec, 4, ""},
		"stays ready":          {deploy.Probes{Readiness: probe3()}, "y", 2500 * time.Millisecond, 3500 * time.Millisecond, 4, ""},
		"blip in min_ready":    {deploy.Probes{Readiness: probe3()}, "yynny", 5 * sec, 6 * sec, 6, ""},
		"falls in min_ready":   {deploy.Probes{Readiness: probe3()}, "yynnnyy", 4 * sec, 10 * sec, 10, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: c.answers, began: time.Now()}
				told := 0
				w := waiter{ask: s.ask, progress: func(string, int, int, error) { told++ }}
				err := w.wait(t.Context(), c.probes, c.minReady)
				if c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != c.err || !errors.Is(err, errNo)) {
					t.Errorf("got %v, want %s", err, c.err)
				}
				if took := time.Since(s.began); took != c.took || len(s.asked) != c.tried || told != c.tried {
					t.Errorf("%d questions, %d told, in %v; want %d in %v", len(s.asked), told, took, c.tried, c.took)
				}
			})
		})
	}
}

func TestWaitReadyTellsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: "nyynyy", began: time.Now()}
		var told []string
		w := waiter{ask: s.ask, progress: func(kind string, tried, of int, last error) {
			told = append(told, fmt.Sprintf("%s %d/%d %v", kind, tried, of, last))
		}}
		if err := w.wait(t.Context(), deploy.Probes{Startup: probe3(), Readiness: probe3()}, 0); err != nil {
			t.Fatal(err)
		}
		want := []string{"startup 1/3 no", "startup 2/3 <nil>", "startup 3/3 <nil>", "readiness 1/0 no", "readiness 2/0 <nil>", "readiness 3/0 <nil>"}
		if !slices.Equal(told, want) {
			t.Errorf("%q", told)
		}
	})
}

func TestWaitReadyCalledOff(t *testing.T) {
	for _, probes := range []deploy.Probes{{Startup: &deploy.Probe{TCP: true, Failures: 100}}, {Readiness: probe3()}, {}} {
		synctest.Test(t, func(t *testing.T) {
			died := errors.New("the instance died")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(4500*time.Millisecond, func() { cancel(died) })
			s := &script{answers: "n", began: time.Now()}
			w := waiter{ask: s.ask, progress: func(string, int, int, error) {}}
			err := w.wait(ctx, probes, time.Hour)
			if !errors.Is(err, died) || time.Since(s.began) != 4500*time.Millisecond {
				t.Errorf("%v after %v", err, time.Since(s.began))
			}
			if len(s.asked) > 0 && !errors.Is(err, errNo) {
				t.Errorf("%v does not tell the last answer", err)
			}
		})
	}
}

// TestPacing: the next question comes Every after the start of the former, or at
// once when that took longer.
func TestPacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 8*sec)
		defer cancel()
		began := time.Now()
		var asked []time.Duration
		takes := []time.Duration{0, sec / 2, 1500 * time.Millisecond, 0, 0}
		watch(ctx, *probe3(), func(context.Context, deploy.Probe) error {
			asked = append(asked, time.Since(began))
			time.Sleep(takes[min(len(asked), len(takes))-1]) // the fake clock's sleep: the answer takes long
			return nil
		}, func(bool, error) { t.Error("nothing changed") })
		want := []time.Duration{0, sec, 2 * sec, 3500 * time.Millisecond, 4500 * time.Millisecond, 5500 * time.Millisecond, 6500 * time.Millisecond, 7500 * time.Millisecond}
		if !slices.Equal(asked, want) {
			t.Errorf("asked at %v, want %v", asked, want)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: "ynnynnnnnyynny", began: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), 30*sec)
		defer cancel()
		var told []string
		watch(ctx, *probe3(), s.ask, func(ok bool, err error) {
			told = append(told, fmt.Sprint(time.Since(s.began), " ", ok, " ", err))
		})
		if want := []string{"6s false no", "10s true <nil>"}; !slices.Equal(told, want) {
			t.Errorf("%q, want %q", told, want)
		}
		if time.Since(s.began) != 30*sec {
			t.Errorf("ended after %v", time.Since(s.began))
		}
	})
}

func TestWatchForReal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	changes := make(chan bool, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Watch(ctx, deploy.Probe{TCP: true, Every: time.Millisecond}, Target{Addr: "127.0.0.1:1"}, func(ok bool, err error) { changes <- ok })
	}()
	if <-changes {
		t.Error("port 1 answers")
	}
	cancel()
	<-done
}
