package lint

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWhatBelongsToANamedFileIsReadToo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"web.service", "web.socket", "web.service.d/b.conf", "web.service.d/a.conf", "other.socket", "compose.yaml", "compose.override.yml", "shop.yaml", "shop.override.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("[Unit]\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]string{
		"web.service":  {"web.service", "web.service.d/a.conf", "web.service.d/b.conf", "web.socket"},
		"other.socket": {"other.socket"},
		"compose.yaml": {"compose.yaml", "compose.override.yml"},
		"shop.yaml":    {"shop.yaml"}, // compose reads the override of its own default names only
	} {
		files, problems := Read([]string{filepath.Join(dir, name)}, strings.NewReader(""))
		var got []string
		for _, f := range files {
			rel, _ := filepath.Rel(dir, f.Name)
			got = append(got, rel)
		}
		if !slices.Equal(got, want) || len(problems) > 0 {
			t.Errorf("%s: read %q, problems %v", name, got, problems)
		}
	}
}

func TestAMaskedUnitIsPassedOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.service")
	if err := os.Symlink(os.DevNull, path); err != nil {
		t.Fatal(err)
	}
	if files, problems := Read([]string{path}, nil); len(files) > 0 || len(problems) > 0 {
		t.Errorf("read %v, problems %v", files, problems)
	}
}
