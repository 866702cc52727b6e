package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// FuzzParse holds Parse to its promises for any bytes: it does not panic; every
// error has a place and shows no secret; what it accepts is a possible service,
// is accepted by the schema as well, and comes out the same again.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml"} {
		found, _ := filepath.Glob(pattern)
		for _, path := range found {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	r := resolved(f)
	f.Fuzz(func(t *testing.T, data []byte) { checkAny(t, r, data) })
}

func checkAny(t *testing.T, r *jsonschema.Resolved, data []byte) {
	dir := filepath.Join(os.TempDir(), "segue-no-such-folder") // nothing that env_file names is there
	file, err := Parse("segue.yaml", data, dir, vars)
	if err != nil {
		var errs Errors
		if !errors.As(err, &errs) {
			t.Fatalf("%T is no Errors: %v", err, err)
		}
		if !strings.Contains(string(data), "hunter2") {
			checkErrors(t, errs)
		}
		return
	}
	checkFileInvariants(t, file)
	again, err := Parse("segue.yaml", data, dir, vars)
	if err != nil || !reflect.DeepEqual(file, again) {
		t.Errorf("parsed again, it is another: %v", err)
	}
	if err := validate(t, r, data); err != nil {
		t.Errorf("the schema refuses it: %v", err)
	}
}

// FuzzCommand checks that a command line is split without loss: what comes out
// can be quoted and split again to the same words.
func FuzzCommand(f *testing.F) {
	for _, line := range []string{"bin/shop", `a "b c" 'd e' f\ g ""`, `"\$x" '$y' \\`, "a|b", "'", "\x00"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, bad := splitCommand(line)
		if bad != nil {
			return
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		again, bad := splitCommand(strings.Join(quoted, " "))
		if bad != nil || !reflect.DeepEqual(words, again) {
			t.Errorf("%q: %q, then %q %v", line, words, again, bad)
		}
	})
}

func FuzzEnvFile(f *testing.F) {
	for _, path := range []string{"good", "bad", "quote", "port"} {
		data, err := os.ReadFile("testdata/" + path + ".env")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pairs, line, bad := parseEnvFile(data)
		if bad != nil && line < 1 {
			t.Error("error without a line")
		}
		for _, p := range pairs {
			if !isName(p.name) || p.line < 1 {
				t.Errorf("%+v", p)
			}
		}
	})
}
