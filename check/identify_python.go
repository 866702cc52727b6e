package check

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// asPython goes by the module or script that the interpreter runs, and by the
// header if that is the user's own.
func asPython(_ context.Context, e evidence) (Server, bool) {
	program := e.program()
	if program != "python" && program != "pypy" && program != "uwsgi" && program != "uwsgi-core" {
		return Server{}, false
	}
	s := Server{Name: "python", Runtime: "python", Version: strings.TrimPrefix(filepath.Base(e.exe), program)}
	if strings.HasPrefix(program, "uwsgi") {
		return Server{Name: "uwsgi", Runtime: "python", Version: e.distribution("uwsgi")}, true
	}
	name := cmp.Or(e.pythonServer(), byHeader(e).Name)
	if name == "" {
		return s, true
	}
	runs := "python " + s.Version
	s.Name, s.Version = name, e.distribution(name)
	if s.Name == "http.server" || s.Name == "wsgiref" { // of the standard library
		s.Version = strings.TrimPrefix(runs, "python ")
	} else {
		s.Uses = append(s.Uses, strings.TrimSpace(runs))
	}
	if name == "gunicorn" {
		s.Model = e.gunicornWorkers()
	}
	return s, true
}

// pythonServers are modules and scripts that are servers, with their names.
func pythonServers() map[string]string {
	return map[string]string{"gunicorn": "gunicorn", "uvicorn": "uvicorn", "hypercorn": "hypercorn", "waitress": "waitress",
		"waitress-serve": "waitress", "daphne": "daphne", "granian": "granian", "http.server": "http.server",
		"fastapi": "uvicorn", "flask": "werkzeug"}
}

// pythonServer reads "python -m NAME", "python /usr/bin/NAME", and the title
// that a server gives itself: "gunicorn: master [app]".
func (e evidence) pythonServer() string {
	if len(e.argv) == 0 {
		return ""
	}
	title, _, _ := strings.Cut(e.argv[0], ":")
	if name := pythonServers()[title]; name != "" {
		return name
	}
	for i, a := range e.argv[1:] {
		if a == "-m" && i+2 < len(e.argv) {
			return pythonServers()[e.argv[i+2]]
		}
		if module, ok := strings.CutPrefix(a, "-m"); ok {
			return pythonServers()[module]
		}
		if !strings.HasPrefix(a, "-") {
			return pythonServers()[filepath.Base(a)]
		}
	}
	return ""
}

// distribution is the version of an installed package. Its metadata stand beside
// it, in one of the folders where the interpreter, or the environment that a
// script belongs to, has its packages.
func (e evidence) distribution(name string) string {
	var prefixes []string
	for _, path := range append(slices.Clone(e.argv[:min(1, len(e.argv))]), e.script(), e.exe) {
		if filepath.IsAbs(path) {
			prefixes = append(prefixes, filepath.Dir(filepath.Dir(path)))
		}
	}
	prefixes = append(prefixes, filepath.Join(e.dir, "venv"), filepath.Join(e.dir, ".venv"), "/usr/local", "/usr")
	for _, prefix := range prefixes {
		for _, lib := range []string{"site-packages", "dist-packages"} {
			for _, ending := range []string{"dist-info", "egg-info"} {
				found, _ := filepath.Glob(filepath.Join(prefix, "lib", "python3*", lib, name+"-[0-9]*."+ending))
				if len(found) > 0 {
					return versionNumber.FindString(strings.TrimSuffix(filepath.Base(found[0])[len(name)+1:], "."+ending))
				}
			}
		}
	}
	return ""
}

var workerClass = regexp.MustCompile(`(?m)^\s*worker_class\s*=\s*['"]([^'"]+)`)

// gunicornWorkers is the worker class, by the command line, the environment or
// the configuration file in the working folder.
func (e evidence) gunicornWorkers() string {
	args := slices.Concat(strings.Fields(e.variable("GUNICORN_CMD_ARGS")), e.argv)
	if class := option(args, "-k", "--worker-class"); class != "" {
		return lastWord(class)
	}
	if threads := option(args, "", "--threads"); threads != "" && threads != "1" {
		return "gthread" // what sync becomes with threads
	}
	file := cmp.Or(option(args, "-c", "--config"), "gunicorn.conf.py")
	if !filepath.IsAbs(file) {
		file = filepath.Join(e.dir, file)
	}
	b, _ := os.ReadFile(file)
	if m := workerClass.FindSubmatch(b); m != nil {
		return lastWord(string(m[1]))
	}
	return "sync"
}

// variable is one of the process's environment, as it was at its start.
func (e evidence) variable(name string) string {
	for _, v := range environ(e.pid) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// lastWord is the class's name without its module.
func lastWord(class string) string { return class[strings.LastIndexByte(class, '.')+1:] }

// option is an option's value, by its short or long name; "" if it is not there.
func option(args []string, short, long string) string {
	for i, a := range args {
		if value, ok := strings.CutPrefix(a, long+"="); ok {
			return value
		}
		if (a == long || short != "" && a == short) && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}
