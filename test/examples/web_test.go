package examples

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// A web is an example that answers requests with a greeting from one of its
// files.
type web struct {
	file   string                        // which says "hello"
	before string                        // what stands before it there, where it says it more than once
	echo   string                        // path that sends back what is posted; "" for none
	env    []string                      // of the commands
	times  int                           // how often it is replaced; 0 is deploys()
	each   func(w *harness.World, n int) // what else is done before the nth time, from 0; may be nil
}

func TestHello(t *testing.T) {
	redeploy(t, "hello", web{file: "segue.yaml", before: "GREETING:-"})
}

func TestSocket(t *testing.T) {
	redeploy(t, "socket", web{file: "main.go", before: `greeting = "`, echo: "/"})
}

func TestVisits(t *testing.T) {
	redeploy(t, "visits", web{file: "main.go", before: `greeting = "`, times: 2}) // test/fleet does it more often, and it takes long to build
}

// Each release brings a migration, and the way back is promised until it is
// contracted.
func TestGuests(t *testing.T) {
	env := []string{"GUESTS_URL=sqlite:" + filepath.Join(t.TempDir(), "guests.db")}
	redeploy(t, "guests", web{file: "main.go", before: `greeting = "`, times: 2, env: env, each: func(w *harness.World, n int) {
		w.Must(0, "migrate", "contract", "--now", "--why", "the next one is waiting")
		w.Write(fmt.Sprintf("migrations/%04d_more.expand.sql", n+3), fmt.Sprintf("ALTER TABLE guests ADD COLUMN more%d TEXT;\n", n))
	}})
}

func TestPython(t *testing.T) {
	need(t, python)
	redeploy(t, "python", web{file: "server.py", echo: "/"})
}

func TestNode(t *testing.T) {
	need(t, tool{"node --version", "nodejs"})
	redeploy(t, "node", web{file: "server.js", echo: "/"})
}

func TestJava(t *testing.T) {
	need(t, tool{"java -version && javac -version", "default-jdk-headless"})
	redeploy(t, "java", web{file: "Main.java", echo: "/"})
}

func TestStatic(t *testing.T) {
	need(t, python)
	redeploy(t, "static", web{file: "site/index.html"})
}

func TestFlask(t *testing.T) {
	// Debian's gunicorn runs in Debian's Python, whichever `python3` is.
	need(t, tool{"gunicorn --version", "gunicorn"}, tool{"/usr/bin/python3 -c 'import flask'", "python3-flask"})
	redeploy(t, "python-flask", web{file: "app.py", echo: "/"})
}

func TestRuby(t *testing.T) {
	need(t, tool{"puma --version", "puma"})
	redeploy(t, "ruby", web{file: "config.ru", echo: "/"})
}

// redeploy brings an example up, replaces it by one new release after another
// while requests come in, goes back to the one before, and wants none lost.
func redeploy(t *testing.T, name string, e web) {
	t.Parallel()
	times := cmp.Or(e.times, deploys())
	w := copied(t, name)
	w.Env = e.env
	listen(w)
	if strings.Contains(w.Read("segue.yaml"), "go build") { // they are built with the repository's go.mod otherwise
		w.Write("go.mod", "module "+name+"\n\ngo 1.26\n")
		w.Write("go.work", "go 1.26.0\n\nuse (\n\t.\n\t"+harness.Root()+"\n)\n")
	}
	w.Agent()
	w.Must(0, "deploy")
	greets(w, "/", "hello")
	d := w.Drill(100, func(p *drill.Plan) {
		p.Targets = []drill.Target{{URL: p.URL + "/", Weight: 2, Expect: &drill.Expect{BodyContains: "hello"}}}
		if e.echo != "" {
			p.Targets = append(p.Targets, posts(p.URL+e.echo))
		}
	})
	d.More(100)
	said := "hello"
	for n := range times {
		next := fmt.Sprintf("hello, the %dth,", n+2)
		edit(w, e.file, e.before+said, e.before+next)
		if e.each != nil {
			e.each(w, n)
		}
		w.Must(0, "deploy", "--why", next)
		greets(w, "/", next)
		said = next
	}
	d.More(100)
	w.Must(0, "rollback")
	greets(w, "/", fmt.Sprintf("hello, the %dth,", times))
	d.More(100)
	releases(t, d.None(), times+1)
}

// posts is a request with a body that is to come back whole.
func posts(url string) drill.Target {
	body := []byte(strings.Repeat("not a byte of this is lost; ", 200))
	return drill.Target{URL: url, Method: "POST", Body: body, Expect: &drill.Expect{BodyEquals: body}}
}

// greets fails the test unless the answer at path contains text.
func greets(w *harness.World, path, text string) {
	w.T.Helper()
	if got := w.Get(path); !strings.Contains(got, text) {
		w.T.Fatalf("%s answers %q, want %q in it", path, got, text)
	}
}

// releases fails the test unless at least so many releases have answered.
func releases(t *testing.T, r *drill.Result, least int) {
	t.Helper()
	if len(r.Releases) < least {
		t.Errorf("answered: %v; want %d releases", r.ByRelease, least)
	}
}
