package ecs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/deploy"
	"github.com/seguehq/segue/internal/engine/ecs"
	"github.com/seguehq/segue/internal/engine/kubernetes/manifest"
	"github.com/seguehq/segue/test/harness"
)

// operations by the kind of file.
var operations = map[string]string{"task-definition": "RegisterTaskDefinition", "service": "CreateService"}

// TestRenderedKeepsToThePublishedModel holds all that is rendered in the tests
// of internal/engine/ecs to AWS' model.
func TestRenderedKeepsToThePublishedModel(t *testing.T) {
	model := harness.Foreign(t, "./ecsmodel")
	pages, err := filepath.Glob(filepath.Join(harness.Root(), "internal", "engine", "ecs", "testdata", "*.txt"))
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		checked := 0
		for part := range strings.SplitSeq(string(text), "-- ") {
			name, rest, _ := strings.Cut(part, " --\n")
			kind := strings.TrimSuffix(name[strings.IndexByte(name, '.')+1:], ".json")
			if operations[kind] == "" {
				continue
			}
			checked++
			if out, err := pipe([]byte(rest), model, operations[kind]); err != nil {
				t.Errorf("%s: %s: %s", filepath.Base(page), name, out)
			}
		}
		if checked != len(operations) {
			t.Errorf("%s: %d files were checked", page, checked)
		}
	}
}

// The model must find what is wrong, or the test above proves nothing.
func TestTheModelFindsWhatIsWrong(t *testing.T) {
	model := harness.Foreign(t, "./ecsmodel")
	w := newWorld(t)
	for _, test := range []struct{ kind, was, is, words string }{
		{"task-definition", `"stopTimeout"`, `"stopTimeOut"`, "no such member"},
		{"task-definition", `"essential": true`, `"essential": "true"`, "type"},
		{"task-definition", `"awsvpc"`, `"awspvc"`, "does not list"},
		{"task-definition", `"family": "shop",`, ``, "Family"},
		{"service", `"rollback": true`, `"rollback": 1`, "type"},
		{"service", `"ROLLING"`, `"ROLLIN"`, "does not list"},
	} {
		text := strings.Replace(string(rendered(t, w)[test.kind]), test.was, test.is, 1)
		out, err := pipe([]byte(text), model, operations[test.kind])
		if err == nil || !strings.Contains(out, test.words) {
			t.Errorf("%s for %s: %v %s", test.is, test.was, err, out)
		}
	}
}

// rendered gives what segue render prints for the shop.
func rendered(t *testing.T, w *world) map[string]json.RawMessage {
	t.Helper()
	var all map[string]map[string]json.RawMessage
	if err := json.Unmarshal([]byte(w.Must(0, "render", "ecs").Out), &all); err != nil {
		t.Fatal(err)
	}
	return all["shop"]
}

// TestTheAWSCLITakesTheFiles runs what `segue render ecs --out` prints.
func TestTheAWSCLITakesTheFiles(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("no AWS CLI here; scripts/need aws installs one")
	}
	w := newWorld(t)
	lines := strings.Split(strings.TrimSpace(w.Must(0, "render", "ecs", "--out", "aws").Out), "\n")
	if len(lines) != 4 {
		t.Fatalf("the commands are %q", lines)
	}
	for _, line := range lines {
		words := strings.Fields(line)
		if words[0] != "aws" {
			t.Fatalf("%q is no command of the AWS CLI", line)
		}
		cmd := exec.Command("aws", words[1:]...)
		cmd.Env = append(os.Environ(), w.Env...)
		if words[1] == "elbv2" { // there is no such server here: that the input is well is all that can be seen
			cmd.Args = append(cmd.Args, "--endpoint-url", "http://127.0.0.1:1", "--cli-connect-timeout", "1")
			cmd.Env = append(cmd.Env, "AWS_MAX_ATTEMPTS=1")
		} else {
			cmd.Args = append(cmd.Args, "--endpoint-url", w.url)
		}
		out, err := cmd.CombinedOutput()
		switch text := string(out); {
		case strings.Contains(text, "Unknown parameter") && strings.Contains(text, `"strategy"`):
			t.Logf("this AWS CLI is of before July 2025: %s", text)
		case words[1] == "elbv2" && strings.Contains(text, "Could not connect"):
		case err != nil:
			t.Errorf("%s: %v\n%s", line, err, text)
		}
	}
	if n := len(w.server.Calls("RegisterTaskDefinition")); n != 1 {
		t.Errorf("RegisterTaskDefinition came %d times", n)
	}
}

// Where a task runs, its time must be the same that a pod has.
func TestECSAndKubernetesReckonAlike(t *testing.T) {
	spec := &deploy.Service{Name: "shop", Listen: []string{":8080"}, Command: []string{"/bin/shop"}, Replicas: 3,
		Drain: deploy.Drain{Timeout: 30e9, Spread: 5e9}, Stop: deploy.Stop{Timeout: 10e9},
		ECS: &deploy.ECS{Image: "shop:1", Subnets: []string{"subnet-1"}}}
	r, err := ecs.Render(spec, ecs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pod := manifest.Grace(spec) - manifest.PreStop(spec)
	if got := time.Duration(*r.Task.ContainerDefinitions[0].StopTimeout) * time.Second; got != pod {
		t.Errorf("stopTimeout is %v, and a pod has %v after its signal", got, pod)
	}
}
