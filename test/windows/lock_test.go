package windows_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// locked runs `segue lock` with a command that deploys, says so, and then waits
// for the test's word.
func locked(w *harness.World, script string, flags ...string) *harness.Command {
	w.T.Helper()
	args := append(append([]string{"lock", "--why", "the database moves"}, flags...), "--", "sh", "-c", script)
	return w.Background(args...)
}

// untilWord is a script that says it has come so far, and ends on the test's word.
func untilWord(name string) string {
	return fmt.Sprintf("touch %s.in; until [ -e %s.go ]; do sleep 0.05; done", name, name)
}

func in(w *harness.World, name string) {
	w.T.Helper()
	w.Until(name+" has its lock", func() bool {
		_, err := os.Stat(filepath.Join(w.Dir, name+".in"))
		return err == nil
	})
}

// ended waits for a lock's end, and wants it in the history.
func ended(t *testing.T, w *harness.World, as deploy.Phase) {
	t.Helper()
	w.Until("the lock is over", func() bool { return w.Service("web").Locked == nil })
	past, err := w.Client().History(t.Context(), "web", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range past {
		if r.Kind == deploy.KindLock {
			if r.Phase != as {
				t.Errorf("history: %+v, want it %s", r, as)
			}
			return
		}
	}
	t.Errorf("history tells of no lock: %+v", past)
}

func up(t *testing.T) (*harness.World, *harness.Agent) {
	t.Helper()
	w := harness.New(t)
	w.Clock(sunday)
	w.Web(1, "", "")
	agent := w.Agent()
	w.Must(0, "deploy")
	return w, agent
}

func TestLock(t *testing.T) {
	t.Parallel()
	w, _ := up(t)
	w.Web(1, "N: 2", "")
	deploys := fmt.Sprintf("%s --state %s deploy && ", w.Bin, w.State)
	a := locked(w, deploys+untilWord("a"))
	in(w, "a")
	w.AllServing("web", 2, 1) // it passed its own lock
	refused(t, w, "every service is locked by", "restart")
	refused(t, w, "the database moves", "deploy", "--force")
	w.Must(0, "scale", "2")
	waits := w.Background("restart", "--wait")
	waiting(w, 1)
	w.Write("a.go", "")
	if r := a.Ran(); r.Code != 0 {
		t.Errorf("the command: %s", r)
	}
	if r := waits.Ran(); r.Code != 0 {
		t.Errorf("who waited: %s", r)
	}
	ended(t, w, deploy.Released)
	if r := w.Run("lock", "web", "--why", "fails", "--", "sh", "-c", "exit 7"); r.Code != 7 {
		t.Errorf("a command that fails: %s", r)
	}
	w.Must(2, "lock", "--why", "no command")
	w.Must(1, "lock", "api", "--why", "no such service", "--", "true")
}

// TestLockHolderKilled: the connection is the lock.
func TestLockHolderKilled(t *testing.T) {
	t.Parallel()
	w, _ := up(t)
	a := locked(w, untilWord("a"), "web")
	in(w, "a")
	refused(t, w, "web is locked by", "restart")
	a.Kill()
	ended(t, w, deploy.Left)
	w.Must(0, "restart")
	w.Write("a.go", "") // what it ran lives on, without the lock
}

// TestLockAgentKilled: the next agent keeps the lock for its holder, and no
// longer than the lease for one who has died meanwhile.
func TestLockAgentKilled(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	clock := w.Clock(sunday)
	w.Web(1, "", "")
	agent := w.Agent()
	w.Must(0, "deploy")
	a := locked(w, untilWord("a"), "web")
	in(w, "a")
	agent.Kill()
	agent = w.Agent()
	clock.Advance(9 * time.Second)
	refused(t, w, "web is locked by", "restart")
	w.Until("the holder is back", func() bool { clock.Advance(time.Second); return w.Service("web").Locked != nil })
	w.Write("a.go", "")
	if r := a.Ran(); r.Code != 0 {
		t.Errorf("the command: %s", r)
	}
	ended(t, w, deploy.Released)

	b := locked(w, untilWord("b"), "web")
	in(w, "b")
	agent.Stop()
	b.Kill()
	w.Agent()
	refused(t, w, "web is locked by", "restart")
	clock.Advance(10 * time.Second)
	ended(t, w, deploy.Left)
	w.Must(0, "restart")
	w.Write("b.go", "")
}

// TestLocksInTurn: who waits gets the lock in the order of asking, and who is
// called off is passed over.
func TestLocksInTurn(t *testing.T) {
	t.Parallel()
	w, _ := up(t)
	a := locked(w, untilWord("a"))
	in(w, "a")
	if r := w.Run("lock", "web", "--why", "too", "--", "true"); r.Code != 5 {
		t.Errorf("a second lock: %s", r)
	}
	var all []*harness.Command
	for n, name := range []string{"b", "c", "d"} {
		all = append(all, locked(w, "echo "+name+" >>order; "+untilWord(name), "web", "--wait"))
		waiting(w, n+1)
	}
	all[1].Interrupt()
	all[1].Ran()
	waiting(w, 2)
	for _, name := range []string{"a", "b", "d"} {
		in(w, name)
		w.Write(name+".go", "")
	}
	for n, c := range []*harness.Command{a, all[0], all[2]} {
		if r := c.Ran(); r.Code != 0 {
			t.Errorf("%d: %s", n, r)
		}
	}
	if got := strings.Fields(w.Read("order")); strings.Join(got, " ") != "b d" {
		t.Errorf("in the order %v", got)
	}
}

func TestLockBroken(t *testing.T) {
	t.Parallel()
	w, _ := up(t)
	again := fmt.Sprintf("; %s --state %s restart", w.Bin, w.State)
	a := locked(w, untilWord("a")+again, "web")
	in(w, "a")
	if out := w.Must(0, "lock", "status").Out; !strings.Contains(out, "web: locked by ") {
		t.Errorf("status: %s", out)
	}
	w.Must(2, "lock", "break", "web")
	w.Must(0, "lock", "break", "web", "--why", "asleep")
	ended(t, w, deploy.Broken)
	w.Must(0, "restart")
	w.Write("a.go", "")
	if r := a.Ran(); r.Code != 1 || !strings.Contains(r.Err, "the lock under which this runs is over (broken by") || !strings.Contains(r.Err, "asleep") {
		t.Errorf("its holder: %s", r)
	}
}
