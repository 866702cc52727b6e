package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// asAny is a tree as a JSON decoder would give it.
func asAny(t testing.TB, n *node) any {
	switch n.kind {
	case mapping:
		out := map[string]any{}
		for _, e := range n.entries {
			out[e.key.text] = asAny(t, e.value)
		}
		return out
	case list:
		out := []any{}
		for _, item := range n.items {
			out = append(out, asAny(t, item))
		}
		return out
	}
	if n.isNull() {
		return nil
	}
	if n.isBool() {
		return strings.EqualFold(n.text, "true")
	}
	if n.isNumber() {
		var v any
		text := strings.TrimPrefix(n.text, "+")
		if json.Unmarshal([]byte(text), &v) == nil {
			return v
		}
		return 1.5 // a number that JSON writes otherwise
	}
	return n.text
}

func resolved(t testing.TB) *jsonschema.Resolved {
	t.Helper()
	js, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema // what editors get, not what we had in memory
	if err := json.Unmarshal(js, &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func validate(t testing.TB, r *jsonschema.Resolved, data []byte) error {
	t.Helper()
	root, problems := readTree(data)
	if len(problems) > 0 {
		return problems[0]
	}
	return r.Validate(asAny(t, root))
}

func TestSchemaAcceptsWhatParseAccepts(t *testing.T) {
	r := resolved(t)
	for _, path := range files(t, "testdata/good/*.yaml") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, r, data); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := validate(t, r, []byte(Example)); err != nil {
		t.Error(err)
	}
}

// TestSchemaRefuses lists the bad files that a schema can tell: keys, types and
// bounds. What spans several keys, or lies inside a text, only Parse tells.
func TestSchemaRefuses(t *testing.T) {
	beyond := []string{"alias-bomb", "analysis-worker", "cannot-move", "cannot-move-percent", "command-assign", "command-builtin", "command-lines",
		"command-missing", "command-quote", "command-shell", "deadline", "deadline-min-ready", "duration-huge", "env-file",
		"env-file-port", "env-file-quote", "env-secret", "env-secret-files", "env-unset", "env-unset-flow", "extras-rules", "files", "flags", "listen",
		"listen-clash", "long-line", "metrics-clash", "name", "no-overlap", "ofrep", "percent-text", "probe-false", "probe-path",
		"routes", "same-listen", "same-route", "size-small", "socket-shared", "store", "strategies", "tcp", "tls-mixed", "trusted", "worker"}
	r := resolved(t)
	told := 0
	for _, path := range files(t, "testdata/bad/*.yaml") {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, r, data); err == nil && !slices.Contains(beyond, name) {
			t.Errorf("%s is accepted by the schema", name)
		} else if err != nil {
			told++
		}
	}
	if told < 40 {
		t.Errorf("the schema refuses only %d of the bad files", told)
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	s, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	var walk func(path string, s *jsonschema.Schema)
	walk = func(path string, s *jsonschema.Schema) {
		for key, p := range s.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description", path, key)
			}
			walk(path+"."+key, p)
		}
	}
	walk("", s)
	if s.Schema != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("draft is %s", s.Schema)
	}
}
