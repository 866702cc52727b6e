package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/linttest"
)

// world is what the rules see of a text.
func world(t *testing.T, text string) *World {
	t.Helper()
	loaded := lint.Load(lint.NewFile("web.yaml", []byte(text)))
	for _, p := range loaded.Problems {
		t.Fatal(p)
	}
	w, problems := newWorld(loaded.Objects, linttest.Facts())
	for _, p := range problems {
		t.Fatal(p)
	}
	return w
}

const variant = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: app, image: "shop/web:1", ports: [{containerPort: 80}]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec:
  minAvailable: %d
  selector: {matchLabels: {app: web}}
`

// Folders that describe one application for several environments are not one
// application with everything twice.
func TestVariantsOfOneObjectDoNotMix(t *testing.T) {
	files := []*lint.File{
		lint.NewFile("envs/dev/web.yaml", fmt.Appendf(nil, variant, 1, 0)),
		lint.NewFile("envs/prod/web.yaml", fmt.Appendf(nil, variant, 5, 4)),
	}
	for _, f := range findIn(t, files...) {
		if strings.Contains(f.Rule, "pdb") {
			t.Errorf("%s: %s: %s", f.At, f.Rule, f.Hazard)
		}
	}
}

// A budget in a folder of its own still belongs to the only workload there is.
func TestWhatBelongsTogetherMayBeFarApart(t *testing.T) {
	both := strings.Split(fmt.Sprintf(variant, 3, 3), "---\n")
	found := findIn(t, lint.NewFile("apps/web/deployment.yaml", []byte(both[0])), lint.NewFile("policies/all.yaml", []byte(both[1])))
	var rules []string
	for _, f := range found {
		rules = append(rules, f.Rule)
	}
	got := strings.Join(rules, " ")
	if !strings.Contains(got, "pdb-permits-none") || strings.Contains(got, "no-pdb") {
		t.Errorf("found %s, want pdb-permits-none and not no-pdb", got)
	}
}

// Whatever is missing from a manifest, no rule falls over it: each line of each
// rule's first example is left out in turn.
func TestRulesBearManifestsWithHoles(t *testing.T) {
	docs, err := Rules().Docs()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		lines := strings.SplitAfter(d.Bad[0].Text, "\n")
		for i := range lines {
			text := strings.Join(lines[:i], "") + strings.Join(lines[i+1:], "")
			loaded := lint.Load(lint.NewFile("web.yaml", []byte(text)))
			Rules().Run(loaded.Objects, linttest.Facts(), nil, func(f lint.Finding) {
				if f.At.Line < 1 || f.Hazard == "" || f.Mend == "" {
					t.Errorf("%s without line %d: %s: %+v", d.Rule, i+1, f.Rule, f)
				}
			})
		}
	}
}
