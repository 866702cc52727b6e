package script

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// commands are what scripts have beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":   exits,
	"http":    httpGet,
	"request": request,
	"answer":  answer,
	"waitfor": waitFor,
	"json":    jsonValue,
	"take":    take,
	"release": release,
	"nowhere": nowhere,
	"gone":    gone,
}

// exits CODE program args... runs a program that must end with this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program args...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// http PATH [REGEXP] asks the service on a fresh connection; the body becomes
// stdout, and must match. With ! there must be no answer at all.
func httpGet(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: [!] http PATH [REGEXP]")
	}
	body, err := get(ts.Getenv("URL") + args[0])
	if neg {
		if err == nil {
			ts.Fatalf("answered: %s", body)
		}
		return
	}
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), body)
	if len(args) == 2 && !regexp.MustCompile("(?m)"+args[1]).MatchString(body) {
		ts.Fatalf("%s: %q does not match %q", args[0], body, args[1])
	}
}

func get(url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return "", err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return string(body), err
}

// A pending request is one that `request` has sent and `answer` waits for.
type pending chan string

// request PATH sends a request and does not wait for its answer.
func request(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: request PATH")
	}
	w := worldOf(ts)
	w.pending = make(pending, 1)
	url, p := ts.Getenv("URL")+args[0], w.pending
	go func() {
		body, err := get(url)
		if err != nil {
			body = err.Error()
		}
		p <- body
	}()
}

// answer REGEXP waits for the answer to the last request.
func answer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: answer REGEXP")
	}
	body := <-worldOf(ts).pending
	if !regexp.MustCompile("(?m)" + args[0]).MatchString(body) {
		ts.Fatalf("%q does not match %q", body, args[0])
	}
}

// waitfor REGEXP program args... runs a program again and again until its
// output matches the (extended, as of grep -E) expression. Other processes
// send no event that could be waited for.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor REGEXP program args...")
	}
	const loop = `want=$1; shift
		while out=$("$@" 2>&1); ! printf '%s\n' "$out" | grep -Eq -e "$want"; do sleep 0.01; done
		printf '%s\n' "$out"`
	if err := ts.Exec("timeout", append([]string{"60", "sh", "-c", loop, "waitfor"}, args...)...); err != nil {
		_ = ts.Exec(args[1], args[2:]...) // for the log
		ts.Fatalf("waited a minute in vain for %q", args[0])
	}
}

// json VAR PATH sets a variable from the JSON of the last stdout. PATH is like
// services.0.instances.1.pid; len in place of a number is how many there are.
func jsonValue(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: json VAR PATH")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	var v any
	ts.Check(d.Decode(&v))
	for _, step := range strings.Split(args[1], ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			if step == "len" {
				v = len(x)
				continue
			}
			n, err := strconv.Atoi(step)
			if err != nil || n >= len(x) {
				ts.Fatalf("%s: no %q in a list of %d", args[1], step, len(x))
			}
			v = x[n]
		default:
			ts.Fatalf("%s: no %q in %v", args[1], step, v)
		}
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// take listens on $PORT, as another program; release ends that.
func take(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:"+ts.Getenv("PORT"))
	ts.Check(err)
	worldOf(ts).taken = l
	ts.Defer(func() { l.Close() })
}

func release(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(worldOf(ts).taken.Close()) }

// nowhere TEXT [EXCEPT...] looks for a text in every file below the state
// folder, but for those paths, in the arguments of every process, and in stdout
// and stderr.
func nowhere(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: nowhere TEXT [EXCEPT...]")
	}
	text, state := args[0], ts.Getenv("SEGUE_STATE")
	looked := 0
	err := filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an agent that ends takes files with it
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		for _, except := range args[1:] {
			if strings.HasPrefix(path, filepath.Join(state, except)) {
				return nil
			}
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if bytes.Contains(data, []byte(text)) {
			ts.Fatalf("%q is in %s", text, path)
		}
		looked++
		return err
	})
	ts.Check(err)
	if looked < 3 {
		ts.Fatalf("looked into %d files only", looked)
	}
	for _, p := range processes(worldOf(ts).dir) { // not those of another run of these scripts
		if strings.Contains(p.args, text) {
			ts.Fatalf("%q is among the arguments of process %d: %s", text, p.pid, p.args)
		}
	}
	for _, name := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(name), text) {
			ts.Fatalf("%q is in %s", text, name)
		}
	}
}

// gone PID... waits until these processes have ended.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	for _, pid := range args {
		path := "/proc/" + pid
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(path); err != nil {
				break
			}
			if time.Now().After(deadline) {
				ts.Fatalf("process %s is still there", pid)
			}
		}
	}
}
