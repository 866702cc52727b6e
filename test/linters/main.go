// Command linters runs kube-score over manifests for test/lint, which compares
// it with segue lint: on stdin an object of names and manifests, on stdout one
// of the same names and what was said of each. It is a module of its own for
// the versions of k8s.io that kube-score needs.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/zegl/kube-score/config"
	ks "github.com/zegl/kube-score/domain"
	"github.com/zegl/kube-score/parser"
	"github.com/zegl/kube-score/score"
	"github.com/zegl/kube-score/score/checks"
	"github.com/zegl/kube-score/scorecard"
)

// A finding is the name of a check and what it said.
type finding struct {
	Check   string `json:"check"`
	Message string `json:"message"`
}

func main() {
	minds := flag.Bool("annotations", false, "leave out what kube-score/ignore says")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *minds); err != nil {
		fmt.Fprintln(os.Stderr, "linters:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, minds bool) error {
	var manifests map[string]string
	if err := json.NewDecoder(in).Decode(&manifests); err != nil {
		return err
	}
	found := map[string][]finding{}
	for name, text := range manifests {
		list, err := lint(name, text, minds)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		found[name] = list
	}
	return json.NewEncoder(out).Encode(found)
}

// lint runs all checks, those too that are off unless they are asked for.
func lint(name, text string, minds bool) ([]finding, error) {
	p, err := parser.New(nil)
	if err != nil {
		return nil, err
	}
	objects, err := p.ParseFiles([]ks.NamedReader{file{strings.NewReader(text), name}})
	if err != nil {
		return nil, err
	}
	c := &config.RunConfiguration{EnabledOptionalTests: map[string]struct{}{}, KubernetesVersion: config.Semver{Major: 1, Minor: 34},
		MinReplicasDeployment: 2, MinReplicasHPA: 2, UseIgnoreChecksAnnotation: minds}
	all := score.RegisterAllChecks(objects, &checks.Config{}, c)
	for _, check := range all.All() {
		if check.Optional {
			c.EnabledOptionalTests[check.ID] = struct{}{}
		}
	}
	card, err := score.Score(objects, score.RegisterAllChecks(objects, &checks.Config{}, c), c)
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, object := range *card {
		for _, r := range object.Checks {
			if !r.Skipped && r.Grade < scorecard.GradeAllOK {
				found = append(found, said(r)...)
			}
		}
	}
	return found, nil
}

func said(r scorecard.TestScore) []finding {
	list := []finding{}
	for _, comment := range r.Comments {
		list = append(list, finding{r.Check.ID, comment.Summary})
	}
	if len(list) == 0 {
		list = append(list, finding{r.Check.ID, r.Grade.String()})
	}
	return list
}

type file struct {
	io.Reader
	name string
}

func (f file) Name() string { return f.name }
