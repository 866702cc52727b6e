package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	os.Exit(m.Run())
}

var day = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

func open(t *testing.T) *Journal { return openAt(t, filepath.Join(t.TempDir(), "segue.db")) }

func openAt(t *testing.T, path string) *Journal {
	t.Helper()
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() }) // a test may have closed it
	return j
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func begin(t *testing.T, j *Journal, r deploy.Rollout) deploy.Rollout {
	t.Helper()
	r.Phase, r.Began = deploy.Forward, day
	if r.Service == "" {
		r.Service = "web"
	}
	if r.Kind == "" {
		r.Kind = deploy.KindDeploy
	}
	if _, err := j.Begin(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func start(t *testing.T, j *Journal, r deploy.Rollout) deploy.Instance {
	t.Helper()
	i := deploy.Instance{Service: r.Service, Release: r.To, Gen: r.ToGen, Started: day}
	if _, err := j.Start(t.Context(), r.ID, &i); err != nil {
		t.Fatal(err)
	}
	return i
}

func step(r deploy.Rollout, verb deploy.Verb, instance, note string) *deploy.Step {
	return &deploy.Step{At: day, Rollout: r.ID, Service: r.Service, Verb: verb, Instance: instance, Release: r.To, Note: note}
}

func write(t *testing.T, j *Journal, s *deploy.Step) {
	t.Helper()
	if err := j.Append(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func TestPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deeper", "segue.db")
	j := openAt(t, path)
	begin(t, j, deploy.Rollout{})
	names, _ := filepath.Glob(path + "*")
	if len(names) < 2 {
		t.Errorf("only %v: no write-ahead log?", names)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// What is written is there after the journal was closed and opened again.
func TestRolloutForward(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder with ?#% in its name", "segue.db")
	j := openAt(t, path)
	r := begin(t, j, deploy.Rollout{To: 1, Replicas: 2, Who: "me@here", Why: "because"})
	if r.ID == 0 || r.ToGen != r.ID {
		t.Errorf("%+v", r)
	}
	i := start(t, j, r)
	if i.ID != "web-1.1" || i.State != deploy.Starting {
		t.Errorf("%+v", i)
	}
	if err := j.SetProcess(t.Context(), i.ID, 4711, 1<<63+5, 10080); err != nil {
		t.Fatal(err)
	}
	write(t, j, step(r, deploy.StepReady, i.ID, ""))
	write(t, j, step(r, deploy.StepShift, i.ID, ""))
	if open := must(j.Open(t.Context()))(t); len(open) != 1 || open[0].ID != r.ID {
		t.Errorf("open: %+v", open)
	}
	write(t, j, step(r, deploy.StepEnd, "", "done"))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	j = openAt(t, path)
	want := i
	want.State, want.PID, want.Born, want.Port = deploy.Serving, 4711, 1<<63+5, 10080
	if is := must(j.Instances(t.Context(), ""))(t); len(is) != 1 || !sameInstance(is[0], want) {
		t.Errorf("%+v, want %+v", is, want)
	}
	if open := must(j.Open(t.Context()))(t); len(open) != 0 {
		t.Errorf("still open: %+v", open)
	}
	got := must(j.Rollout(t.Context(), r.ID))(t)
	if got.Phase != deploy.Done || !got.Ended.Equal(day) || !got.Began.Equal(day) || got.Who != "me@here" || got.Why != "because" || got.Replicas != 2 || got.Reason != "" {
		t.Errorf("%+v", got)
	}
	if cs := must(j.Services(t.Context()))(t); len(cs) != 1 || cs[0] != (Current{"web", 1, r.ID, 2}) {
		t.Errorf("%+v", cs)
	}
	var verbs []deploy.Verb
	for _, s := range must(j.Steps(t.Context(), r.ID, 0))(t) {
		verbs = append(verbs, s.Verb)
	}
	if fmt.Sprint(verbs) != "[begin start ready shift end]" {
		t.Errorf("%v", verbs)
	}
}

func sameInstance(a, b deploy.Instance) bool {
	same := a.Started.Equal(b.Started)
	a.Started, b.Started = time.Time{}, time.Time{}
	return same && a == b
}

func TestRolloutBackward(t *testing.T) {
	j := open(t)
	first := begin(t, j, deploy.Rollout{To: 1, Replicas: 2})
	write(t, j, step(first, deploy.StepEnd, "", ""))
	r := begin(t, j, deploy.Rollout{From: 1, To: 2, FromGen: first.ToGen, Replicas: 5, Before: 2})
	i := start(t, j, r)
	write(t, j, step(r, deploy.StepBack, "", "it is broken"))
	if got := must(j.Rollout(t.Context(), r.ID))(t); got.Phase != deploy.Backward || got.Reason != "it is broken" || !got.Ended.IsZero() {
		t.Errorf("%+v", got)
	}
	write(t, j, step(r, deploy.StepStop, i.ID, ""))
	write(t, j, step(r, deploy.StepFailed, i.ID, "exit status 1"))
	write(t, j, step(r, deploy.StepEnd, "", ""))
	if got := must(j.Rollout(t.Context(), r.ID))(t); got.Phase != deploy.RolledBack {
		t.Errorf("%+v", got)
	}
	if cs := must(j.Services(t.Context()))(t); cs[0] != (Current{"web", 1, first.ToGen, 2}) {
		t.Errorf("the service is %+v", cs)
	}
	if is := must(j.Instances(t.Context(), ""))(t); len(is) != 0 {
		t.Errorf("a failed instance is listed: %+v", is)
	}
}

func TestScaleKeepsGeneration(t *testing.T) {
	j := open(t)
	if r := begin(t, j, deploy.Rollout{Kind: deploy.KindScale, From: 1, To: 1, FromGen: 7}); r.ToGen != 7 {
		t.Errorf("to generation %d", r.ToGen)
	}
}

func TestBusy(t *testing.T) {
	j := open(t)
	first := begin(t, j, deploy.Rollout{To: 1, Who: "me@here"})
	var busy *BusyError
	second := deploy.Rollout{Service: "web", Kind: deploy.KindScale, Phase: deploy.Forward, Began: day}
	if _, err := j.Begin(t.Context(), &second); !errors.As(err, &busy) || busy.Rollout.ID != first.ID {
		t.Fatalf("%v", err)
	}
	for _, part := range []string{"web is busy with rollout 1", "deploy of release 1", "me@here", "--wait"} {
		if !strings.Contains(busy.Error(), part) {
			t.Errorf("%q is not in %q", part, busy)
		}
	}
	begin(t, j, deploy.Rollout{Service: "api"})
	write(t, j, step(first, deploy.StepEnd, "", ""))
	begin(t, j, deploy.Rollout{})
}

// Every step in every state: exactly the legal ones are written, and one that
// is refused leaves nothing behind.
func TestInstanceTransitions(t *testing.T) {
	roads := map[deploy.State][]deploy.Verb{
		deploy.Starting: {},
		deploy.Ready:    {deploy.StepReady},
		deploy.Serving:  {deploy.StepReady, deploy.StepShift},
		deploy.Draining: {deploy.StepReady, deploy.StepShift, deploy.StepDrain},
		deploy.Stopping: {deploy.StepStop},
		deploy.Stopped:  {deploy.StepStop, deploy.StepGone},
		deploy.Failed:   {deploy.StepFailed},
	}
	j := open(t)
	r := begin(t, j, deploy.Rollout{To: 1})
	for from, road := range roads {
		for verb, to := range after {
			i := start(t, j, r)
			for _, v := range road {
				write(t, j, step(r, v, i.ID, ""))
			}
			before := len(must(j.Steps(t.Context(), r.ID, 0))(t))
			err := j.Append(t.Context(), step(r, verb, i.ID, "a note"))
			legal := from == to || from.To(to) == nil
			if (err == nil) != legal {
				t.Errorf("%s in state %s: %v", verb, from, err)
			}
			want, steps := from, before
			if legal {
				want, steps = to, before+1
			}
			if got := stateOf(t, j, i.ID); got != want {
				t.Errorf("%s in state %s: now %s, want %s", verb, from, got, want)
			}
			if got := len(must(j.Steps(t.Context(), r.ID, 0))(t)); got != steps {
				t.Errorf("%s in state %s: %d steps, want %d", verb, from, got, steps)
			}
		}
	}
}

func stateOf(t *testing.T, j *Journal, id string) (s deploy.State) {
	t.Helper()
	if err := j.db.QueryRow("SELECT state FROM instances WHERE id = ?", id).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// A rollout ends in exactly one of done and rolled back, whatever is written.
func TestRolloutTransitions(t *testing.T) {
	for _, c := range []struct {
		road    []deploy.Verb
		refused deploy.Verb
		phase   deploy.Phase
	}{
		{[]deploy.Verb{deploy.StepEnd}, deploy.StepEnd, deploy.Done},
		{[]deploy.Verb{deploy.StepEnd}, deploy.StepBack, deploy.Done},
		{[]deploy.Verb{deploy.StepBack, deploy.StepEnd}, deploy.StepBack, deploy.RolledBack},
		{[]deploy.Verb{deploy.StepBack, deploy.StepEnd}, deploy.StepEnd, deploy.RolledBack},
	} {
		j := open(t)
		r := begin(t, j, deploy.Rollout{To: 1})
		for _, v := range c.road {
			write(t, j, step(r, v, "", "the first reason"))
		}
		if err := j.Append(t.Context(), step(r, c.refused, "", "another reason")); err == nil {
			t.Errorf("%s is written after %v", c.refused, c.road)
		}
		got := must(j.Rollout(t.Context(), r.ID))(t)
		if got.Phase != c.phase || strings.Contains(got.Reason, "another") || got.Ended.IsZero() {
			t.Errorf("%s after %v: %+v", c.refused, c.road, got)
		}
	}
}

func TestStepsOfNothing(t *testing.T) {
	j := open(t)
	for _, s := range []*deploy.Step{
		{At: day, Rollout: 9, Service: "web", Verb: deploy.StepBack},
		{At: day, Rollout: 9, Service: "web", Verb: deploy.StepEnd},
		{At: day, Service: "web", Verb: deploy.StepReady, Instance: "web-1.1"},
	} {
		err := j.Append(t.Context(), s)
		if !errors.Is(err, ErrNone) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%s: %v", s.Verb, err)
		}
	}
	if err := j.SetProcess(t.Context(), "web-1.1", 1, 2, 3); !errors.Is(err, ErrNone) {
		t.Errorf("the process of an instance that is not there: %v", err)
	}
	if _, err := j.Rollout(t.Context(), 9); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
	if _, err := j.Release(t.Context(), "web", 9); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
}

func TestStepsSince(t *testing.T) {
	j := open(t)
	r, other := begin(t, j, deploy.Rollout{To: 1}), begin(t, j, deploy.Rollout{Service: "api", To: 1})
	i := start(t, j, r)
	start(t, j, other)
	s := step(r, deploy.StepReady, i.ID, "with a note")
	write(t, j, s)
	all := must(j.Steps(t.Context(), r.ID, 0))(t)
	if len(all) != 3 || all[2].Seq != s.Seq || all[2].Note != "with a note" || !all[2].At.Equal(day) || all[2].Service != "web" {
		t.Errorf("%+v", all)
	}
	if rest := must(j.Steps(t.Context(), r.ID, all[1].Seq))(t); len(rest) != 1 || rest[0] != all[2] {
		t.Errorf("%+v", rest)
	}
	if rest := must(j.Steps(t.Context(), r.ID, s.Seq))(t); len(rest) != 0 {
		t.Errorf("%+v", rest)
	}
}

func TestInstances(t *testing.T) {
	j := open(t)
	web, api := begin(t, j, deploy.Rollout{To: 3}), begin(t, j, deploy.Rollout{Service: "api", To: 1})
	for range 12 {
		start(t, j, web)
	}
	start(t, j, api)
	is := must(j.Instances(t.Context(), "web"))(t)
	if len(is) != 12 || is[0].ID != "web-3.1" || is[11].ID != "web-3.12" || is[0].Gen != web.ToGen {
		t.Errorf("%+v", is)
	}
	write(t, j, step(web, deploy.StepFailed, "web-3.2", "it died"))
	if i := start(t, j, web); i.ID != "web-3.13" {
		t.Errorf("an ID is given again: %s", i.ID)
	}
	if n := len(must(j.Instances(t.Context(), ""))(t)); n != 13 {
		t.Errorf("%d instances", n)
	}
}

func TestReleases(t *testing.T) {
	j := open(t)
	add := func(service, digest string) deploy.Release {
		t.Helper()
		return must(j.AddRelease(t.Context(), deploy.Release{Service: service, Digest: digest, Tree: "tree", Made: day,
			Spec: deploy.Service{Name: service, Command: []string{"run"}, Drain: deploy.Drain{Timeout: time.Second}}}))(t)
	}
	one, two := add("web", "aaa"), add("web", "bbb")
	if one.Number != 1 || two.Number != 2 || add("api", "aaa").Number != 1 {
		t.Errorf("%+v %+v", one, two)
	}
	if again := add("web", "aaa"); again.Number != 1 || !again.Made.Equal(day) {
		t.Errorf("the same release is made again: %+v", again)
	}
	got := must(j.Release(t.Context(), "web", 2))(t)
	if got.Digest != "bbb" || got.Spec.Drain.Timeout != time.Second || got.Spec.Command[0] != "run" || !got.Made.Equal(day) {
		t.Errorf("%+v", got)
	}
	if rs := must(j.Releases(t.Context(), "web"))(t); len(rs) != 2 || rs[0].Number != 2 {
		t.Errorf("%+v", rs)
	}
	if rs := must(j.Releases(t.Context(), ""))(t); len(rs) != 3 || rs[0].Service != "api" {
		t.Errorf("%+v", rs)
	}

	// A dropped one is not found again, and its number is not given again.
	for range 2 {
		if err := j.DropRelease(t.Context(), "web", 2); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Release(t.Context(), "web", 2); !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
	if again := add("web", "bbb"); again.Number != 3 {
		t.Errorf("%+v", again)
	}
}

func TestHistory(t *testing.T) {
	j := open(t)
	for n := range 5 {
		service := []string{"web", "api"}[n%2]
		r := begin(t, j, deploy.Rollout{Service: service, To: n})
		write(t, j, step(r, deploy.StepEnd, "", ""))
	}
	if rs := must(j.History(t.Context(), "", 0))(t); len(rs) != 5 || rs[0].ID != 5 || rs[4].ID != 1 {
		t.Errorf("%+v", rs)
	}
	if rs := must(j.History(t.Context(), "web", 2))(t); len(rs) != 2 || rs[0].ID != 5 || rs[1].ID != 3 {
		t.Errorf("%+v", rs)
	}
	if rs := must(j.History(t.Context(), "none", 2))(t); len(rs) != 0 {
		t.Errorf("%+v", rs)
	}
}

func TestSalt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segue.db")
	j := openAt(t, path)
	salt := must(j.Salt(t.Context()))(t)
	if len(salt) < 16 {
		t.Errorf("%d bytes", len(salt))
	}
	_ = j.Close()
	if again := must(openAt(t, path).Salt(t.Context()))(t); string(again) != string(salt) {
		t.Error("another salt after opening again")
	}
	if other := must(open(t).Salt(t.Context()))(t); string(other) == string(salt) {
		t.Error("two journals have the same salt")
	}
}

func TestNewerFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "segue.db")
	j := openAt(t, path)
	if _, err := j.db.Exec(fmt.Sprintf("PRAGMA user_version = %d", Version+1)); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "newer segue (format 2, this one knows 1)") {
		t.Errorf("%v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{
		"/proc/segue/segue.db": "the state folder must be writable", dir: "is a directory", garbage: "not a database",
	} {
		j, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
		if j != nil {
			t.Errorf("%s: a journal all the same", path)
		}
	}
}

func TestCalledOff(t *testing.T) {
	j := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := deploy.Rollout{Service: "web", Kind: deploy.KindDeploy, Phase: deploy.Forward, Began: day}
	if _, err := j.Begin(ctx, &r); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if open := must(j.Open(t.Context()))(t); len(open) != 0 {
		t.Errorf("%+v", open)
	}
}

// Services roll side by side while others read.
func TestConcurrent(t *testing.T) {
	j := open(t)
	var group sync.WaitGroup
	for n := range 6 {
		service := fmt.Sprintf("s%d", n)
		group.Go(func() {
			for range 8 {
				r := begin(t, j, deploy.Rollout{Service: service, To: 1})
				i := start(t, j, r)
				for _, v := range []deploy.Verb{deploy.StepReady, deploy.StepShift, deploy.StepDrain, deploy.StepStop, deploy.StepGone} {
					write(t, j, step(r, v, i.ID, ""))
				}
				write(t, j, step(r, deploy.StepEnd, "", ""))
			}
		})
		group.Go(func() {
			for range 20 {
				if _, err := j.Instances(t.Context(), service); err != nil {
					t.Error(err)
				}
				if _, err := j.History(t.Context(), "", 3); err != nil {
					t.Error(err)
				}
			}
		})
	}
	// Of many who want the same service, exactly one gets it.
	got := make(chan error, 6)
	for range 6 {
		group.Go(func() {
			r := deploy.Rollout{Service: "wanted", Kind: deploy.KindDeploy, Phase: deploy.Forward, Began: day}
			_, err := j.Begin(t.Context(), &r)
			got <- err
		})
	}
	group.Wait()
	close(got)
	won := 0
	for err := range got {
		if err == nil {
			won++
		} else if busy := (*BusyError)(nil); !errors.As(err, &busy) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d have got the service", won)
	}
	var bad int
	if err := j.db.QueryRow("SELECT count(*) FROM rollouts WHERE phase != 'done' AND service != 'wanted'").Scan(&bad); err != nil || bad != 0 {
		t.Errorf("%d rollouts are not done, %v", bad, err)
	}
}
