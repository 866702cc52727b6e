// Package render holds what `segue render kubernetes` writes to what it should,
// and has linters look at all of it: Segue's own, and kube-score.
package render

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/config"
	"github.com/seguehq/segue/internal/engine/kubernetes/manifest"
	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/kubernetes"
	"github.com/seguehq/segue/test/harness"
)

var update = flag.Bool("update", false, "write anew what is rendered")

func TestMain(m *testing.M) { harness.Main(m) }

// TestRendered holds each shape of a service to its manifests: the folder of a
// segue.yaml has in kubernetes.yaml what becomes of it.
func TestRendered(t *testing.T) {
	for name, is := range rendered(t) {
		path := filepath.Join("testdata", name, "kubernetes.yaml")
		if *update {
			if err := os.WriteFile(path, []byte(is), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if is != string(want) {
			t.Errorf("%s is another now; look at what go test ./test/render -update makes of it", path)
		}
	}
}

func rendered(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*/segue.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no shapes: %v", err)
	}
	all := map[string]string{}
	for _, path := range files {
		all[filepath.Base(filepath.Dir(path))] = render(t, path)
	}
	return all
}

func render(t *testing.T, path string) string {
	t.Helper()
	f, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, s := range f.Services {
		o := manifest.Rendered(&s.Service, "")
		objects, err := manifest.All(&s.Service, o)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		hooks, err := manifest.Hooks(&s.Service, o)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, h := range hooks {
			objects = append(objects, h.Job)
		}
		if err := manifest.YAML(&b, objects); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return b.String()
}

// TestLintIsSilent: no rule of segue lint says anything of what Segue writes.
func TestLintIsSilent(t *testing.T) {
	l, err := lint.New(kubernetes.Rules())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range rendered(t) {
		r := l.Run([]*lint.File{lint.NewFile(name+".yaml", []byte(text))}, lint.Options{Facts: lint.Facts{Propagation: 5e9}})
		for _, p := range r.Problems {
			t.Error(p)
		}
		for _, f := range r.Findings {
			t.Errorf("%s: %s: %s; mend: %s", f.At, f.Rule, f.Hazard, f.Mend)
		}
	}
}

// left are kube-score's checks that are off unless somebody asks for them, and
// that contradict what is wanted here: docs/kubernetes-manifests.md has the
// reasons.
var left = map[string]bool{
	"container-resource-requests-equal-limits":         true,
	"container-cpu-requests-equal-limits":              true,
	"container-memory-requests-equal-limits":           true,
	"container-ephemeral-storage-request-equals-limit": true,
}

// TestKubeScoreIsSilent: what is otherwise on purpose is said in the manifests,
// by annotations.
func TestKubeScoreIsSilent(t *testing.T) {
	if testing.Short() {
		t.Skip("builds kube-score")
	}
	in, err := json.Marshal(rendered(t))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(harness.Linters(t), "-annotations")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var found map[string][]struct{ Check, Message string }
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("kube-score has looked at nothing")
	}
	for name, list := range found {
		for _, f := range list {
			if !left[f.Check] {
				t.Errorf("%s: %s: %s", name, f.Check, strings.TrimSpace(f.Message))
			}
		}
	}
}
