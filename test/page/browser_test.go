package page_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

// A browser is a Chromium, driven by browser/driver.mjs: one for all tests.
type browser struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	over chan struct{} // closed when it says no more

	mu    sync.Mutex
	calls map[int]chan reply
	next  int
}

type reply struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

// start starts the browser; it ends with the test.
func start(t *testing.T) *browser {
	t.Helper()
	dir := harness.Node(t, "test/page/browser")
	b := &browser{cmd: exec.Command("node", "driver.mjs"), calls: map[int]chan reply{}, over: make(chan struct{})}
	b.cmd.Dir, b.cmd.Stderr = dir, os.Stderr
	b.cmd.Env = append(os.Environ(), "CHROMIUM="+harness.Chromium(t), "TMPDIR="+dir, "HOME="+dir)
	in, err := b.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.in = in
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go b.listen(out)
	t.Cleanup(func() {
		b.in.Close()
		<-b.over
		if err := b.cmd.Wait(); err != nil {
			t.Errorf("the browser's driver: %v", err)
		}
	})
	return b
}

func (b *browser) listen(out io.Reader) {
	defer close(b.over)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r reply
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			fmt.Fprintln(os.Stderr, lines.Text())
			continue
		}
		b.mu.Lock()
		b.calls[r.ID] <- r
		delete(b.calls, r.ID)
		b.mu.Unlock()
	}
}

// ask has the driver do something and gives what comes of it.
func (b *browser) ask(t *testing.T, tab, call string, args ...any) json.RawMessage {
	t.Helper()
	if args == nil {
		args = []any{}
	}
	mine := make(chan reply, 1)
	b.mu.Lock()
	b.next++
	id := b.next
	b.calls[id] = mine
	line, err := json.Marshal(map[string]any{"id": id, "tab": tab, "call": call, "args": args})
	if err == nil {
		_, err = b.in.Write(append(line, '\n'))
	}
	b.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-mine:
		if r.Error != "" {
			t.Fatalf("%s of tab %s: %s", call, tab, r.Error)
		}
		return r.Result
	case <-b.over:
		t.Fatalf("%s of tab %s: the browser has ended", call, tab)
	}
	return nil
}

// A tab is a page of somebody's browser.
type tab struct {
	t    *testing.T
	b    *browser
	name string
}

// open opens a tab for somebody, whose tabs share cookies and storage, and loads a page. Scripts
// run before those of the page.
func (b *browser) open(t *testing.T, person, url string, scripts ...string) *tab {
	t.Helper()
	b.mu.Lock()
	b.next++
	x := &tab{t, b, fmt.Sprint(person, "-", b.next)}
	b.mu.Unlock()
	script := ""
	for _, s := range scripts {
		script += s + "\n"
	}
	x.do("open", map[string]any{"person": person, "script": script})
	x.do("goto", url)
	return x
}

// somebody is a browser of a test's own: other tests' have nothing to do with it.
func (b *browser) somebody(t *testing.T) string {
	t.Cleanup(func() { b.ask(t, t.Name(), "forget") })
	return t.Name()
}

func (x *tab) do(call string, args ...any) { x.t.Helper(); x.b.ask(x.t, x.name, call, args...) }

// is waits until an expression is true in the page.
func (x *tab) is(expression string) { x.t.Helper(); x.do("until", expression) }

// get evaluates an expression in the page.
func (x *tab) get(expression string) string {
	x.t.Helper()
	raw := x.b.ask(x.t, x.name, "evaluate", expression)
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// want fails the test if an expression is something else.
func (x *tab) want(expression, want string) {
	x.t.Helper()
	if got := x.get(expression); got != want {
		x.t.Errorf("%s: got %s, want %s", expression, got, want)
	}
}

// shot takes a picture of the page, if SEGUE_SHOTS names a folder for them.
func (x *tab) shot(name string) {
	x.t.Helper()
	if dir := os.Getenv("SEGUE_SHOTS"); dir != "" {
		x.do("screenshot", map[string]any{"path": filepath.Join(dir, name+".png")})
	}
}

// calm fails the test if the page has seen an error.
func (x *tab) calm() {
	x.t.Helper()
	var trouble []string
	if err := json.Unmarshal(x.b.ask(x.t, x.name, "trouble"), &trouble); err != nil {
		x.t.Fatal(err)
	}
	for _, s := range trouble {
		x.t.Errorf("the page says: %s", s)
	}
}
