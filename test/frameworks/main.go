// Command frameworks runs `segue check` on real servers and writes down what
// each does with its clients when it is stopped: docs/frameworks.md, and
// docs/frameworks.json for machines. Started by `make frameworks`.
//
// A row that cannot be installed is said to be missing, and why; the others go
// on. With -only, the findings of the other rows stay as they were.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "run only the rows whose name matches this `regexp`")
	flag.StringVar(&o.page, "o", filepath.Join("docs", "frameworks.md"), "the page to write; its JSON goes beside it")
	flag.IntVar(&o.atOnce, "at-once", 2, "how many rows to run at the same time")
	flag.IntVar(&o.times, "times", 3, "how often to run each row; a case counts as it was at its worst")
	flag.BoolVar(&o.rewrite, "rewrite", false, "run nothing; write the page anew from its JSON")
	flag.BoolVar(&o.verbose, "v", false, "print each row's report")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "frameworks:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	only    string
	page    string
	atOnce  int
	times   int
	rewrite bool
	verbose bool
}

func (o options) run(ctx context.Context) error {
	chosen, err := o.chosen()
	if err != nil {
		return err
	}
	found, err := readFindings(o.page)
	if err != nil {
		return err
	}
	if !o.rewrite {
		fresh, err := measure(ctx, o, chosen)
		if err != nil {
			return err
		}
		found = found.with(fresh)
	}
	if err := found.write(o.page); err != nil {
		return err
	}
	return found.unexplained()
}

func (o options) chosen() ([]Row, error) {
	match, err := regexp.Compile(o.only)
	if err != nil {
		return nil, fmt.Errorf("-only: %w", err)
	}
	var chosen []Row
	for _, f := range families() {
		for _, r := range f.rows() {
			if match.MatchString(r.Name) {
				chosen = append(chosen, r)
			}
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("no row has a name that matches " + o.only)
	}
	return chosen, nil
}

// root is the repository.
func root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

func (r Row) dir() string { return filepath.Join(root(), "test", "frameworks", "apps", r.Dir) }
