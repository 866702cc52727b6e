// Package source_test holds the promise of source: what is pushed to a branch is
// built and deployed at its time, once, and loses no request; what does not work
// is not tried again and again. The repositories are real ones, the clock is the
// test's.
package source_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

var sunday = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A repo is a bare repository on disk, and a work tree to push from.
type repo struct {
	w          *harness.World
	bare, tree string
}

func newRepo(w *harness.World) *repo {
	w.T.Helper()
	top := w.T.TempDir()
	r := &repo{w, filepath.Join(top, "shop.git"), filepath.Join(top, "work")}
	r.git(top, "init", "-q", "--bare", "-b", "main", r.bare)
	r.git(top, "clone", "-q", r.bare, r.tree)
	return r
}

func (r *repo) git(dir string, args ...string) string {
	r.w.T.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=ann", "GIT_AUTHOR_EMAIL=ann@example.com",
		"GIT_COMMITTER_NAME=ann", "GIT_COMMITTER_EMAIL=ann@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.w.T.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// push commits a segue.yaml whose release is told apart by n, and returns the hash.
// The build copies the program, so that the repository is small.
func (r *repo) push(branch string, n int, more string, flags ...string) string {
	r.w.T.Helper()
	yaml := fmt.Sprintf(`service: web
listen: 127.0.0.1:%d
release: { build: "mkdir -p bin && cp %s bin/service && echo built $SEGUE_COMMIT", files: [bin], command: bin/service }
env: { N: %d }
%s
`, r.w.Port, filepath.Join(r.w.Dir, "bin", "service"), n, harness.Probes(50*time.Millisecond, more, 40))
	for _, key := range []string{"release", "env"} {
		if strings.Contains(more, key+":") { // in place of ours
			yaml = regexp.MustCompile("(?m)^"+key+":.*\n").ReplaceAllString(yaml, "")
		}
	}
	if err := os.WriteFile(filepath.Join(r.tree, "segue.yaml"), []byte(yaml+more), 0o600); err != nil {
		r.w.T.Fatal(err)
	}
	r.git(r.tree, "add", "-A")
	r.git(r.tree, "commit", "-q", "-m", fmt.Sprintf("change %d\n\nand why", n))
	r.git(r.tree, append([]string{"push", "-q", "origin", "HEAD:" + branch}, flags...)...)
	return r.git(r.tree, "rev-parse", "HEAD")
}

// source is what is known of the service's.
func source(w *harness.World) control.Source {
	w.T.Helper()
	s := w.Service("web").Source
	if s == nil {
		w.T.Fatal("there is no source")
	}
	return *s
}

// tried lets the clock go on until a commit was tried, and returns how it went.
func tried(w *harness.World, move func(), hash string) control.Attempt {
	w.T.Helper()
	var t control.Attempt
	w.Until("the commit "+hash[:12]+" is tried", func() bool {
		move()
		if s := w.Service("web").Source; s != nil && s.Tried != nil {
			t = *s.Tried
		}
		return t.Commit == hash && t.As != control.Trying
	})
	return t
}

// last is the newest rollout: other entries of the history have the test's time.
func last(t *testing.T, w *harness.World) deploy.Rollout {
	t.Helper()
	past, err := w.Client().History(t.Context(), "web", 0)
	if err != nil || len(past) == 0 {
		t.Fatalf("history: %v, %v", past, err)
	}
	return slices.MaxFunc(past, func(a, b deploy.Rollout) int { return cmp.Compare(a.ID, b.ID) })
}

// TestPush: a push goes out by itself and loses no request; one that does not
// build, or does not get ready, is tried once.
func TestPush(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	clock := w.Clock(sunday)
	minute := func() { clock.Advance(time.Minute) }
	r := newRepo(w)
	first := r.push("main", 1, "")
	w.Web(2, "N: 0", "source: { repo: "+r.bare+" }")
	agent := w.Agent()
	w.Must(0, "deploy")
	if x := tried(w, minute, first); x.As != control.Deployed || x.Subject != "change 1" {
		t.Fatalf("%+v", x)
	}
	d := w.Drill(50)
	second := r.push("main", 2, "replicas: 2\n")
	if x := tried(w, minute, second); x.As != control.Deployed {
		t.Fatalf("%+v", x)
	}
	w.AllServing("web", 3, 2)
	if h := last(t, w); h.Who != "source "+r.bare+" main" || h.Why != second[:12]+" change 2" {
		t.Errorf("history: %+v", h)
	}
	if out := w.Must(0, "source", "log").Out; !strings.Contains(out, "built "+second) {
		t.Errorf("log:\n%s", out)
	}

	unbuilt := r.push("main", 3, `release: { build: "echo no compiler >&2; exit 3", command: bin/service }`)
	if x := tried(w, minute, unbuilt); x.As != control.Failed || !strings.Contains(x.Note, "exit status 3") {
		t.Errorf("a commit that does not build: %+v", x)
	}
	if out := w.Must(0, "history").Out; !strings.Contains(out, " failed ") || !strings.Contains(out, "exit status 3; nothing was changed") {
		t.Errorf("history:\n%s", out)
	}
	began := source(w).Tried.Began
	agent.Kill()
	w.Agent()
	w.Must(0, "source", "now") // has looked, and does not try it again
	if s := source(w); !s.Tried.Began.Equal(began) {
		t.Errorf("tried again: %+v", s.Tried)
	}
	minute()
	w.Must(0, "source", "retry")
	w.Until("it was tried again", func() bool { x := source(w).Tried; return x.Began.After(began) && x.As == control.Failed })

	broken := r.push("main", 4, `replicas: 2
env: { BROKEN: 1 }
`)
	if x := tried(w, minute, broken); x.As != control.RolledBack || x.Note == "" {
		t.Errorf("a commit that does not get ready: %+v", x)
	}
	w.Must(0, "source", "now")
	if h := last(t, w); h.Phase != deploy.RolledBack || h.Why != broken[:12]+" change 4" {
		t.Errorf("history: %+v", h)
	}
	w.AllServing("web", 3, 2)
	d.More(20)
	d.None()
}

// TestSchedule: develop goes out at 4 a.m., whatever was pushed before; and into
// no window that is closed.
func TestSchedule(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	clock := w.Clock(sunday)
	r := newRepo(w)
	r.push("develop", 1, "")
	set := "source: { repo: " + r.bare + ", branch: develop, schedule: \"0 4 * * *\", zone: Europe/Berlin }\n"
	w.Web(1, "N: 0", set)
	agent := w.Agent()
	w.Must(0, "deploy")
	hash := r.push("develop", 2, "")
	four := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	w.Until("the commit is seen", func() bool { clock.Advance(time.Minute); return source(w).Seen == hash })
	if s := source(w); s.Tried != nil || !s.Due.Equal(four) || !strings.Contains(s.Waits, "for its time") {
		t.Errorf("before its time: %+v", s)
	}
	agent.Stop()
	clock.Set(four.Add(-time.Second))
	agent = w.Agent()
	w.Must(0, "status")
	w.Until("it has looked", func() bool { return !source(w).Looked.IsZero() })
	if s := source(w); s.Tried != nil {
		t.Errorf("a second before its time: %+v", s.Tried)
	}
	clock.Set(four)
	if x := tried(w, func() {}, hash); x.As != control.Deployed {
		t.Errorf("%+v", x)
	}
	w.AllServing("web", 2, 1)

	// Into a closed window it waits, and then the newest goes out.
	r.push("develop", 3, "")
	w.Must(0, "freeze", "on", "web", "--until", "2026-11-24 12:00", "--zone", "UTC", "--why", "sale")
	clock.Set(four.AddDate(0, 0, 1))
	w.Until("it waits for the freeze", func() bool { return strings.Contains(source(w).Waits, "sale") })
	newest := r.push("develop", 4, "")
	clock.Set(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	if x := tried(w, func() {}, newest); x.As != control.Deployed {
		t.Errorf("%+v", x)
	}
	w.AllServing("web", 3, 1)

	// What was due while no agent was there is left alone after an hour, and `now` hurries it.
	late := r.push("develop", 5, "")
	agent.Stop()
	clock.Set(four.AddDate(0, 0, 2).Add(2 * time.Hour))
	w.Agent()
	w.Until("it is seen", func() bool { return source(w).Seen == late })
	if s := source(w); s.Tried.Commit == late || !s.Due.Equal(four.AddDate(0, 0, 3)) {
		t.Errorf("two hours late: %+v", s)
	}
	w.Must(0, "source", "now")
	if x := tried(w, func() {}, late); x.As != control.Deployed {
		t.Errorf("%+v", x)
	}
}

// TestTrouble: a branch that is gone, a repository that is, and a history that was
// written anew.
func TestTrouble(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	clock := w.Clock(sunday)
	minute := func() { clock.Advance(time.Minute) }
	r := newRepo(w)
	r.push("main", 1, "")
	w.Web(1, "N: 0", "source: { repo: "+r.bare+" }")
	w.Agent()
	w.Must(0, "deploy")
	two := r.push("main", 2, "")
	tried(w, minute, two)
	r.git(r.tree, "reset", "-q", "--hard", "HEAD~1")
	if x := tried(w, minute, r.push("main", 3, "", "--force")); x.As != control.Deployed {
		t.Errorf("after a forced push: %+v", x)
	}
	serving := w.Service("web").Release
	r.git(r.bare, "branch", "-m", "main", "trunk")
	if out := w.Must(1, "source", "now").Out; !strings.Contains(out, "there is no such branch") {
		t.Errorf("a branch that is gone:\n%s", out)
	}
	if err := os.Rename(r.bare, r.bare+".away"); err != nil {
		t.Fatal(err)
	}
	w.Must(1, "source", "now")
	next := source(w).Next
	w.Must(1, "source", "now")
	if s := source(w); !s.Next.After(next) || s.Problem == "" {
		t.Errorf("it does not look less often: %+v after %s", s, next)
	}
	if err := os.Rename(r.bare+".away", r.bare); err != nil {
		t.Fatal(err)
	}
	w.AllServing("web", serving, 1)
	w.Web(1, "N: 9", "source: { repo: "+r.bare+", branch: trunk }")
	w.Must(0, "deploy")
	w.Until("the other branch is watched", func() bool {
		minute()
		s := source(w)
		return s.Branch == "trunk" && s.Tried != nil && s.Tried.As != control.Trying
	})
	w.Must(0, "down", "--wait")
	r.push("trunk", 5, "") // nobody wants it up
	if out := w.Must(0, "source", "now", "web").Out; !strings.Contains(out, "waits: until the service is up again") {
		t.Errorf("a service that is down:\n%s", out)
	}
	w.Must(1, "source", "now", "nobody")
}

// TestAgentKilled: whatever is killed between checkout and end, the commit goes
// out, and once.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	clock := w.Clock(sunday)
	r := newRepo(w)
	tried0 := r.push("main", 1, "")
	w.Web(1, "N: 0", "source: { repo: "+r.bare+" }")
	agent := w.Agent()
	w.Must(0, "deploy")
	tried(w, func() { clock.Advance(time.Minute) }, tried0)

	// in the build
	hash := r.push("main", 2, fmt.Sprintf(`release: { build: "mkdir -p bin && cp %s bin/service && touch %s/built && while [ ! -e %s/go ]; do sleep 0.05; done", files: [bin], command: bin/service }`,
		filepath.Join(w.Dir, "bin", "service"), w.Dir, w.Dir))
	w.Until("it is being built", func() bool {
		clock.Advance(time.Minute)
		_, err := os.Stat(filepath.Join(w.Dir, "built"))
		return err == nil
	})
	agent.Kill()
	w.Write("go", "")
	w.Agent()
	if x := tried(w, func() { clock.Advance(time.Minute) }, hash); x.As != control.Deployed {
		t.Errorf("%+v", x)
	}
	past, err := w.Client().History(t.Context(), "web", 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, h := range past {
		if strings.HasPrefix(h.Why, hash[:12]) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the commit went out %d times: %+v", n, past)
	}
}
