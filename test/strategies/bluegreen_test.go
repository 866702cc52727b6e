package strategies_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/test/harness"
)

// TestPreviewAndSwitch: again and again, the new side is seen before the switch by
// those who know the way to it, and by nobody else; from the instant at which
// `segue promote` returns by everybody; and from that at which `segue rollback`
// returns by nobody, for which no instance had to be started.
func TestPreviewAndSwitch(t *testing.T) {
	address := fmt.Sprint("127.0.0.1:", harness.FreePort(t))
	w := newWorld(t, `type: blue-green, promote: manual, preview: { listen: "`+address+`", header: X-Preview }, bake: 10m`)
	d := w.Drill(50)
	v := w.keptAlive()
	last := 4
	if harness.Soak() {
		last = 6
	}
	for release := 2; release <= last; release++ {
		deploying := w.deploys(fmt.Sprint("N: ", release))
		tester := &visitor{header: http.Header{"X-Preview": {"yes"}}}
		want := fmt.Sprint("release ", release)
		for range 10 {
			if got := tester.answer(t, w.URL()); got != want {
				t.Errorf("the preview by header is answered by %q, want %q", got, want)
			}
			if got := (&visitor{}).answer(t, "http://"+address); got != want {
				t.Errorf("the preview by address is answered by %q, want %q", got, want)
			}
		}
		w.all(v, 1, 20, "before the switch")
		w.Must(0, "promote")
		w.all(v, release, 20, "after the switch")
		w.goesBack("seen enough")
		w.all(v, 1, 20, "after the way back")
		if ran := deploying.Ran(); ran.Code != 3 || !strings.Contains(ran.Out, "seen enough") {
			t.Error(ran)
		}
		w.ended(deploy.RolledBack, "seen enough")
		w.wentBackAtOnce()
		w.AllServing("web", 1, 2)
	}
	r := d.None()
	for _, release := range r.Releases {
		if r.ByRelease[release] == 0 {
			t.Errorf("release %s answered nobody", release)
		}
	}
}

// goesBack undoes the rollout, and holds it to a switch: from the first request on
// that the old release answers, it answers all.
func (w *world) goesBack(why string) {
	w.T.Helper()
	c, n, back := w.Background("rollback", "--why", why), 0, time.Time{}
	for over := false; !over; n++ {
		select {
		case <-c.Over():
			over = true
		default:
		}
		switch got := (&visitor{}).answer(w.T, w.URL()); {
		case got == "release 1" && back.IsZero():
			back = time.Now()
		case got != "release 1" && !back.IsZero():
			w.T.Fatalf("after the old release had answered again, request %d was answered by %q", n, got)
		}
	}
	if ran := c.Ran(); ran.Code != 0 {
		w.T.Fatal(ran)
	}
	for _, s := range w.steps(w.history()[0].ID) {
		if s.Verb == deploy.StepBack {
			w.T.Logf("the first answer of the old release, to a client who asks all the time, came %s after the rollout was called off", back.Sub(s.At).Round(time.Millisecond))
		}
	}
}

// TestCalledOffLate: when the old side has begun to leave, going back is no switch
// any more; the new side answers until the old one is there again.
func TestCalledOffLate(t *testing.T) {
	w := newWorld(t, "type: blue-green")
	finish := w.uploads()
	w.release("N: 2")
	deploying := w.Background("deploy")
	draining := func() (n int) {
		for _, i := range w.Service("web").Instances {
			if i.Release == 1 && i.State == deploy.Draining {
				n++
			}
		}
		return n
	}
	w.Until("the old side leaves", func() bool { return draining() == 2 })
	back := w.Background("rollback")
	w.Until("the rollout goes back", func() bool { r := w.Service("web").Rollout; return r != nil && r.Phase == deploy.Backward })
	if got := (&visitor{}).answer(t, w.URL()); got != "release 2" || draining() != 2 {
		t.Errorf("while both old instances leave, a request is answered by %q, when %d of them still do", got, draining())
	}
	finish()
	if a, b := back.Ran(), deploying.Ran(); a.Code != 0 || b.Code != 3 {
		t.Error(a, b)
	}
	w.AllServing("web", 1, 2)
}

// uploads begins one to each of the two old instances, and returns what finishes
// them.
func (w *world) uploads() (finish func()) {
	w.T.Helper()
	var group sync.WaitGroup
	var bodies []*io.PipeWriter
	for n := 1; n <= 2; n++ {
		r, body := io.Pipe()
		bodies = append(bodies, body)
		group.Go(func() {
			res, err := http.Post(w.URL()+"/echo", "text/plain", r)
			if err != nil {
				w.T.Error(err)
				return
			}
			defer res.Body.Close()
			if got, err := io.ReadAll(res.Body); err != nil || string(got) != "all of it" {
				w.T.Errorf("an upload was answered %s %q, %v", res.Status, got, err)
			}
		})
		if _, err := io.WriteString(body, "all "); err != nil {
			w.T.Fatal(err)
		}
		w.Until("the uploads are there", func() bool {
			busy := 0
			for _, i := range w.Service("web").Instances {
				busy += min(i.InFlight, 1)
			}
			return busy >= n
		})
	}
	return func() {
		w.T.Helper()
		for _, body := range bodies {
			if _, err := io.WriteString(body, "of it"); err != nil {
				w.T.Error(err)
			}
			body.Close() // never fails
		}
		group.Wait()
	}
}

// wentBackAtOnce holds the last rollout's way back to a switch: instances of the
// new release leave, and none of the old one had to come.
func (w *world) wentBackAtOnce() {
	w.T.Helper()
	back := false
	for _, s := range w.steps(w.history()[0].ID) {
		back = back || s.Verb == deploy.StepBack
		if back && s.Verb == deploy.StepStart {
			w.T.Errorf("%s was started on the way back", s.Instance)
		}
	}
	if !back {
		w.T.Error("the rollout was not undone")
	}
}

// TestPromoted: who has promoted is in the history; the old side leaves when the
// bake is over, and nothing is lost in all that.
func TestPromoted(t *testing.T) {
	w := newWorld(t, "type: blue-green, promote: manual, bake: 500ms")
	d := w.Drill(50)
	deploying, v := w.deploys("N: 2"), w.keptAlive()
	w.Must(1, "promote", "nobody")
	w.Must(0, "promote", "--why", "looked at")
	for over := false; !over; { // while it bakes, and while the old side leaves
		select {
		case <-deploying.Over():
			over = true
		default:
		}
		w.all(v, 2, 4, "after the switch")
	}
	if ran := deploying.Ran(); ran.Code != 0 || !strings.Contains(ran.Out, "looked at") {
		t.Error(ran)
	}
	w.Must(1, "promote")
	w.ended(deploy.Done, "")
	w.AllServing("web", 2, 2)
	d.More(20)
	d.None()
}

// TestOtherRolloutsRoll: a restart, a scale and a rollback wait for nobody's word,
// whatever the strategy of deploys is.
func TestOtherRolloutsRoll(t *testing.T) {
	for _, strategy := range []string{"type: blue-green, promote: manual, bake: 10m", "type: canary, steps: [{ weight: 10%, promote: manual }], bake: 10m", "type: recreate, bake: 2s"} {
		kind, _, _ := strings.Cut(strategy, ",")
		t.Run(strings.TrimPrefix(kind, "type: "), func(t *testing.T) {
			w := newWorld(t, strategy)
			d := w.Drill(50)
			w.release("N: 2")
			deploying := w.Background("deploy")
			if !strings.Contains(strategy, "recreate") {
				w.asks("")
				w.Must(0, "promote", "--full")
			}
			deploying.Ran()
			w.ended(deploy.Done, "")
			w.Must(0, "restart")
			w.Must(0, "scale", "3")
			w.AllServing("web", 2, 3)
			w.Must(0, "rollback")
			w.AllServing("web", 1, 3)
			d.More(20)
			d.None()
		})
	}
}

// TestDeployInABake: another deploy is refused while one bakes, or waits for its end.
func TestDeployInABake(t *testing.T) {
	w := newWorld(t, "type: blue-green, bake: 10m")
	d := w.Drill(50)
	w.release("N: 2")
	first := w.Background("deploy")
	w.Until("it bakes", func() bool { s := w.Service("web").Stage; return s != nil && s.Share == 100 })
	w.release("N: 3")
	if ran := w.Run("deploy"); ran.Code == 0 || !strings.Contains(ran.Err, "rollout 2") {
		t.Errorf("a deploy in another's bake: %s", ran)
	}
	waiting := w.Background("deploy", "--wait")
	w.Must(0, "promote")
	if ran := first.Ran(); ran.Code != 0 {
		t.Error(ran)
	}
	w.Until("the next one bakes", func() bool {
		s := w.Service("web")
		return s.Rollout != nil && s.Rollout.ID == 3 && s.Stage != nil && s.Stage.Share == 100
	})
	w.Must(0, "promote")
	if ran := waiting.Ran(); ran.Code != 0 {
		t.Error(ran)
	}
	w.AllServing("web", 3, 2)
	d.None()
}
