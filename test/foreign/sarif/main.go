// Command sarif reads a SARIF log on stdin and holds it to the schema of
// SARIF 2.1.0 (errata 01), which go-sarif brings. It checks its own model of the
// log, so what that model does not know is looked for as well.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
)

func main() {
	if err := run(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "sarif:", err)
		os.Exit(1)
	}
}

func run(in io.Reader) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	report, err := sarif.FromBytes(data)
	if err != nil {
		return err
	}
	again, err := json.Marshal(report)
	if err != nil {
		return err
	}
	var ours, theirs any
	if err := json.Unmarshal(data, &ours); err != nil {
		return err
	}
	if err := json.Unmarshal(again, &theirs); err != nil {
		return err
	}
	if err := within("$", ours, theirs); err != nil {
		return err
	}
	results := 0
	for _, r := range report.Runs {
		results += len(r.Results)
		fill(r)
	}
	if err := report.Validate(); err != nil {
		return err
	}
	fmt.Printf("valid SARIF %s with %d results\n", report.Version, results)
	return nil
}

// fill puts the defaults of the schema where the model would write an empty text
// for what is absent.
func fill(r *sarif.Run) {
	if r.Language == "" {
		r.Language = "en-US"
	}
	if r.Tool.Driver.Language == "" {
		r.Tool.Driver.Language = "en-US"
	}
	if len(r.NewlineSequences) == 0 {
		r.NewlineSequences = []string{"\r\n", "\n"}
	}
}

// within tells of what is in a and not in b.
func within(path string, a, b any) error {
	switch a := a.(type) {
	case map[string]any:
		m, _ := b.(map[string]any)
		for k, v := range a {
			if _, ok := m[k]; !ok {
				return fmt.Errorf("%s.%s is no property of SARIF", path, k)
			}
			if err := within(path+"."+k, v, m[k]); err != nil {
				return err
			}
		}
	case []any:
		list, _ := b.([]any)
		if len(list) != len(a) {
			return fmt.Errorf("%s has %d items, read as %d", path, len(a), len(list))
		}
		for i := range a {
			if err := within(fmt.Sprintf("%s[%d]", path, i), a[i], list[i]); err != nil {
				return err
			}
		}
	default:
		if a != b {
			return fmt.Errorf("%s is %v, read as %v", path, a, b)
		}
	}
	return nil
}
