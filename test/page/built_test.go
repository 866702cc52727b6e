package page_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

var update = flag.Bool("update", false, "write what the sources of page come to: segue.js and segue.mjs")

// mostBytes is what segue.js may weigh, compressed as it travels: a few KB.
const mostBytes = 7 << 10

// TestBuilt holds what is served and published to its sources.
func TestBuilt(t *testing.T) {
	dir := harness.Node(t, "page")
	for _, f := range []struct{ from, format, to string }{
		{"src/script.js", "iife", "segue.js"},
		{"src/connect.js", "esm", "segue.mjs"},
	} {
		build := exec.Command(filepath.Join("node_modules", ".bin", "esbuild"), f.from,
			"--bundle", "--minify", "--target=es2020", "--format="+f.format, "--charset=utf8", "--log-level=warning")
		build.Dir, build.Stderr = dir, os.Stderr
		want, err := build.Output()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(harness.Root(), "page", f.to)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("page/%s is not what page/src comes to; go generate ./page writes it", f.to)
		}
		if n := compressed(t, got); n > mostBytes {
			t.Errorf("page/%s has %d bytes, %d compressed; %d are the most", f.to, len(got), n, mostBytes)
		} else {
			t.Logf("page/%s: %d bytes, %d compressed", f.to, len(got), n)
		}
	}
}

func compressed(t *testing.T, data []byte) int {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{second(w.Write(data)), w.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Len()
}

func second(_ int, err error) error { return err }
