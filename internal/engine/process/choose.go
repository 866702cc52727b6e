package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// ignoreFile, beside segue.yaml, lists what is not taken into a release. It is
// a small part of .gitignore's language: a pattern per line, "#" comments, "!"
// to take back, a slash in front or within ties the pattern to the top folder,
// one at its end means folders only, "**" stands for any number of folders.
const ignoreFile = ".segueignore"

// always are never taken from a folder, only when named themselves.
var always = []string{".git", ".hg", ".svn", ".segue", ignoreFile}

// A chooser finds what a release keeps.
type chooser struct {
	root   *os.Root
	ignore []ignoreRule
	found  map[string]fs.FileInfo
}

// choose resolves names and patterns to the paths of all that they mean, with
// the folders above, sorted. Folders are taken with what is in them.
func choose(root *os.Root, files []string) ([]string, map[string]fs.FileInfo, error) {
	if len(files) == 0 {
		return nil, nil, errors.New("release.files is empty; name what the service needs to run (\".\" for everything)")
	}
	c := chooser{root: root, found: make(map[string]fs.FileInfo)}
	b, err := root.ReadFile(ignoreFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if c.ignore, err = parseIgnore(string(b)); err != nil {
		return nil, nil, err
	}
	for _, pattern := range files {
		if err := c.pattern(pattern); err != nil {
			return nil, nil, fmt.Errorf("release.files: %w", err)
		}
	}
	paths := make([]string, 0, len(c.found))
	for p := range c.found {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths, c.found, nil
}

func (c *chooser) pattern(pattern string) error {
	clean := path.Clean(strings.TrimPrefix(pattern, "./"))
	if pattern == "" || path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return fmt.Errorf("%q is not inside the source folder; give paths relative to segue.yaml, without \"..\"", pattern)
	}
	if clean == "." {
		return c.children(".")
	}
	if !strings.ContainsAny(clean, `*?[\`) {
		return c.named(clean)
	}
	matches, err := fs.Glob(c.root.FS(), clean)
	if err != nil {
		return fmt.Errorf("%q: %w", pattern, err)
	}
	for _, m := range matches {
		if err := c.walk(m); err != nil {
			return err
		}
	}
	if len(matches) == 0 {
		return fmt.Errorf("%q matches nothing in %s; does release.build make it?", pattern, c.root.Name())
	}
	return nil
}

// named takes what the user asked for by name, ignored or not.
func (c *chooser) named(p string) error {
	info, err := c.root.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q is not in %s; does release.build make it?", p, c.root.Name())
	}
	if err != nil {
		return err
	}
	if err := c.take(p, info); err != nil || !info.IsDir() {
		return err
	}
	return c.children(p)
}

// walk takes what was found, unless it is ignored.
func (c *chooser) walk(p string) error {
	info, err := c.root.Lstat(p)
	if err != nil {
		return vanished(p, err)
	}
	if slices.Contains(always, path.Base(p)) || ignored(c.ignore, p, info.IsDir()) {
		return nil
	}
	if err := c.take(p, info); err != nil || !info.IsDir() {
		return err
	}
	return c.children(p)
}

func (c *chooser) children(dir string) error {
	entries, err := fs.ReadDir(c.root.FS(), dir)
	if err != nil {
		return vanished(dir, err)
	}
	for _, e := range entries {
		if err := c.walk(path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// take notes a path and the folders above it.
func (c *chooser) take(p string, info fs.FileInfo) error {
	if err := checkPath(p); err != nil {
		return err
	}
	if t := info.Mode().Type(); t != 0 && t != fs.ModeDir && t != fs.ModeSymlink {
		return fmt.Errorf("%s is a %s; a release keeps files, folders and links only: leave it out by release.files or %s", p, typeName(t), ignoreFile)
	}
	c.found[p] = info
	dir := path.Dir(p)
	if dir == "." || c.found[dir] != nil {
		return nil
	}
	above, err := c.root.Lstat(dir)
	if err != nil {
		return vanished(dir, err)
	}
	if !above.IsDir() {
		return fmt.Errorf("%s is reached through the symbolic link %s; name its real path", p, dir)
	}
	return c.take(dir, above)
}

func typeName(t fs.FileMode) string {
	switch {
	case t&fs.ModeSocket != 0:
		return "socket"
	case t&fs.ModeNamedPipe != 0:
		return "named pipe"
	case t&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

func vanished(p string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s vanished while it was being packed; is a build still running?", p)
	}
	return err
}

type ignoreRule struct {
	parts   []string // of the path, from the top
	folders bool
	keep    bool
}

func parseIgnore(text string) ([]ignoreRule, error) {
	var rules []ignoreRule
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var r ignoreRule
		line, r.keep = strings.CutPrefix(line, "!")
		line, r.folders = strings.CutSuffix(line, "/")
		if !strings.Contains(line, "/") {
			line = "**/" + line
		}
		r.parts = strings.Split(strings.TrimPrefix(line, "/"), "/")
		for _, p := range r.parts {
			if _, err := path.Match(p, ""); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", ignoreFile, line, err)
			}
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// ignored lets the last rule that matches decide.
func ignored(rules []ignoreRule, p string, dir bool) bool {
	for _, r := range slices.Backward(rules) {
		if (dir || !r.folders) && matchParts(r.parts, strings.Split(p, "/")) {
			return !r.keep
		}
	}
	return false
}

func matchParts(pattern, parts []string) bool {
	if len(pattern) == 0 {
		return len(parts) == 0
	}
	if pattern[0] == "**" {
		for i := range len(parts) + 1 {
			if matchParts(pattern[1:], parts[i:]) {
				return true
			}
		}
		return false
	}
	if len(parts) == 0 {
		return false
	}
	ok, _ := path.Match(pattern[0], parts[0])
	return ok && matchParts(pattern[1:], parts[1:])
}
