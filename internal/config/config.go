// Package config reads segue.yaml and promises three things: what it accepts
// is a complete and possible deploy.Service, with every default filled in; what
// it refuses, it refuses with all problems at once, each with file, line,
// column, the reason and the mend; and no error ever shows the value of an
// environment variable.
//
// The keys, their defaults, their checks, their descriptions and the JSON
// Schema all come from the one set of types in format.go.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seguehq/segue/internal/deploy"
)

// A File is a segue.yaml that was accepted.
type File struct {
	Services  []Service // in file order; never empty
	Metrics   string    // host:port where the agent serves /metrics; "" for none
	AccessLog bool      // whether the proxy writes a line per request
	Warnings  Errors    // accepted, but likely not what was meant; nil for none
}

// A Service is one service of the file, with what must not be journalled (the
// values of its environment) and what is known only here (where its source is).
type Service struct {
	deploy.Service
	Env deploy.Environment `json:"-"` // from env_file and env; never nil; secrets
	// ReadEnv is what instances have beside it, or in its place, when they only
	// serve reads: maintenance.env; secrets.
	ReadEnv deploy.Environment `json:"-"`
	// PodEnv is what pods have beside it, or in its place: kubernetes.env; secrets.
	PodEnv   deploy.Environment `json:"-"`
	Calendar deploy.Calendar    `json:"calendar,omitzero"` // when it may be deployed
	Source   *deploy.Source     `json:"-"`                 // whose commits are deployed; nil: nobody's. Its URL may hold a secret
	// FlagsFile is the path of the file of feature flags that a deploy brings in; "": none.
	FlagsFile string `json:"-"`
	Dir       string // absolute source folder: release.dir
	Line      int    // of the service's name in the file, from 1
	Column    int    // of the service's name, in characters, from 1
}

// Lookup tells the value of an environment variable and whether it is set.
type Lookup func(name string) (value string, set bool)

// Load reads and checks the file at path. Variables are looked up by lookup
// (os.LookupEnv in production; nil: none is set). The error is an Errors when
// the content is at fault; a file that cannot be read wraps the cause, so that
// errors.Is(err, fs.ErrNotExist) tells that there is none.
func Load(path string, lookup func(string) (string, bool)) (*File, error) {
	data, err := readBounded(path, path)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the folder of %s: %w", path, err)
	}
	return Parse(path, data, filepath.Dir(abs), lookup)
}

// Parse checks data as a segue.yaml that lies in the folder dir; name is what
// errors call it. It reads no file but those that env_file and proxy.pages name. The error is
// always an Errors.
func Parse(name string, data []byte, dir string, lookup func(string) (string, bool)) (*File, error) {
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	r := &report{file: name, lines: sourceLines(data)}
	root, problems := readTree(data)
	for _, p := range problems {
		r.failAt(p.line, p.col, "", p.what, p.mend)
	}
	if root == nil {
		return nil, r.errors()
	}
	f := assemble(r, root, dir, lookup)
	if errs := r.errors(); len(errs) > 0 {
		return nil, errs
	}
	f.Warnings = r.warned()
	return f, nil
}

// readBounded reads a regular file of at most maxBytes. Reading a pipe or a
// device might never end, so these are refused before they are opened.
// Errors call it shown.
func readBounded(path, shown string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read %s: %w", shown, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", shown, cause(err))
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder; name a file in it", shown)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file; copy its content into one", shown)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown, cause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1)) // one more than allowed, so that too much is noticed
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown, cause(err))
	}
	return data, nil
}

// cause takes the path off an error of package os, for it may hold the value of
// a variable.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
