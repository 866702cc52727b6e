package lint

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/seguehq/segue/internal/lint"
)

// A peer is another linter.
type peer struct {
	Name    string              `json:"name"`
	Version string              `json:"version"`
	About   map[string][]string `json:"about"` // rule → its checks that are about that hazard, from its documentation
	Ran     map[string]seen     `json:"ran"`   // check → what it said of the examples; "rule/check"
}

// seen is in how many examples of a rule a check has found something.
type seen struct {
	Bad  int `json:"bad"`
	Good int `json:"good"`
}

// A said is one thing that a linter says of a manifest.
type said struct {
	Check   string `json:"check"`
	Message string `json:"message"`
}

// TestComparison runs other linters over the examples of every Kubernetes rule.
// kube-score is built from its module. kube-linter and polaris, whose modules
// not every proxy has, are run if they are in the PATH; else what they said when
// they last were stands in linters.json.
func TestComparison(t *testing.T) {
	if testing.Short() {
		t.Skip("builds kube-score")
	}
	peers := recorded(t)
	for i, p := range peers {
		run := runner(t, p.Name)
		if run == nil {
			t.Logf("%s is not in the PATH; what it said is taken from linters.json", p.Name)
			continue
		}
		ran := compare(t, p, run)
		if !*update && !maps.Equal(ran, p.Ran) {
			t.Errorf("%s says %v, and linters.json has %v; go test ./test/lint -update writes it anew", p.Name, ran, p.Ran)
		}
		peers[i].Ran = ran
	}
	if *update {
		record(t, peers)
	}
	hold(t, "linters", table(t, peers))
}

func recorded(t *testing.T) []peer {
	t.Helper()
	data, err := os.ReadFile("linters.json")
	if err != nil {
		t.Fatal(err)
	}
	var peers []peer
	if err := json.Unmarshal(data, &peers); err != nil {
		t.Fatal(err)
	}
	return peers
}

func record(t *testing.T, peers []peer) {
	t.Helper()
	data, err := json.MarshalIndent(peers, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("linters.json", append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compare counts in which examples of each rule the checks find something that
// are about it. A check that tells bad from good without being about the rule
// is logged: it may be.
func compare(t *testing.T, p peer, run func(map[string]string) map[string][]said) map[string]seen {
	t.Helper()
	manifests := map[string]string{}
	for _, d := range examples(t) {
		for i, b := range d.Bad {
			manifests[fmt.Sprintf("%s bad %d", d.Rule, i)] = complete(t, b.Text)
		}
		for i, b := range d.Good {
			manifests[fmt.Sprintf("%s good %d", d.Rule, i)] = complete(t, b.Text)
		}
	}
	all := run(manifests)
	ran := map[string]seen{}
	for _, d := range examples(t) {
		bad, good := counted(all, d.Rule+" bad", len(d.Bad)), counted(all, d.Rule+" good", len(d.Good))
		for _, check := range p.About[d.Rule] {
			ran[d.Rule+"/"+check] = seen{bad[check], good[check]}
		}
		for check := range bad {
			if good[check] == 0 && !slices.Contains(p.About[d.Rule], check) {
				t.Logf("%s: %s says something of what %s calls bad, and nothing of what it calls good", p.Name, check, d.Rule)
			}
		}
	}
	return ran
}

// counted is in how many examples each check has found something.
func counted(all map[string][]said, name string, n int) map[string]int {
	count := map[string]int{}
	for i := range n {
		checks := map[string]bool{}
		for _, s := range all[fmt.Sprintf("%s %d", name, i)] {
			checks[s.Check] = true
		}
		for check := range checks {
			count[check]++
		}
	}
	return count
}

func examples(t *testing.T) []*lint.Doc {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(linter(t).Docs()), func(d *lint.Doc) bool { return d.Kind != lint.Kubernetes })
}

// complete adds what the examples leave out for shortness, so that it is not
// that which others find: labels and the selector, which an API server demands,
// and a Service for pods with ports.
func complete(t *testing.T, text string) string {
	t.Helper()
	var objects []map[string]any
	for d := yaml.NewDecoder(strings.NewReader(text)); ; {
		var o map[string]any
		if err := d.Decode(&o); err != nil {
			break
		}
		objects = append(objects, o)
	}
	hasService := slices.ContainsFunc(objects, func(o map[string]any) bool { return o["kind"] == "Service" })
	for _, o := range slices.Clone(objects) {
		spec, _ := o["spec"].(map[string]any)
		template, _ := spec["template"].(map[string]any)
		kind, _ := o["kind"].(string)
		if template == nil || !slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout"}, kind) {
			continue
		}
		labels := child(child(template, "metadata"), "labels")
		if len(labels) == 0 {
			labels["app"] = child(o, "metadata")["name"]
		}
		if spec["selector"] == nil {
			spec["selector"] = map[string]any{"matchLabels": labels}
		}
		if port := firstPort(template); port != nil && !hasService {
			objects = append(objects, map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": child(o, "metadata")["name"]},
				"spec": map[string]any{"selector": labels, "ports": []any{map[string]any{"port": 80, "targetPort": port}}}})
		}
	}
	var b strings.Builder
	for _, o := range objects {
		data, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n" + string(data))
	}
	return b.String()
}

// child is a section, which is made if it is not there.
func child(of map[string]any, key string) map[string]any {
	m, ok := of[key].(map[string]any)
	if !ok {
		m = map[string]any{}
		of[key] = m
	}
	return m
}

func firstPort(template map[string]any) any {
	containers, _ := child(template, "spec")["containers"].([]any)
	for _, c := range containers {
		c, _ := c.(map[string]any)
		ports, _ := c["ports"].([]any)
		for _, p := range ports {
			if p, ok := p.(map[string]any); ok {
				return p["containerPort"]
			}
		}
	}
	return nil
}

// runner is how a linter is run; nil if it is not here.
func runner(t *testing.T, name string) func(map[string]string) map[string][]said {
	switch name {
	case "kube-score":
		return kubeScore(t)
	case "kube-linter":
		return each(t, "kube-linter", kubeLinter)
	case "polaris":
		return each(t, "polaris", polaris)
	}
	t.Fatalf("linters.json names %s, which nobody knows how to run", name)
	return nil
}

// each runs a program once for every manifest.
func each(t *testing.T, program string, run func(path string) ([]said, error)) func(map[string]string) map[string][]said {
	if _, err := exec.LookPath(program); err != nil {
		return nil
	}
	return func(manifests map[string]string) map[string][]said {
		found := map[string][]said{}
		for name, text := range manifests {
			path := t.TempDir() + "/manifest.yaml"
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			list, err := run(path)
			if err != nil {
				t.Fatalf("%s of %s: %v", program, name, err)
			}
			found[name] = list
		}
		return found
	}
}

// table is a row for each rule: the checks about it, and of how many bad
// examples they say something.
func table(t *testing.T, peers []peer) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n| rule")
	for _, p := range peers {
		fmt.Fprintf(&b, " | %s %s", p.Name, p.Version)
	}
	b.WriteString(" |\n|" + strings.Repeat(" --- |", len(peers)+1) + "\n")
	count := make([]int, len(peers))
	rules := examples(t)
	for _, d := range rules {
		fmt.Fprintf(&b, "| %s", d.Rule)
		for i, p := range peers {
			cell, sees := cellOf(p, d)
			fmt.Fprintf(&b, " | %s", cell)
			if sees {
				count[i]++
			}
		}
		b.WriteString(" |\n")
	}
	fmt.Fprintf(&b, "| **seen, of %d**", len(rules))
	for i := range peers {
		fmt.Fprintf(&b, " | **%d**", count[i])
	}
	return b.String() + " |\n\n"
}

func cellOf(p peer, d *lint.Doc) (text string, sees bool) {
	var checks []string
	for _, check := range p.About[d.Rule] {
		ran, ok := p.Ran[d.Rule+"/"+check]
		switch {
		case !ok:
			checks = append(checks, check+" (not run)")
			continue
		case ran.Good > 0:
			checks = append(checks, fmt.Sprintf("%s: %d of %d, and %d of %d good ones", check, ran.Bad, len(d.Bad), ran.Good, len(d.Good)))
		default:
			checks = append(checks, fmt.Sprintf("%s: %d of %d", check, ran.Bad, len(d.Bad)))
		}
		sees = sees || ran.Bad > 0
	}
	return strings.Join(checks, "<br>"), sees
}
