package flags_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// A pages is the page in a browser, once for each of some users.
type pages struct {
	t     *testing.T
	in    io.Writer
	lines *bufio.Scanner
}

func openPages(t *testing.T, node, url string, users []string) *pages {
	t.Helper()
	cmd := exec.Command("node", append([]string{filepath.Join(node, "page.mjs"), harness.Chromium(t), url + "/"}, users...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // it closes the browser and ends
		if err := cmd.Wait(); err != nil {
			t.Errorf("the browser: %v", err)
		}
	})
	p := &pages{t: t, in: in, lines: bufio.NewScanner(out)}
	if line := p.line(); line != "ready" {
		t.Fatalf("the browser says %q", line)
	}
	return p
}

func (p *pages) line() string {
	p.t.Helper()
	if !p.lines.Scan() {
		p.t.Fatalf("the browser has gone: %v", p.lines.Err())
	}
	return p.lines.Text()
}

// shown is what each page has shown, one after the other.
type shown struct {
	Values map[string][]bool
	Errors []string
}

func (p *pages) ask(what string) (s shown) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, what); err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(p.line()), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// show waits until every page shows a value.
func (p *pages) show(what string, on bool) {
	p.t.Helper()
	var s shown
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		s = p.ask("values")
		all := true
		for _, values := range s.Values {
			all = all && values[len(values)-1] == on
		}
		if all && len(s.Errors) == 0 {
			return
		}
		if len(s.Errors) > 0 {
			break
		}
	}
	p.t.Fatalf("%s: the pages show %v %v, want %v", what, s.Values, s.Errors, on)
}
