package agent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/journal"
)

func serving(release int, gen int64, n int) []deploy.Instance {
	var is []deploy.Instance
	for k := range n {
		is = append(is, deploy.Instance{ID: fmt.Sprintf("web-%d.%d", release, k+1), Service: "web", Release: release, Gen: gen, State: deploy.Serving})
	}
	return is
}

func story(steps []deploy.Step) string {
	var parts []string
	for _, s := range steps {
		parts = append(parts, strings.TrimSpace(string(s.Verb)+" "+s.Instance))
	}
	return strings.Join(parts, ", ")
}

func TestSimulate(t *testing.T) {
	rolling := deploy.Strategy{Type: deploy.Rolling, Surge: 1, Overlap: true}
	instead := deploy.Strategy{Type: deploy.Rolling, Unavailable: 1, Overlap: true}
	apart := deploy.Strategy{Type: deploy.Rolling, Surge: 1}
	for _, c := range []struct {
		what     string
		strategy deploy.Strategy
		r        deploy.Rollout
		fleet    []deploy.Instance
		want     string
	}{
		{"a first deploy", rolling, deploy.Rollout{To: 1, ToGen: -1, Replicas: 1}, nil,
			"start web-1.new1, ready web-1.new1, shift web-1.new1, end"},
		{"surge", rolling, deploy.Rollout{From: 1, FromGen: 5, To: 2, ToGen: -1, Replicas: 2, Before: 2}, serving(1, 5, 2),
			"start web-2.new1, ready web-2.new1, shift web-2.new1, drain web-1.1, stop web-1.1, gone web-1.1, " +
				"start web-2.new2, ready web-2.new2, shift web-2.new2, drain web-1.2, stop web-1.2, gone web-1.2, end"},
		{"unavailable", instead, deploy.Rollout{From: 1, FromGen: 5, To: 2, ToGen: -1, Replicas: 1, Before: 1}, serving(1, 5, 1),
			"drain web-1.1, stop web-1.1, gone web-1.1, start web-2.new1, ready web-2.new1, shift web-2.new1, end"},
		{"no overlap", apart, deploy.Rollout{From: 1, FromGen: 5, To: 2, ToGen: -1, Replicas: 1, Before: 1}, serving(1, 5, 1),
			"drain web-1.1, stop web-1.1, gone web-1.1, start web-2.new1, ready web-2.new1, shift web-2.new1, end"},
		{"scale down", rolling, deploy.Rollout{Kind: deploy.KindScale, From: 1, FromGen: 5, To: 1, ToGen: 5, Replicas: 1, Before: 2}, serving(1, 5, 2),
			"drain web-1.2, stop web-1.2, gone web-1.2, end"},
		{"nothing", rolling, deploy.Rollout{Kind: deploy.KindScale, From: 1, FromGen: 5, To: 1, ToGen: 5, Replicas: 2, Before: 2}, serving(1, 5, 2), "end"},
	} {
		c.r.ID, c.r.Service, c.r.Phase = -1, "web", deploy.Forward
		steps, err := simulate(t.Context(), deploy.Service{Strategy: c.strategy}, c.r, c.fleet)
		if got := story(steps); err != nil || got != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.what, err, got, c.want)
		}
	}
}

func TestPlan(t *testing.T) {
	a := memory(t)
	q := control.DeployRequest{Spec: deploy.Service{Name: "web", Command: []string{"run"}, Replicas: 1,
		Strategy: deploy.Strategy{Type: deploy.Rolling, Surge: 1, Overlap: true}}, Env: deploy.Environment{"A": "1"}, Tree: "tree"}
	plan := func(change func(*control.DeployRequest)) control.Plan {
		t.Helper()
		x := q
		if change != nil {
			change(&x)
		}
		p, err := a.Plan(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := plan(nil); p.From != 0 || p.To != 1 || p.Kept || p.Nothing || len(p.Steps) != 4 {
		t.Errorf("of a first deploy: %+v", p)
	}

	// Release 1 serves.
	spec := q.Spec
	spec.EnvNames = q.Env.Names()
	digest, err := a.digest(t.Context(), control.DeployRequest{Spec: spec, Env: q.Env, Tree: q.Tree})
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.journal.AddRelease(t.Context(), deploy.Release{Service: "web", Digest: digest, Tree: q.Tree, Spec: spec})
	if err != nil {
		t.Fatal(err)
	}
	s := a.addService(journal.Current{Service: "web", Release: 1, Gen: 5, Replicas: 1})
	s.releases[1] = &r
	s.fleet.Add(serving(1, 5, 1)[0])

	if p := plan(nil); !p.Nothing || !p.Kept || p.From != 1 || p.To != 1 || len(p.Steps) != 0 {
		t.Errorf("of the same: %+v", p)
	}
	if p := plan(func(q *control.DeployRequest) { q.Env = deploy.Environment{"A": "2"} }); p.To != 2 || p.Kept || len(p.Changes) != 0 || len(p.Steps) != 7 {
		t.Errorf("of another value: %+v", p)
	}
	if p := plan(func(q *control.DeployRequest) { q.Spec.Command = []string{"run", "-v"} }); fmt.Sprint(p.Changes) != "[Command]" {
		t.Errorf("of another command: %+v", p)
	}
	if p := plan(func(q *control.DeployRequest) { q.Spec.Replicas = 3 }); p.Nothing || p.To != 1 || story(p.Steps) !=
		"start web-1.new1, ready web-1.new1, shift web-1.new1, start web-1.new2, ready web-1.new2, shift web-1.new2, end" {
		t.Errorf("of more replicas: %+v", p)
	}
	if n := len(s.fleet.List()); n != 1 {
		t.Errorf("planning has changed the fleet: %d instances", n)
	}
	if kept, _ := a.journal.Releases(t.Context(), ""); len(kept) != 1 {
		t.Errorf("planning has made releases: %+v", kept)
	}

	t.Run("force", func(t *testing.T) {
		p := plan(func(q *control.DeployRequest) { q.Force = true })
		if p.Nothing || !strings.Contains(story(p.Steps), "drain web-1.1") {
			t.Errorf("nothing %v, %s", p.Nothing, story(p.Steps))
		}
	})
}

func TestChanges(t *testing.T) {
	old := deploy.Service{Command: []string{"a"}, Keep: 5}
	next := old
	if got := changes(old, next); len(got) != 0 {
		t.Errorf("%v", got)
	}
	next.Keep, next.Command = 6, []string{"b"}
	if got := fmt.Sprint(changes(old, next)); got != "[Command Keep]" {
		t.Error(got)
	}
	if got := changes(deploy.Service{}, next); got != nil {
		t.Errorf("of nothing: %v", got)
	}
}
