package check

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// asNode finds the packages that the program's own files import, or if those
// cannot be read, those that package.json lists.
func asNode(ctx context.Context, e evidence) (Server, bool) {
	name := map[string]string{"node": "node", "nodejs": "node", "bun": "bun", "deno": "deno"}[filepath.Base(e.exe)]
	if name == "" {
		return Server{}, false
	}
	s := Server{Name: name, Version: e.asked(ctx, "--version"), Runtime: "node"}
	script := e.script()
	from := e.dir
	if script != "" {
		from = filepath.Dir(script)
	}
	root, listed := packageJSON(from)
	imported := imports(script)
	for _, p := range nodePackages() {
		if !slices.Contains(imported, p) && !(imported == nil && listed[p]) {
			continue
		}
		s.Uses = append(s.Uses, strings.TrimSpace(p+" "+packageVersion(root, p)))
	}
	if slices.Contains(imported, "http2") || slices.Contains(imported, "node:http2") {
		s.Uses = append(s.Uses, "http2")
	}
	if slices.Contains(imported, "cluster") || slices.Contains(imported, "node:cluster") {
		s.Model = "cluster"
	}
	return s, true
}

// nodePackages are those that have a part in how a server stops.
func nodePackages() []string {
	return []string{"express", "fastify", "koa", "hono", "@hono/node-server", "@hapi/hapi", "restify", "@nestjs/core", "next",
		"@godaddy/terminus", "http-terminator", "stoppable", "http-graceful-shutdown", "lightship", "close-with-grace",
		"ws", "socket.io", "@grpc/grpc-js"}
}

// script is the program's file: the first argument that is no option.
func (e evidence) script() string {
	for _, a := range e.argv[min(1, len(e.argv)):] {
		if strings.HasPrefix(a, "-") {
			continue
		}
		if !filepath.IsAbs(a) {
			a = filepath.Join(e.dir, a)
		}
		return a
	}
	return ""
}

// packageJSON is the package.json of the nearest folder upwards that has one,
// and what it says the program needs.
func packageJSON(dir string) (root string, needs map[string]bool) {
	for ; dir != "" && dir != "."; dir = filepath.Dir(dir) {
		var p struct{ Dependencies map[string]string }
		b, err := os.ReadFile(filepath.Join(dir, "package.json"))
		if err == nil && json.Unmarshal(b, &p) == nil {
			needs = map[string]bool{}
			for name := range p.Dependencies {
				needs[name] = true
			}
			return dir, needs
		}
		if dir == "/" {
			break
		}
	}
	return "", nil
}

func packageVersion(root, name string) string {
	var p struct{ Version string }
	b, err := os.ReadFile(filepath.Join(root, "node_modules", name, "package.json"))
	if err != nil || json.Unmarshal(b, &p) != nil {
		return ""
	}
	return p.Version
}

var importOf = regexp.MustCompile(`(?:require\(|from\s|import\s|import\()\s*['"]([^'"\n]+)['"]`)

// mostImports is how many files of a program are read.
const mostImports = 50

// imports are the packages that a script imports, by itself or by files of its
// own; nil if it cannot be read.
func imports(script string) []string {
	var found []string
	queue, seen := []string{script}, map[string]bool{script: true}
	for ; len(queue) > 0 && len(seen) <= mostImports; queue = queue[1:] {
		b, err := os.ReadFile(queue[0])
		if err != nil {
			continue
		}
		if found == nil {
			found = []string{}
		}
		for _, m := range importOf.FindAllStringSubmatch(string(b), -1) {
			if !strings.HasPrefix(m[1], ".") {
				found = append(found, m[1])
				continue
			}
			if file := resolve(filepath.Join(filepath.Dir(queue[0]), m[1])); file != "" && !seen[file] {
				seen[file] = true
				queue = append(queue, file)
			}
		}
	}
	return found
}

// resolve finds a file as Node does.
func resolve(path string) string {
	for _, end := range []string{"", ".js", ".mjs", ".cjs", "/index.js"} {
		if info, err := os.Stat(path + end); err == nil && info.Mode().IsRegular() {
			return path + end
		}
	}
	return ""
}
