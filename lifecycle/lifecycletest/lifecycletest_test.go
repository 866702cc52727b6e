package lifecycletest_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/check"
	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/lifecycle"
	"github.com/seguehq/segue/lifecycle/lifecycletest"
)

func serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("well")) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Second):
			_, _ = w.Write([]byte("well"))
		case <-r.Context().Done():
		}
	})
	return lifecycle.Run(ctx, lifecycle.HTTP(&http.Server{Handler: mux}, lifecycle.WithReadiness("/ready"), lifecycle.WithIdleGap(time.Second)))
}

func TestServiceOnLifecycleStopsWell(t *testing.T) {
	t.Parallel()
	r := lifecycletest.StopsWell(t, serve, check.Paths{Slow: "/slow", Ready: "/ready"},
		check.Only("exit-kept-alive", "used-after-signal", "in-flight-slow", "readiness", "accept-queue"))
	if n := r.Count(check.Pass); n != 5 {
		t.Errorf("%d cases passed, want 5", n)
	}
}

func TestServiceOnLifecycleReplacesItself(t *testing.T) {
	t.Parallel()
	r := lifecycletest.ReplacesItself(t, serve, drill.Plan{Method: "POST", Body: []byte("an order"), Rate: 200, Expect: drill.Expect{BodyContains: "well"}})
	t.Logf("%d sent, %d lost", r.Sent, r.Lost)
}

// serveBadly is what many services do.
func serveBadly(context.Context) error {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("well")) })
	http.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) { time.Sleep(time.Second) })
	return http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil)
}

// The test binary runs itself: a test that must fail cannot be seen from within.
func TestServiceThatStopsBadlyFails(t *testing.T) {
	t.Parallel()
	mustFail(t, "in-flight-slow", func() {
		lifecycletest.StopsWell(t, serveBadly, check.Paths{Slow: "/slow"}, check.Only("in-flight-slow"))
	})
}

func mustFail(t *testing.T, says string, f func()) {
	t.Helper()
	const variable = "LIFECYCLETEST_MUST_FAIL"
	if os.Getenv(variable) != "" {
		f()
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"=yes")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), says) {
		t.Errorf("%v\n%s", err, out)
	}
}
