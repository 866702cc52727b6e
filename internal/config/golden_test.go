package config

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// vars is the environment of the tests. SECRET must show in no error.
func vars(name string) (string, bool) {
	v, ok := map[string]string{"SECRET": "hunter2", "EMPTY": "", "NUMBER": "3", "TRUE": "true", "H2C": "h2c",
		"DATABASE_URL": "postgres://hunter2", "USER_NAME": "ann"}[name]
	return v, ok
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return found
}

func parseFile(t *testing.T, path string) (*File, error) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return Parse("segue.yaml", data, dir, vars)
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// TestRefused holds each bad file to its error texts.
func TestRefused(t *testing.T) {
	all := files(t, "testdata/bad/*.yaml")
	if len(all) < 40 {
		t.Fatalf("only %d bad files", len(all))
	}
	for _, path := range all {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			f, err := parseFile(t, path)
			if err == nil {
				t.Fatalf("accepted: %+v", f)
			}
			var errs Errors
			if !errors.As(err, &errs) {
				t.Fatalf("%T is no Errors: %v", err, err)
			}
			checkErrors(t, errs)
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", errs.Show())
		})
	}
}

// checkErrors checks what is promised of every error.
func checkErrors(t *testing.T, errs Errors) {
	t.Helper()
	if len(errs) == 0 {
		t.Error("refused without a reason")
	}
	for _, e := range errs {
		if e.File == "" || e.Line < 1 || e.Column < 1 || e.What == "" {
			t.Errorf("error without a place or a reason: %+v", e)
		}
		if strings.Contains(e.Show(), "hunter2") {
			t.Errorf("the error shows a secret:\n%s", e.Show())
		}
	}
}

// TestAccepted holds each good file to the services that come out of it.
func TestAccepted(t *testing.T) {
	for _, path := range files(t, "testdata/good/*.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			f, err := parseFile(t, path)
			if err != nil {
				t.Fatal(err)
			}
			checkFileInvariants(t, f)
			env := map[string]map[string]string{}
			for _, s := range f.Services {
				env[s.Name] = s.Env
			}
			js, err := json.MarshalIndent(map[string]any{"File": f, "Env": env}, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			here, _ := os.Getwd()
			golden(t, strings.TrimSuffix(path, ".yaml")+".json", strings.ReplaceAll(string(js), here, "/here")+"\n")
		})
	}
}
