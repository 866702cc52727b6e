// Package hooks_test holds the promises of what is around a deploy: hooks run
// at the moment that they are named for, and one that fails, hangs or is cut off
// with its agent undoes the rollout or is run again, without a lost request;
// preparations are run once; webhooks are told of all of it.
package hooks_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// hook is the program of all hooks here. It writes down which one it is and what
// answers at the service meanwhile, and then does what the file of its name says.
const hook = `#!/bin/sh
url=http://127.0.0.1:WEBPORT/
serving=$(for n in 1 2 3 4 5 6 7 8; do curl -s --max-time 5 $url; done | sort -u | tr '\n' ' ')
echo "$SEGUE_HOOK $SEGUE_SERVICE release=$SEGUE_RELEASE from=$SEGUE_FROM rollout=$SEGUE_ROLLOUT n=$N: $serving" >> RECORD
echo "this is $SEGUE_HOOK speaking"
if [ -f DO/$SEGUE_HOOK ]; then . DO/$SEGUE_HOOK; fi
`

const all = `
hooks:
  before: [{ name: first, run: bin/hook }, { name: second, run: bin/hook }]
  between: [{ name: middle, run: bin/hook, timeout: 20s }]
  after: [{ name: last, run: bin/hook }]
`

// A world with a service whose hooks are written down in a file.
type world struct {
	*harness.World
	record, do string
	agent      *harness.Agent
}

// newWorld has release 1 serve, which has no hooks.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{World: harness.New(t)}
	w.record, w.do = filepath.Join(t.TempDir(), "record"), t.TempDir()
	w.Write("bin/hook", strings.NewReplacer("WEBPORT", strconv.Itoa(w.Port), "RECORD", w.record, "DO", w.do).Replace(hook))
	w.Web(2, "N: 1", "")
	w.agent = w.Agent()
	w.Must(0, "deploy")
	return w
}

// does tells a hook what to do, in sh.
func (w *world) does(hook, script string) {
	w.T.Helper()
	if err := os.WriteFile(filepath.Join(w.do, hook), []byte(script), 0o600); err != nil {
		w.T.Fatal(err)
	}
}

// ran lists what hooks have written down.
func (w *world) ran() []string {
	w.T.Helper()
	data, err := os.ReadFile(w.record)
	if err != nil && !os.IsNotExist(err) {
		w.T.Fatal(err)
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' })
}

// names are those of the hooks that ran.
func (w *world) names() []string {
	var out []string
	for _, line := range w.ran() {
		name, _, _ := strings.Cut(line, " ")
		out = append(out, name)
	}
	return out
}

// begun waits until a hook runs for the n-th time.
func (w *world) begun(hook string, n int) {
	w.T.Helper()
	w.Until("the hook runs", func() bool {
		count := 0
		for _, name := range w.names() {
			if name == hook {
				count++
			}
		}
		return count >= n
	})
}

// TestInOrder: each hook runs once, at its moment: what it sees answer is what
// serves then.
func TestInOrder(t *testing.T) {
	w := newWorld(t)
	w.Web(2, "N: 2", all)
	d := w.Drill(100)
	ran := w.Must(0, "deploy")
	d.None()
	want := []string{
		`^first web release=2 from=1 rollout=2 n=2: release 1 $`,
		`^second web release=2 from=1 rollout=2 n=2: release 1 $`,
		`^middle web release=2 from=1 rollout=2 n=2: release 1 (release 2 )?$`,
		`^last web release=2 from=1 rollout=2 n=2: release 2 $`,
	}
	got := w.ran()
	if len(got) != len(want) {
		t.Fatalf("hooks that ran: %q\n%s", got, ran)
	}
	for n, pattern := range want {
		if !regexp.MustCompile(pattern).MatchString(got[n]) {
			t.Errorf("%q is not %s", got[n], pattern)
		}
	}
	if !strings.Contains(ran.Out, "this is middle speaking") {
		t.Errorf("what a hook writes is not shown:\n%s", ran.Out)
	}
	w.AllServing("web", 2, 2)

	w.Must(0, "restart") // which changes no program
	w.Must(0, "scale", "3")
	w.Must(0, "rollback")
	if n := len(w.ran()); n != len(want) {
		t.Errorf("hooks ran for what is no deploy: %q", w.ran()[len(want):])
	}
}

// TestFails: a hook that fails undoes the rollout, wherever it stands, and says
// why.
func TestFails(t *testing.T) {
	w := newWorld(t)
	w.Web(2, "N: 2", all)
	d := w.Drill(100)
	for _, name := range []string{"first", "middle", "last"} {
		w.does(name, "echo no disk space >&2; exit 3")
		ran := w.Must(3, "deploy")
		for _, want := range []string{"hook " + name, "exit status 3", "no disk space"} {
			if !strings.Contains(ran.Out, want) {
				t.Errorf("%s: %q is not told:\n%s", name, want, ran)
			}
		}
		w.AllServing("web", 1, 2)
		w.does(name, "")
	}
	w.Must(0, "deploy")
	d.None()
	if got, want := w.names(), []string{"first", "first", "second", "middle", "first", "second", "middle", "last", "first", "second", "middle", "last"}; !slices.Equal(got, want) {
		t.Errorf("hooks that ran: %v", got)
	}
	w.AllServing("web", 2, 2)
}

// TestHangs: a hook that does not end is killed at its time, with its children,
// also those that have left its session.
func TestHangs(t *testing.T) {
	w := newWorld(t)
	w.Web(2, "N: 2", strings.Replace(all, "20s", "2s", 1))
	d := w.Drill(100)
	w.does("middle", "trap '' TERM; setsid sleep 1001 & sleep 1001 & while :; do sleep 1; done")
	ran := w.Must(3, "deploy")
	d.None()
	if !strings.Contains(ran.Out, "it did not end within 2s and was killed") {
		t.Error(ran)
	}
	if n := w.Running("sleep 1001") + w.Running("bin/hook"); n > 0 {
		t.Errorf("%d processes of the hook are left: %s", n, ran)
	}
	w.AllServing("web", 1, 2)
}

// TestCalledOff: `segue rollback` ends the hook that runs.
func TestCalledOff(t *testing.T) {
	w := newWorld(t)
	w.Web(2, "N: 2", all)
	w.does("first", "sleep 1001")
	over := w.Background("deploy")
	w.begun("first", 1)
	w.Must(0, "rollback", "--why", "changed my mind")
	if ran := over.Ran(); ran.Code != 3 || !strings.Contains(ran.Out, "changed my mind") {
		t.Error(ran)
	}
	if n := w.Running("sleep 1001"); n > 0 {
		t.Errorf("%d processes of the hook are left", n)
	}
	w.AllServing("web", 1, 2)
}

// TestAgentKilled: the next agent ends what is left of a hook, and runs it
// again; so does one that takes the place of another in an upgrade.
func TestAgentKilled(t *testing.T) {
	w := newWorld(t)
	w.Web(2, "N: 2", all)
	d := w.Drill(100)
	asleep := func() bool { return w.Running("sleep 1001") == 2 }
	next := map[string]func(){
		"second": func() { w.Must(0, "upgrade") },
	}
	for _, name := range []string{"first", "middle", "last"} {
		next[name] = func() {
			w.agent.Kill()
			if !asleep() {
				t.Fatal("the hook has ended with its agent; the test tests nothing")
			}
			w.agent = w.Agent()
		}
	}
	for name := range next {
		w.does(name, "sleep 1001 & sleep 1001")
	}
	over := w.Background("deploy")
	for _, name := range []string{"first", "second", "middle", "last"} {
		w.begun(name, 1)
		w.Until("its child runs", asleep)
		w.does(name, "")
		next[name]()
		w.begun(name, 2)
	}
	if ran := over.Ran(); ran.Code != 0 {
		t.Error(ran)
	}
	d.None()
	if got, want := w.names(), []string{"first", "first", "second", "second", "middle", "middle", "last", "last"}; !slices.Equal(got, want) {
		t.Errorf("hooks that ran: %v", got)
	}
	if n := w.Running("sleep 1001"); n > 0 {
		t.Errorf("%d processes of hooks are left", n)
	}
	w.AllServing("web", 2, 2)
	if h, err := w.Client().History(t.Context(), "web", 1); err != nil || len(h) != 1 || h[0].Phase != deploy.Done {
		t.Errorf("%+v, %v", h, err)
	}
}
