package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestExample(t *testing.T) {
	f, err := Parse("segue.yaml", []byte(Example), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	checkFileInvariants(t, f)
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("secrets.env", "A=from file\nB=hunter2\n")
	path := write("segue.yaml", "service: shop\nrelease: {command: a, dir: src}\nenv_file: secrets.env\nenv: {A: \"${HERE}\"}\n")
	f, err := Load(path, func(name string) (string, bool) { return "yes", name == "HERE" })
	if err != nil {
		t.Fatal(err)
	}
	s := f.Services[0]
	if s.Dir != filepath.Join(dir, "src") || s.Env["A"] != "yes" || s.Env["B"] != "hunter2" || !reflect.DeepEqual(s.EnvNames, []string{"A", "B"}) {
		t.Errorf("%+v in %s", s.Env.Names(), s.Dir)
	}
	if text := fmt.Sprintf("%v %+v", f, f); strings.Contains(text, "hunter2") {
		t.Error("printing the file shows a secret")
	}
}

func TestLoadTellsWhyItCannotRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "segue.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Load(dir, nil); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("folder: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(pipe, nil); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("pipe: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	for name, text := range map[string]string{
		"bytes":  strings.Repeat("# comment\n", 1_100_000),
		"tokens": "service: [" + strings.Repeat("a, ", 200_000) + "]",
		"flow":   strings.Repeat("[", 100_000),
		"braces": strings.Repeat("{a: ", 50_000),
		"dashes": strings.Repeat("- ", 100_000),
		"indent": func() string {
			var b strings.Builder
			for i := range 1500 {
				b.WriteString(strings.Repeat(" ", i) + "a:\n")
			}
			return b.String()
		}(),
		"keys": func() string {
			var b strings.Builder
			for i := range 60_000 {
				fmt.Fprintf(&b, "k%d: v\n", i)
			}
			return b.String()
		}(),
	} {
		began := time.Now()
		if _, err := Parse("segue.yaml", []byte(text), "/", nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
		t.Logf("%s: refused in %v", name, time.Since(began))
	}
}

// thousand is a file of so many services, each with most of the keys.
func thousand(n int) []byte {
	var b strings.Builder
	b.WriteString("metrics: 127.0.0.1:9090\nservices:\n")
	for i := range n {
		fmt.Fprintf(&b, `  shop-%d:
    listen: 127.0.0.1:%d
    routes: [{host: shop.example.com}, {path: /api}]
    release: {build: make, files: [bin, templates], command: bin/shop --fast}
    replicas: 3
    env: {DATABASE_URL: "${DATABASE_URL}", B: 2}
    probes:
      startup: {http: /health, every: 200ms, failures: 50}
      readiness: {http: /health}
    strategy: {surge: 25%%, unavailable: 0}
    drain: {timeout: 30s}
    stop: {signal: TERM, timeout: 10s}
`, i, 10000+i)
	}
	return []byte(b.String())
}

func TestThousandServices(t *testing.T) {
	f, err := Parse("segue.yaml", thousand(1000), "/", vars)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Services) != 1000 || f.Services[999].Name != "shop-999" {
		t.Errorf("%d services", len(f.Services))
	}
}

func BenchmarkThousandServices(b *testing.B) {
	data := thousand(1000)
	for b.Loop() {
		if _, err := Parse("segue.yaml", data, "/", vars); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSplitCommand(t *testing.T) {
	for line, want := range map[string][]string{
		`bin/shop`:               {"bin/shop"},
		`  a   b  `:              {"a", "b"},
		`a "b  c" 'd "e"' f\ g`:  {"a", "b  c", `d "e"`, "f g"},
		`a "" ''`:                {"a", "", ""},
		`a b"c"'d'`:              {"a", "bcd"},
		`a "\$x \" \\ \n" $PORT`: {"a", `$x " \ \n`, "$PORT"},
		"a \\\n  b":              {"a", "b"},
		`a '|' "&" \;`:           {"a", "|", "&", ";"},
		`a --x=${PORT}`:          {"a", "--x=${PORT}"},
	} {
		got, bad := splitCommand(line)
		if bad != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q %v, want %q", line, got, bad, want)
		}
	}
	for _, line := range []string{"", " ", "a|b", "a & b", "a;b", "a > b", "a < b", "a `b`", "a $(b)", `a "$(b)"`, "a \"`b`\"", "a\nb", `a \`, `a "`, `''`, "A=1 b", "cd x"} {
		if got, bad := splitCommand(line); bad == nil {
			t.Errorf("%q is accepted as %q", line, got)
		}
	}
}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"a": "a", "$$": "$", "${SECRET}": "hunter2", "x${NUMBER}y${NUMBER}": "x3y3", "${NONE:-d}": "d", "${EMPTY:-d}": "d",
		"${EMPTY}": "", "$${SECRET}": "${SECRET}", "${NONE:-}": "", "5$": "5$", "$5": "$5", "$$$$": "$$", "${NONE:-a: b, [c]}": "a: b, [c]",
	} {
		if got, _, bad := expand(text, vars); bad != nil || got != want {
			t.Errorf("%s: %q %v, want %q", text, got, bad, want)
		}
	}
	for _, text := range []string{"${NONE}", "$SECRET", "${SECRET", "${}", "${SECRET-x}", "${SECRET:?x}", "${1}", "${A:-${B}}"} {
		if got, _, bad := expand(text, vars); bad == nil {
			t.Errorf("%s: %q", text, got)
		} else if strings.Contains(bad.what+bad.mend, "hunter2") {
			t.Errorf("%s shows a secret: %v", text, bad)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"readiness", "replicas", "tcp", "env"}
	for key, want := range map[string]string{"redyness": "readiness", "replica": "replicas", "rpelicas": "replicas", "evn": "env", "xyz": "", "t": "", "tpc": "tcp"} {
		if got := nearest(key, words); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestErrorsUnwrap(t *testing.T) {
	_, err := Parse("segue.yaml", []byte("service: shop\nlisten: 1\n"), "/", nil)
	var one Error
	if !errors.As(err, &one) || one.Line != 1 {
		t.Errorf("%+v", one)
	}
	if !strings.HasPrefix(err.Error(), "segue.yaml:1:10: release.command: ") || strings.Count(err.Error(), "\n") != 1 {
		t.Error(err)
	}
}
