// Package windows_test holds the promise of windows, freezes and locks: what
// they refuse changes nothing, what waits for them goes out when they allow it,
// and what goes against them is in the history. The clock is the test's.
package windows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

const office = `windows: [{ days: mon-fri, from: "09:00", to: "17:00", zone: Europe/Berlin }]
freeze: [{ from: 2026-12-18, to: 2027-01-05, zone: Europe/Berlin, why: holidays }]`

var (
	sunday = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	monday = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) // 09:00 in Berlin
	eve    = time.Date(2026, 12, 24, 9, 0, 0, 0, time.UTC)
)

// refused runs a command that must be told "not now", and of what.
func refused(t *testing.T, w *harness.World, what string, args ...string) {
	t.Helper()
	r := w.Must(5, args...)
	if !strings.Contains(r.Err, what) {
		t.Errorf("segue %s: it does not say %q: %s", strings.Join(args, " "), what, r)
	}
}

// last is the newest entry of the history.
func last(t *testing.T, w *harness.World) deploy.Rollout {
	t.Helper()
	past, err := w.Client().History(t.Context(), "web", 0)
	if err != nil || len(past) == 0 {
		t.Fatalf("history: %v, %v", past, err)
	}
	newest := past[0]
	for _, r := range past {
		if r.ID > newest.ID {
			newest = r
		}
	}
	return newest
}

// waiting waits until so many wait at the gate.
func waiting(w *harness.World, n int) {
	w.Until("somebody waits at the gate", func() bool {
		g, err := w.Client().Gates(w.T.Context())
		return err == nil && len(g.Waiting) == n
	})
}

func TestWindow(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	clock := w.Clock(sunday)
	w.Web(1, "", office)
	w.Agent()
	w.Must(0, "deploy") // nothing runs yet, so nobody is disturbed
	w.Web(1, "N: 2", office)
	refused(t, w, "outside the windows (mon-fri 09:00-17:00 Europe/Berlin); it opens Mon 2026-11-23 09:00 CET", "deploy")
	refused(t, w, "--now --why", "restart")
	if r := w.Must(2, "deploy", "--now"); !strings.Contains(r.Err, "say why") {
		t.Errorf("--now without a reason: %s", r)
	}
	w.AllServing("web", 1, 1)
	w.Must(0, "scale", "2") // what takes away or adds of the same is nobody's business

	w.Must(0, "deploy", "--now", "--why", "hotfix")
	if r := last(t, w); r.Why != "hotfix" || !strings.Contains(r.Against, "mon-fri 09:00-17:00") {
		t.Errorf("history: %+v", r)
	}
	w.Must(0, "rollback")
	clock.Set(monday.Add(-time.Second))
	refused(t, w, "it opens Mon 2026-11-23 09:00 CET", "deploy")
	clock.Set(monday)
	w.Must(0, "deploy", "--now", "--why", "in the window already")
	if r := last(t, w); r.Against != "" {
		t.Errorf("it went against nothing, and the history tells: %+v", r)
	}
	clock.Set(eve)
	refused(t, w, "there is a freeze until Wed 2027-01-06 00:00 CET: holidays; it opens Wed 2027-01-06 09:00 CET", "restart")
	if c := w.Service("web").Closed; c == nil || !c.Until.Equal(time.Date(2027, 1, 6, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("status: %+v", c)
	}
}

// TestWaitWindow: who waits is served when the window opens, whatever the clock
// does on the way, and who is called off leaves nothing.
func TestWaitWindow(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	clock := w.Clock(sunday)
	w.Web(2, "", office)
	agent := w.Agent()
	w.Must(0, "deploy")
	d := w.Drill(50)
	w.Web(2, "N: 2", office)

	gone := w.Background("deploy", "--wait-window")
	waiting(w, 1)
	gone.Interrupt()
	if r := gone.Ran(); r.Code != 1 {
		t.Errorf("interrupted: %s", r)
	}
	waiting(w, 0)
	clock.Set(monday)
	clock.Set(sunday)
	w.AllServing("web", 1, 2)

	c := w.Background("deploy", "--wait-window")
	waiting(w, 1)
	clock.Set(sunday.AddDate(0, 0, -1)) // set back
	clock.Set(monday.Add(-time.Second))
	waiting(w, 1)
	agent.Kill()
	agent = w.Agent()
	waiting(w, 1) // at the next agent's gate
	clock.Set(monday)
	if r := c.Ran(); r.Code != 0 || !strings.Contains(r.Out, "waiting until Mon 2026-11-23") {
		t.Errorf("waited: %s", r)
	}
	w.AllServing("web", 2, 2)
	agent.Kill()
	w.Agent() // knows the windows
	clock.Set(sunday)
	refused(t, w, "outside the windows", "restart")
	d.More(20)
	d.None()
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	clock := w.Clock(sunday)
	w.Web(1, "", "")
	agent := w.Agent()
	w.Must(0, "deploy")
	w.Must(2, "freeze", "on", "--until", "2026-11-01", "--why", "late")
	w.Must(2, "freeze", "on", "--until", "soon", "--why", "vague")
	w.Must(1, "freeze", "on", "api", "--why", "unknown")
	w.Must(0, "freeze", "on", "--until", "2026-11-23 18:00", "--zone", "UTC", "--why", "sale")
	w.Must(0, "freeze", "on", "web", "--until", "2026-11-24", "--zone", "UTC", "--why", "audit")
	agent.Kill()
	w.Agent()
	refused(t, w, "until Wed 2026-11-25 00:00 UTC: audit", "restart")
	w.Must(0, "freeze", "off", "web")
	refused(t, w, "until Mon 2026-11-23 18:00 UTC: sale", "restart")
	if out := w.Must(0, "status").Out; !strings.Contains(out, "closed to deploys: there is a freeze until Mon 2026-11-23 18:00 UTC: sale") {
		t.Errorf("status:\n%s", out)
	}
	w.Must(0, "restart", "--now", "--why", "it leaks")
	if r := last(t, w); !strings.Contains(r.Against, "sale") {
		t.Errorf("history: %+v", r)
	}
	c := w.Background("restart", "--wait-window")
	waiting(w, 1)
	clock.Set(time.Date(2026, 11, 23, 18, 0, 0, 0, time.UTC))
	if r := c.Ran(); r.Code != 0 {
		t.Errorf("after the freeze: %s", r)
	}
	past, err := w.Client().History(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	phases := map[string]deploy.Phase{}
	for _, r := range past {
		if r.Kind == deploy.KindFreeze {
			phases[r.Why] = r.Phase
		}
	}
	if phases["sale"] != deploy.RanOut || phases["audit"] != deploy.Thawed {
		t.Errorf("history: %v", phases)
	}
	w.Must(0, "freeze", "on", "--why", "no end")
	refused(t, w, "no end (", "restart")
	c = w.Background("restart", "--wait-window")
	waiting(w, 1)
	w.Must(0, "freeze", "off")
	if r := c.Ran(); r.Code != 0 {
		t.Errorf("after the freeze was ended: %s", r)
	}
}
