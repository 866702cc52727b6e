package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

// kubeScore runs all manifests in one process: what it takes is its start.
func kubeScore(t *testing.T) func(map[string]string) map[string][]said {
	program := harness.Linters(t)
	return func(manifests map[string]string) map[string][]said {
		in, err := json.Marshal(manifests)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program)
		cmd.Stdin = bytes.NewReader(in)
		out, err := output(cmd)
		if err != nil {
			t.Fatal(err)
		}
		var found map[string][]said
		if err := json.Unmarshal(out, &found); err != nil {
			t.Fatal(err)
		}
		return found
	}
}

// kubeLinter leaves out two checks that look at other things: one asks the
// network for schemas, the other wants keys in the order of the alphabet.
func kubeLinter(path string) ([]said, error) {
	out, err := output(exec.Command("kube-linter", "lint", "--add-all-built-in", "--exclude", "schema-validation", "--exclude", "sorted-keys", "--format", "json", path))
	if err != nil {
		return nil, err
	}
	var report struct {
		Reports []struct {
			Check      string
			Diagnostic struct{ Message string }
		}
	}
	err = json.Unmarshal(out, &report)
	var list []said
	for _, r := range report.Reports {
		list = append(list, said{r.Check, r.Diagnostic.Message})
	}
	return list, err
}

// A polarisResult is what polaris says of a pod or of a container.
type polarisResult map[string]struct {
	ID, Message string
	Success     bool
}

func polaris(path string) ([]said, error) {
	out, err := output(exec.Command("polaris", "audit", "--audit-path", path, "--format", "json"))
	if err != nil {
		return nil, err
	}
	var report struct {
		Results []struct {
			Results   polarisResult
			PodResult *struct {
				Results          polarisResult
				ContainerResults []struct{ Results polarisResult }
			}
		}
	}
	err = json.Unmarshal(out, &report)
	var list []said
	add := func(results polarisResult) {
		for _, r := range results {
			if !r.Success {
				list = append(list, said{r.ID, r.Message})
			}
		}
	}
	for _, r := range report.Results {
		add(r.Results)
		if r.PodResult == nil {
			continue
		}
		add(r.PodResult.Results)
		for _, c := range r.PodResult.ContainerResults {
			add(c.Results)
		}
	}
	return list, err
}

// output is what a program prints, whether or not it is content with what it
// has read.
func output(cmd *exec.Cmd) ([]byte, error) {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(out) > 0 {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd.Path, err, stderr.String())
	}
	return out, nil
}
