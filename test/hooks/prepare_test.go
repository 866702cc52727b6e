package hooks_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

const steps = `
prepare:
  - { name: warm, run: bin/hook warm }
  - { name: fill, run: bin/hook fill, timeout: 1h }
`

// TestPreparedLongBefore: steps are run while the old release serves, once, and
// no deploy runs them again until one of them is another.
func TestPreparedLongBefore(t *testing.T) {
	w := newWorld(t)
	w.Web(2, "N: 2", steps)
	d := w.Drill(100)
	if ran := w.Must(0, "plan"); !strings.Contains(ran.Out, "prepare first: warm, fill") {
		t.Errorf("the plan does not tell:\n%s", ran)
	}
	ran := w.Must(0, "prepare")
	for _, want := range []string{"warm runs", "this is fill speaking", "fill is done"} {
		if !strings.Contains(ran.Out, want) {
			t.Errorf("%q is not told:\n%s", want, ran)
		}
	}
	for _, line := range w.ran() {
		if !strings.Contains(line, " from=1 ") || !strings.HasSuffix(line, ": release 1 ") {
			t.Errorf("a step saw %q", line)
		}
	}
	w.AllServing("web", 1, 2)

	w.Must(0, "prepare")
	w.Must(0, "deploy")
	w.AllServing("web", 2, 2)
	w.Web(2, "N: 3", strings.Replace(steps, "hook fill", "hook fill more", 1))
	w.Must(0, "deploy")
	w.AllServing("web", 3, 2)
	w.Must(0, "prepare", "--again", "warm")
	d.None()
	if got := w.names(); !slices.Equal(got, []string{"warm", "fill", "fill", "warm"}) {
		t.Errorf("steps that ran: %v", got)
	}

	var listed []struct {
		Name string
		Done *deploy.Preparation
	}
	if err := json.Unmarshal([]byte(w.Must(0, "prepare", "--list", "--json").Out), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed) != 2 || listed[0].Done == nil || listed[0].Done.Release != 3 || listed[1].Done == nil || listed[1].Done.Release != 3 {
		t.Errorf("the list: %+v", listed)
	}
}

// TestPreparationFails: whoever runs it, the service is left as it was, and what
// was done before stays done.
func TestPreparationFails(t *testing.T) {
	w := newWorld(t)
	w.Web(2, "N: 2", steps)
	before := w.Service("web").Instances
	d := w.Drill(100)
	w.does("fill", "echo no rows to fill; exit 4")
	ran := w.Must(1, "prepare")
	for _, want := range []string{"step fill", "exit status 4", "no rows to fill", "the service was not touched"} {
		if !strings.Contains(ran.Err, want) {
			t.Errorf("%q is not told:\n%s", want, ran)
		}
	}
	ran = w.Must(3, "deploy")
	if !strings.Contains(ran.Out, "no rows to fill") {
		t.Error(ran)
	}
	after := w.Service("web").Instances
	if len(after) != len(before) || after[0].ID != before[0].ID || after[1].ID != before[1].ID {
		t.Errorf("instances were %v and are %v", before, after)
	}
	w.does("fill", "")
	w.Must(0, "deploy")
	d.None()
	if got := w.names(); !slices.Equal(got, []string{"warm", "fill", "fill", "fill"}) {
		t.Errorf("steps that ran: %v", got)
	}
}

// TestPreparationCutOff: there is one at a time; who runs it can call it off,
// and an agent that is killed leaves it to the next one.
func TestPreparationCutOff(t *testing.T) {
	w := newWorld(t)
	w.Web(2, "N: 2", steps)
	w.does("fill", "sleep 1001 & sleep 1001")
	asleep := func() bool { return w.Running("sleep 1001") == 2 }

	first := w.Background("prepare")
	w.Until("the step runs", asleep)
	if ran := w.Must(1, "prepare"); !strings.Contains(ran.Err, "is being prepared already") || !strings.Contains(ran.Err, "step fill") {
		t.Error(ran)
	}
	if p := w.Service("web").Preparing; p == nil || p.Step != "fill" || p.Release != 2 {
		t.Errorf("status tells of %+v", p)
	}
	first.Interrupt()
	if ran := first.Ran(); ran.Code != 1 || !strings.Contains(ran.Err, "called off") {
		t.Error(ran)
	}
	w.Until("nothing is left of it", func() bool { return w.Running("sleep 1001") == 0 && w.Service("web").Preparing == nil })

	second := w.Background("prepare")
	w.Until("the step runs", asleep)
	w.agent.Kill()
	w.does("fill", "")
	w.agent = w.Agent()
	if ran := second.Ran(); ran.Code != 0 {
		t.Error(ran)
	}
	if n := w.Running("sleep 1001"); n > 0 {
		t.Errorf("%d processes are left of a step whose agent was killed", n)
	}
	if got := w.names(); !slices.Equal(got, []string{"warm", "fill", "fill", "fill"}) {
		t.Errorf("steps that ran: %v", got)
	}
}
