package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// A mortal is a process of its own that works on a database, and kills itself at
// the first point that is not among Survives.
type mortal struct {
	URL      string
	Files    map[string]string
	Do       []string // expand, backfill, contract, rollback; an error ends it
	Survives []string
}

// TestMain is a mortal's main, too.
func TestMain(m *testing.M) {
	if data := os.Getenv("SEGUE_TEST_MORTAL"); data != "" {
		var one mortal
		if err := json.Unmarshal([]byte(data), &one); err != nil {
			panic(err)
		}
		if err := one.live(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (m *mortal) live(ctx context.Context) error {
	dir := fstest.MapFS{}
	for name, text := range m.Files {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	set, err := Load(dir)
	if err != nil {
		return err
	}
	d, err := Open(ctx, m.URL, Options{Unsafe: []string{"all"}, Batch: 8})
	if err != nil {
		return err
	}
	defer d.Close()
	d.crash = func(at string) {
		if !slices.Contains(m.Survives, at) {
			fmt.Println(at)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	for _, what := range m.Do {
		switch what {
		case "expand":
			err = d.Expand(ctx, set, false)
		case "backfill":
			err = d.Backfill(ctx)
		case "contract":
			err = d.Contract(ctx)
		case "rollback":
			if st, err := d.Status(ctx, set); err != nil || st.Open == nil {
				return err
			}
			err = d.Rollback(ctx, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DieEverywhere has processes work on a database, each of which is killed at a
// point that none before it was killed at, until one lives to the end. It gives the
// points, and what the last one said.
func DieEverywhere(t *testing.T, url string, files map[string]string, do ...string) (points []string, said string) {
	t.Helper()
	for range 200 {
		data, err := json.Marshal(mortal{url, files, do, points})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "SEGUE_TEST_MORTAL="+string(data), "GORACE=atexit_sleep_ms=0")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if cmd.ProcessState.ExitCode() >= 0 { // nobody has killed it
			return points, stderr.String()
		}
		point := strings.TrimSpace(string(out))
		if point == "" {
			t.Fatalf("killed nowhere: %v\n%s", err, &stderr)
		}
		points = append(points, point)
	}
	t.Fatalf("it does not come to an end; killed at %q", points)
	return nil, ""
}
