package plane

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

// Find returns the binaries, which the lab keeps and builds if need be: that takes
// minutes on a machine that has never done it.
func Find(t testing.TB) Binaries {
	t.Helper()
	return Binaries{Hyper: find(t, "hyper"), Kwok: find(t, "kwok")}
}

func find(t testing.TB, name string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/lab", "binary", name)
	cmd.Dir = filepath.Join(harness.Root(), "test", "kubernetes", "lab")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("plane: %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}
