package main

import "github.com/seguehq/segue/check"

// A Row is one server under check: a framework, and the way it is stopped that
// its own documentation shows.
type Row struct {
	Name     string   // as the page calls it: "Express with terminus". Unique
	Dir      string   // the app's folder under apps/; several rows may share one
	Packages []string // the Debian packages that it needs
	// Tools are commands that it needs, where Debian's package is not the only
	// way to have them: node. scripts/need installs those that are missing.
	Tools []string
	// Install is a command, run in Dir before anything else there; rows that
	// share Dir and Install run it once. What it makes goes to node_modules or
	// build, which git ignores.
	Install []string
	// Command starts the server, in Dir, in the foreground. It listens on
	// 127.0.0.1:$PORT, and nowhere else.
	Command []string
	Stop    string   // the stop signal: "QUIT". "" is TERM
	Version []string // prints the versions that matter, in a line or a few

	// The paths that the server has, besides /; "" if it has none. What each
	// must do is in README.md.
	Slow, Stream, Upload, Events, WebSocket, Ready string

	Published check.Class // the class in the published table; "" if it is not there
	Remark    string      // why it differs from what was published, and what else a reader should know
}

// signal is the row's stop signal by its name.
func (r Row) signal() string {
	if r.Stop == "" {
		return "TERM"
	}
	return r.Stop
}

// A family is the rows of one language or kind, in a file of their own.
type family struct {
	name string
	rows func() []Row
}

// families are all rows, in the page's order.
func families() []family {
	return []family{
		{"Node", nodeRows},
		{"Go", goRows},
		{"Python", pythonRows},
		{"Ruby and Perl", rubyRows},
		{"Java", javaRows},
		{"Rust", rustRows},
		{"Web servers and proxies", serverRows},
		{"PHP", phpRows},
	}
}
