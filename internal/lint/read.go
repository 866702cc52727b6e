package lint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Read reads what the user names: files, folders with all that is below them,
// and "-" for stdin. What cannot be read is a problem; the rest is there.
func Read(paths []string, stdin io.Reader) (files []*File, problems []*Problem) {
	r := reader{stdin: stdin, seen: map[string]bool{}}
	for _, path := range paths {
		r.add(path)
	}
	return r.files, r.problems
}

type reader struct {
	stdin    io.Reader
	seen     map[string]bool
	files    []*File
	problems []*Problem
}

func (r *reader) add(path string) {
	if path == "-" {
		r.read("-", r.stdin)
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		r.fail(path, err)
	case info.IsDir():
		r.walk(path)
	default:
		r.open(path)
		for _, other := range beside(path) {
			r.open(other)
		}
	}
}

// walk reads the files of a folder that may be meant.
func (r *reader) walk(root string) {
	any := false
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			r.fail(path, err)
			any = true
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir() && path != root && isElse(filepath.Base(path)):
			return fs.SkipDir
		case d.IsDir() && isChart(path):
			r.problem(path, "the templates of a Helm chart are no YAML before they are rendered", "helm template "+filepath.Dir(path)+" | segue lint -")
			any = true
			return fs.SkipDir
		case !d.IsDir() && isWanted(path):
			r.open(path)
			any = true
		}
		return nil
	})
	if err != nil {
		r.fail(root, err)
	}
	if !any {
		r.problem(root, "the folder holds no manifest, compose file or systemd unit", "name a file, or a folder of *.yaml, *.yml, *.service, *.socket, *.service.d/*.conf")
	}
}

// isElse tells folders that hold what is of others.
func isElse(name string) bool {
	return strings.HasPrefix(name, ".") || name == "node_modules" || name == "vendor"
}

// isChart tells the templates of a Helm chart, of which one word is enough.
func isChart(path string) bool {
	return filepath.Base(path) == "templates" && isFile(filepath.Join(filepath.Dir(path), "Chart.yaml"))
}

// isWanted tells which files of a folder are read. JSON is read only if it is
// named: few folders that hold some mean manifests by it.
func isWanted(path string) bool {
	return slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)) || isUnitPath(path)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// isMasked reports whether a unit is a link to /dev/null: `systemctl mask` made it
// so, and it is never started.
func isMasked(path string) bool {
	target, err := os.Readlink(path)
	return err == nil && target == os.DevNull && isUnitPath(path)
}

func (r *reader) open(path string) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeNamedPipe == 0 {
		if !info.IsDir() && !isMasked(path) {
			r.fail(path, errors.New("this is no file"))
		}
		return
	}
	f, err := os.Open(path)
	if err != nil {
		r.fail(path, err)
		return
	}
	defer f.Close()
	r.read(path, f)
}

func (r *reader) read(name string, from io.Reader) {
	key := name
	if path, err := filepath.EvalSymlinks(name); err == nil {
		key = path
	}
	if r.seen[key] {
		return // named twice, or linked to
	}
	r.seen[key] = true
	data, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err != nil {
		r.fail(name, err)
		return
	}
	r.files = append(r.files, NewFile(name, data))
}

func (r *reader) fail(path string, err error) {
	var bad *fs.PathError
	if errors.As(err, &bad) {
		err = bad.Err
	}
	r.problem(path, fmt.Sprintf("cannot be read: %v", err), "")
}

func (r *reader) problem(path, what, mend string) {
	r.problems = append(r.problems, &Problem{At: Place{File: NewFile(path, nil), Line: 1, Column: 1}, What: what, Mend: mend})
}
