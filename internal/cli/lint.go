package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/seguehq/segue/internal/lint"
	"github.com/seguehq/segue/internal/lint/compose"
	"github.com/seguehq/segue/internal/lint/kubernetes"
	"github.com/seguehq/segue/internal/lint/systemd"
)

type lintCmd struct {
	Files []string `arg:"" optional:"" name:"file" help:"Kubernetes manifests, compose files, systemd units; folders; - for stdin."`

	Fix    bool   `help:"Mend what can be mended safely, in the files. Of stdin: print it mended."`
	Diff   bool   `help:"Show what --fix would change, and change nothing."`
	Format string `enum:"text,json,sarif" default:"text" help:"text, json, or sarif for code scanning."`
	Strict bool   `help:"Let a warning be a failure too."`

	Rule    []string `help:"Run only these rules." placeholder:"RULE"`
	NotRule []string `help:"Run all rules but these." placeholder:"RULE"`
	Explain string   `help:"Print a rule's page." placeholder:"RULE"`
	Rules   bool     `help:"List the rules."`

	Drain       time.Duration `help:"How long the program needs to finish after its signal. A file may say it: segue.dev/drain, x-segue-drain, X-Segue-Drain=." placeholder:"20s"`
	Slowest     time.Duration `help:"The longest request. A file may say it: segue.dev/slowest-request." placeholder:"30s"`
	Propagation time.Duration `default:"5s" help:"How long it takes until nobody sends requests to an endpoint that is gone."`
}

func (c *lintCmd) Help() string {
	return `Examples:
  segue lint deploy/                           # a folder, with all below it
  segue lint compose.yaml web.service
  helm template shop | segue lint -
  kubectl get deploy,svc,pdb,hpa -o yaml | segue lint -
  systemctl cat web | segue lint -
  segue lint --diff deploy/                    # what --fix would change, as a patch
  segue lint --fix deploy/
  segue lint --format sarif deploy/ > lint.sarif
  segue lint --explain no-prestop

Files that belong together are best named together: rules look at a Deployment with its Service,
PodDisruptionBudget, autoscaler and Ingress. A finding that does not apply is ignored by a comment
on its line, on the line above, or at the head of the object, with the reason:

  # segue-lint:ignore no-prestop because it serves no requests

The exit code is 0 when nothing was found, 1 when an error was (with --strict, or a warning; with
--diff, if there is something to change), and 2 when a file could not be read; the others are
linted all the same.`
}

func (c *lintCmd) Run(e *env) error {
	linter, err := newLinter()
	if err != nil {
		return err
	}
	if err := c.check(e, linter); err != nil {
		return &exitError{exitUsage, err.Error()}
	}
	switch {
	case c.Explain != "":
		return c.explain(e, linter)
	case c.Rules:
		return listRules(e, linter)
	}
	files, problems := lint.Read(c.Files, e.in)
	if c.Fix || c.Diff {
		return c.mend(e, linter, files, problems)
	}
	r := linter.Run(files, c.options())
	r.Problems = append(problems, r.Problems...)
	if err := c.show(e, e.out, linter, r); err != nil {
		return err
	}
	return c.verdict(r)
}

func newLinter() (*lint.Linter, error) {
	return lint.New(compose.Rules(), kubernetes.Rules(), systemd.Rules())
}

// check finds what cannot be meant.
func (c *lintCmd) check(e *env, l *lint.Linter) error {
	if e.flags.JSON {
		if c.Format == "sarif" {
			return errors.New("--json and --format sarif cannot both be")
		}
		c.Format = "json"
	}
	for _, rule := range slices.Concat(c.Rule, c.NotRule, []string{c.Explain}) {
		if rule != "" && len(l.Explain(rule)) == 0 {
			return fmt.Errorf("there is no rule %q; `segue lint --rules` lists them", rule)
		}
	}
	switch {
	case c.Explain != "" || c.Rules:
		return nil
	case len(c.Files) == 0:
		return errors.New("lint what? name files or folders, or - for stdin; `segue lint --help` has examples")
	case c.Fix && c.Diff:
		return errors.New("--fix changes files and --diff does not; choose one")
	case c.Fix && slices.Contains(c.Files, "-") && len(c.Files) > 1:
		return errors.New("--fix prints what came from stdin, mended, and cannot do it with other files; name - alone")
	case c.Drain < 0 || c.Slowest < 0 || c.Propagation < 0:
		return errors.New("a duration cannot be below 0")
	}
	return nil
}

func (c *lintCmd) options() lint.Options {
	return lint.Options{
		Facts: lint.Facts{Drain: c.Drain, Propagation: c.Propagation, Slowest: c.Slowest},
		Only: func(rule string) bool {
			return (len(c.Rule) == 0 || slices.Contains(c.Rule, rule)) && !slices.Contains(c.NotRule, rule)
		},
	}
}

// mend fixes what can be fixed, or shows how, and then tells what is left.
func (c *lintCmd) mend(e *env, l *lint.Linter, files []*lint.File, problems []*lint.Problem) error {
	changes, r := l.Fix(files, c.options())
	r.Problems = append(problems, r.Problems...)
	if c.Diff {
		for _, change := range changes {
			showDiff(e.out, change)
		}
		if err := r.WriteProblems(e.err); err != nil {
			return err
		}
		if len(changes) > 0 && len(r.Problems) == 0 {
			return &exitError{code: exitFailed}
		}
		return c.verdict(r)
	}
	text := e.out
	if slices.Contains(c.Files, "-") {
		text = e.err
		if err := writeStdin(e.out, files, changes); err != nil {
			return err
		}
	}
	told := text
	if c.Format != "text" {
		told = e.err
	}
	var failed error
	for _, change := range changes {
		if change.Before.Name != "-" {
			if err := change.Write(); err != nil {
				failed = errors.Join(failed, err)
				continue
			}
		}
		for _, f := range change.Fixed {
			fmt.Fprintf(told, "fixed %s: %s: %s\n", printable(f.At.String()), f.Rule, printable(f.Subject()))
		}
		showDiff(told, change)
	}
	if err := c.show(e, text, l, r); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	return c.verdict(r)
}

// writeStdin prints what came from stdin, mended or as it was.
func writeStdin(w io.Writer, files []*lint.File, changes []lint.Change) error {
	for _, change := range changes {
		_, err := w.Write(change.After.Data)
		return err
	}
	for _, f := range files {
		_, err := w.Write(f.Data)
		return err
	}
	return nil
}

func showDiff(w io.Writer, c lint.Change) {
	text := diff.Diff("a/"+c.Before.Name, c.Before.Data, "b/"+c.After.Name, c.After.Data)
	_, rest, _ := strings.Cut(string(text), "\n") // without its line "diff a b"
	fmt.Fprint(w, rest)
}

// show writes what was found.
func (c *lintCmd) show(e *env, w io.Writer, l *lint.Linter, r *lint.Result) error {
	switch c.Format {
	case "json":
		return r.WriteJSON(w)
	case "sarif":
		return l.WriteSARIF(w, r, version())
	}
	if err := r.WriteProblems(e.err); err != nil {
		return err
	}
	return r.WriteText(w)
}

func (c *lintCmd) verdict(r *lint.Result) error {
	switch {
	case len(r.Problems) > 0:
		return &exitError{code: exitUsage}
	case r.Count(lint.Error) > 0, c.Strict && len(r.Findings) > 0:
		return &exitError{code: exitFailed}
	}
	return nil
}

func (c *lintCmd) explain(e *env, l *lint.Linter) error {
	for _, d := range l.Explain(c.Explain) {
		fmt.Fprint(e.out, d.Text)
	}
	return nil
}

func listRules(e *env, l *lint.Linter) error {
	type rule struct {
		Kind     lint.Kind     `json:"kind"`
		Name     string        `json:"name"`
		Severity lint.Severity `json:"severity"`
		Hazard   string        `json:"hazard"`
		Fixable  bool          `json:"fixable"`
	}
	var rules []rule
	for _, d := range l.Docs() {
		rules = append(rules, rule{d.Kind, d.Rule, d.Severity, d.Hazard, len(d.Fixed) > 0})
	}
	return e.print(rules, func(w out) {
		writeTable(w, func(w io.Writer) {
			fmt.Fprintln(w, "KIND\tRULE\tSEVERITY\tHAZARD")
			for _, r := range rules {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Kind, r.Name, r.Severity, r.Hazard)
			}
		})
	})
}
