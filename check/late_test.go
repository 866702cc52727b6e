package check

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

// A busy machine may take longer to bring all clients into position than the
// slow request lasts. That says nothing of the server, good or bad.
func TestSlowRequestMustBeUnderWayAtTheSignal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lasts, before time.Duration
		late          bool
	}{
		"just begun":    {time.Second, 50 * time.Millisecond, false},
		"half done":     {time.Second, 500 * time.Millisecond, false},
		"nearly done":   {time.Second, 950 * time.Millisecond, true},
		"over long ago": {time.Second, 3 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Now()
			signalled := make(chan struct{})
			close(signalled)
			s := &Stage{survey: &Survey{Slow: Duration(tt.lasts)}, signalled: signalled, at: now, cancelled: t.Context()}
			p := &place{Stage: s, prepare: func() {}, arrive: func() {}, asked: now.Add(-tt.before)}
			if err := p.awaitSignalAsked(); errors.Is(err, errLate) != tt.late {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCaseThatMissedItsMomentIsPlayedAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		misses, played int
		want           Verdict
	}{
		"once":       {1, 2, Pass},
		"twice":      {2, 3, Pass},
		"every time": {9, tries, Skip},
		"not at all": {0, 1, Pass},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			played, results := 0, 0
			c := Case{Name: "late", run: func(context.Context, *place) (Result, error) {
				if played++; played <= tt.misses {
					return Result{}, errLate
				}
				return pass(outcomeAnswered, "in time")
			}}
			r := &run{target: fixtureTarget(), survey: &Survey{}, results: map[string]Result{}}
			r.progress = func(Result) { results++ }
			if err := r.start(t.Context(), []Case{c}); err != nil {
				t.Fatal(err)
			}
			if got := r.results["late"].Verdict; got != tt.want || played != tt.played || results != 1 {
				t.Errorf("%s after %d times, told %d times; want %s after %d, told once", got, played, results, tt.want, tt.played)
			}
		})
	}
}

// The survey has found that the server starts: a port that was taken in the last
// moment says nothing.
func TestServerThatDoesNotStartOnceIsStartedAgain(t *testing.T) {
	t.Parallel()
	target := fixtureTarget()
	target.Paths = Paths{}
	target.Command = []string{"sh", "-c", `echo >>"$1"; [ $(wc -l <"$1") -eq 2 ] && exit 1; exec "$0"`, target.Command[0], filepath.Join(t.TempDir(), "starts")}
	r := verdicts(t, target, "exit-idle")
	if c, _ := r.Of("exit-idle"); c.Outcome != outcomeExited {
		t.Errorf("%s (%s), want %s", c.Verdict, c.Outcome, outcomeExited)
	}
}

// A server may answer before it has its handlers: here the first process is a
// shell that sets its trap when the listener serves already.
func TestSignalWaitsForTheHandlerThatTheServerWillHave(t *testing.T) {
	t.Parallel()
	target := fixtureTarget()
	target.Paths = Paths{Slow: "/slow"} // the survey lasts until the trap is there
	target.Command = []string{"sh", "-c", `"$0" & sleep 0.5; trap 'kill $!; wait $!; exit 0' TERM; wait $!`, target.Command[0]}
	r := verdicts(t, target, "exit-idle")
	if c, _ := r.Of("exit-idle"); c.Outcome != outcomeExited {
		t.Errorf("%s (%s), want %s", c.Verdict, c.Outcome, outcomeExited)
	}
}
