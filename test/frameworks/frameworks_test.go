package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seguehq/segue/check"
)

// TestRows: what is wrong with a row is found before it costs an hour.
func TestRows(t *testing.T) {
	names, anchors := map[string]bool{}, map[string]string{}
	for _, r := range allRows() {
		t.Run(r.Name, func(t *testing.T) {
			if names[r.Name] {
				t.Error("two rows have this name")
			}
			if other, ok := anchors[anchor(r.Name)]; ok {
				t.Errorf("its heading is linked as that of %q is", other)
			}
			names[r.Name], anchors[anchor(r.Name)] = true, r.Name
			for _, problem := range problems(r) {
				t.Error(problem)
			}
		})
	}
}

func problems(r Row) []string {
	var p []string
	if info, err := os.Stat(r.dir()); err != nil || !info.IsDir() || r.Dir == "" {
		p = append(p, "its folder apps/"+r.Dir+" is not there")
	}
	if len(r.Command) == 0 || len(r.Version) == 0 {
		p = append(p, "it needs a Command and a Version")
	}
	if len(r.Packages) == 0 && len(r.Tools) == 0 && !slices.ContainsFunc(r.Command, func(a string) bool { return strings.HasPrefix(a, "/usr/bin/python3") }) {
		p = append(p, "it names neither Packages nor Tools that it needs")
	}
	if r.number() == 0 {
		p = append(p, "there is no signal "+r.Stop)
	}
	if r.Published != "" && !slices.Contains(check.Classes(), r.Published) {
		p = append(p, "the published class "+string(r.Published)+" is none of check's")
	}
	for _, path := range []string{r.Slow, r.Stream, r.Upload, r.Events, r.WebSocket, r.Ready} {
		if path != "" && !strings.HasPrefix(path, "/") {
			p = append(p, "the path "+path+" does not begin with /")
		}
	}
	return p
}

// TestRun goes the whole way with rows whose tools every gate has.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	want := map[string]check.Class{
		"Go net/http with Shutdown": check.ClassImmediate,
		"Node http, server.close":   check.ClassImmediate,
		"Python http.server":        check.ClassNone,
	}
	for _, r := range allRows() {
		class, chosen := want[r.Name]
		if !chosen {
			continue
		}
		delete(want, r.Name)
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			temp := t.TempDir()
			f := one(t.Context(), r, install(t.Context(), []Row{r})[r.Name], temp, 1, check.Only("exit-idle", "exit-kept-alive", "in-flight-slow", "used-after-signal"))
			if f.Report == nil {
				t.Fatal(f.NotHad)
			}
			if f.Report.Class != class {
				t.Errorf("class %q, want %q: %+v", f.Report.Class, class, f.Report.Results)
			}
		})
	}
	for name := range want {
		t.Errorf("there is no row %q", name)
	}
}

// TestPage: the page is made of the findings and of the rows as they are now.
func TestPage(t *testing.T) {
	const page = "../../docs/frameworks.md"
	f, err := readFindings(page)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if want := f.page(); string(got) != want {
		t.Error("docs/frameworks.md is not what its findings say; go run ./test/frameworks -rewrite")
	}
	for _, r := range allRows() {
		if of(f.Rows, r.Name) == nil {
			t.Errorf("%q was never run; go run ./test/frameworks -only '^%[1]s$'", r.Name)
		}
	}
	if err := f.unexplained(); err != nil {
		t.Error(err)
	}
}
