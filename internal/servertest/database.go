package servertest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

var databases atomic.Int64 // that were given out

// database makes an empty database of a server that the tests of the binary share,
// and gives its URL. It is dropped when the test ends; how is what follows its name
// then.
func database(t testing.TB, shared func() (*Server, error), do func(s *Server, statement string) error, how string) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test%d", databases.Add(1))
	if err := do(s, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := do(s, "DROP DATABASE "+name+how); err != nil {
			t.Error(err)
		}
	})
	u := s.kind.url(s)
	u.Path = "/" + name
	return u.String()
}

// run runs a command to its end.
func run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("servertest: %s: %w\n%s", filepath.Base(cmd.Path), err, strings.TrimSpace(string(out)))
	}
	return nil
}
