package check

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Server is what the checked program is made of, as far as that can be seen
// from outside. Anything may be unknown.
type Server struct {
	Name     string `json:"name,omitempty"` // such as "gunicorn", "node", "go"
	Version  string `json:"version,omitempty"`
	Runtime  string `json:"runtime,omitempty"`  // what it runs on: "go", "node", "python", "ruby", "java", "rust", …
	Model    string `json:"model,omitempty"`    // how it serves, of servers that can do so in several ways: "gthread"
	Launcher string `json:"launcher,omitempty"` // the first process, if another one serves: "sh", "npm"
	// Uses are the libraries and frameworks that were recognized in it, with their
	// versions after a blank where those are known.
	Uses []string `json:"uses,omitempty"`
}

// String is the name with the version and what it uses; "" if nothing is known.
func (s Server) String() string {
	name := strings.TrimSpace(s.Name + " " + s.Version)
	if s.Model != "" {
		name += " (" + s.Model + ")"
	}
	words := slices.Concat([]string{name}, s.Uses)
	if s.Launcher != "" {
		words = append(words, "started by "+s.Launcher)
	}
	return strings.TrimPrefix(strings.Join(words, ", "), ", ")
}

// uses reports whether the library is there.
func (s Server) uses(library string) bool {
	return slices.ContainsFunc(s.Uses, func(u string) bool { return u == library || strings.HasPrefix(u, library+" ") })
}

// evidence is what a process shows of itself.
type evidence struct {
	pid    int
	exe    string // the executable's path
	argv   []string
	dir    string   // working folder
	others []string // the command lines of the server's other processes
	header http.Header
}

// program is the executable's name without a version at its end: "python" for
// python3.11.
func (e evidence) program() string {
	return strings.TrimRight(filepath.Base(e.exe), "0123456789.-")
}

// identify looks at the process that serves, and at an answer's header. It runs
// nothing but well-known programs that are asked for their version.
func identify(ctx context.Context, s *server, header http.Header) Server {
	e := evidence{header: header}
	if s.proc == nil {
		return byHeader(e)
	}
	st := stanceOf(s.proc, s.target.signal(), portOf(s.base))
	e.pid = s.proc.pid
	if len(st.serving) > 0 && !st.direct(s.proc) && !speaksFastCGI(s.proc.pid) {
		e.pid = st.serving[0]
	}
	e.exe = executable(e.pid)
	e.dir, _ = os.Readlink(fmt.Sprintf("/proc/%d/cwd", e.pid))
	e.argv = argv(e.pid)
	for _, pid := range s.proc.pids() {
		if pid != e.pid {
			e.others = append(e.others, strings.Join(argv(pid), " "))
		}
	}
	found := e.recognize(ctx)
	if first := comm(s.proc.pid); first != comm(e.pid) { // else it is a server's own master
		found.Launcher, _, _ = strings.Cut(first, " ")
	}
	return found
}

// speaksFastCGI reports whether a process serves behind one that listens: of the
// two it is the one that is stopped.
func speaksFastCGI(pid int) bool {
	return strings.HasPrefix(filepath.Base(executable(pid)), "php-fpm")
}

func executable(pid int) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)) // it may have ended, or be another user's
	return path
}

func (e evidence) recognize(ctx context.Context) Server {
	for _, as := range []func(context.Context, evidence) (Server, bool){asGo, asNode, asPython, asRuby, asJava, asPHP, asNative, asRust} {
		if s, ok := as(ctx, e); ok {
			s.Version = cmp.Or(s.Version, versionInHeader(s.Name, e.header))
			return s
		}
	}
	return byHeader(e)
}

// product is a name and version as the Server and X-Powered-By fields have them
// (RFC 9110 §10.2.4).
var product = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._+-]*?)(?:[/(]v?([0-9][0-9A-Za-z.]*)\)?)?(?: |$)`)

// byHeader goes by what the server says of itself.
func byHeader(e evidence) Server {
	for _, field := range []string{"Server", "X-Powered-By"} {
		for _, said := range e.header.Values(field) {
			m := product.FindStringSubmatch(said)
			if m == nil {
				continue
			}
			if known, ok := headerNames()[strings.ToLower(m[1])]; ok {
				known.Version = m[2]
				return known
			}
		}
	}
	return Server{}
}

func versionInHeader(name string, h http.Header) string {
	if s := byHeader(evidence{header: h}); s.Name == name {
		return s.Version
	}
	return ""
}

// headerNames are servers by the names that they give themselves, in small
// letters.
func headerNames() map[string]Server {
	m := map[string]Server{}
	for runtime, names := range map[string]string{
		"":       "nginx openresty=nginx apache=httpd lighttpd envoy haproxy litespeed h2o",
		"go":     "caddy fasthttp=go",
		"python": "gunicorn uvicorn hypercorn hypercorn-h11=hypercorn hypercorn-h2=hypercorn waitress daphne werkzeug tornadoserver=tornado simplehttp=http.server basehttp=http.server wsgiserver=wsgiref cherrypy granian python=aiohttp",
		"ruby":   "puma webrick thin",
		"java":   "jetty undertow=undertow apache-coyote=tomcat",
		"node":   "express=node",
		"dotnet": "kestrel",
		"erlang": "cowboy",
		"perl":   "starman mojolicious",
		"php":    "php",
	} {
		for word := range strings.FieldsSeq(names) {
			said, name, renamed := strings.Cut(word, "=")
			if !renamed {
				name = said
			}
			m[said] = Server{Name: name, Runtime: runtime}
		}
	}
	return m
}

var versionNumber = regexp.MustCompile(`[0-9]+(\.[0-9]+)+`)

// asked is the version that a well-known program says it has.
func (e evidence) asked(ctx context.Context, flag string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, e.exe, flag).CombinedOutput()
	return versionNumber.FindString(string(out))
}
