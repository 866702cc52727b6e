package lint

import (
	"path"
	"slices"
	"strings"
)

// Running is what a command line starts: the program, and what stands between
// it and the one who sends the signal.
type Running struct {
	Program *Program // nil if it is not known
	Name    string   // what the program is called on the command line, without its folder; empty if that cannot be seen
	Args    []string // of the program

	Shell   string   // a shell that stays as its parent, and does not pass signals on
	Manager *Manager // what else stays between, nearest to the program
	Init    string   // an init that stands before all: tini, dumb-init, …
	Group   bool     // Init signals all processes, not only its child

	image string
	env   func(string) string
}

// A Manager starts programs as its children and signals them in its own way.
type Manager struct {
	Name   string
	Hazard string // what its children get when it is told to stop
	Mend   string
}

// Env is a variable of the program's environment, as far as it is known.
func (r Running) Env(name string) string {
	if r.env == nil || name == "" {
		return ""
	}
	return r.env(name)
}

// Look finds out what a command line starts. Of a container it is its entrypoint
// and its arguments together; without any, the image alone tells. env may be nil.
func Look(image string, argv []string, env func(string) string) Running {
	r := Running{image: image, env: env}
	if len(argv) > 0 {
		r.look(argv)
	}
	if r.Program == nil && r.onlyArguments(argv) {
		r.Program, r.Args = ByImage(image), argv
	}
	if r.Program != nil && r.Program.argsEnv != "" {
		r.Args = slices.Concat(Words(r.Env(r.Program.argsEnv)), r.Args)
	}
	return r
}

// onlyArguments: an image's entrypoint takes what begins with a dash for its
// own arguments.
func (r *Running) onlyArguments(argv []string) bool {
	return len(argv) == 0 || strings.HasPrefix(argv[0], "-")
}

// look takes wrappers off, one after the other.
func (r *Running) look(argv []string) {
	for len(argv) > 0 {
		name := path.Base(argv[0])
		rest, ok := r.unwrap(name, argv)
		if !ok {
			r.Name, r.Args = name, argv[1:]
			r.Program = byCommand(name, r.Args)
			return
		}
		argv = rest
	}
}

// unwrap is what a wrapper starts. ok is false if it is none.
func (r *Running) unwrap(name string, argv []string) (rest []string, ok bool) {
	args := argv[1:]
	switch name {
	case "tini", "dumb-init", "docker-init", "catatonit":
		return r.inits(name, args), true
	case "sh", "bash", "dash", "ash", "zsh", "ksh":
		return r.shell(name, args), true
	case "busybox":
		if len(args) > 0 && args[0] == "sh" {
			return r.shell("ash", args[1:]), true
		}
		return args, len(args) > 0
	case "npm", "yarn", "pnpm", "npx", "pm2-runtime", "pm2", "nodemon", "foreman", "supervisord", "honcho", "forever":
		return r.manage(name), true
	case "env":
		return afterAssignments(args), true
	case "gosu", "su-exec":
		return args[min(1, len(args)):], true
	case "exec", "nohup", "docker-entrypoint.sh", "docker-php-entrypoint", "nice", "ionice", "stdbuf",
		"opentelemetry-instrument", "ddtrace-run", "setpriv":
		return afterFlags(args), true
	case "bundle", "poetry", "pipenv", "uv", "pdm", "hatch", "newrelic-admin", "doppler":
		if len(args) > 0 && (args[0] == "exec" || args[0] == "run" || args[0] == "run-program") {
			return afterFlags(args[1:]), true
		}
	case "wait-for-it.sh", "wait-for-it", "wait-for.sh", "wait-for", "dockerize", "wait4x":
		if i := slices.Index(args, "--"); i >= 0 {
			return args[i+1:], true
		}
	case "ruby", "python", "python3":
		return interpreted(args)
	}
	if versioned(name, "python") || versioned(name, "ruby") {
		return interpreted(args)
	}
	return nil, false
}

func (r *Running) inits(name string, args []string) []string {
	r.Init = name
	r.Group = name == "dumb-init"
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		flag := args[0]
		args = args[1:]
		switch {
		case flag == "--":
			return args
		case flag == "-g":
			r.Group = true
		case flag == "-c" || flag == "--single-child":
			r.Group = false
		case name != "dumb-init" && (flag == "-p" || flag == "-e"), name == "dumb-init" && flag == "-r":
			args = args[min(1, len(args)):]
		}
	}
	return args
}

// manage takes note of what starts the program as its child. Which program that is
// cannot be seen.
func (r *Running) manage(name string) []string {
	for i := range managers {
		if managers[i].Name == name || managers[i].Name == "npm" && name == "npx" {
			r.Manager = &managers[i]
		}
	}
	return nil
}

// managers do not pass on what they should, or do not wait long enough.
var managers = [...]Manager{
	{"npm", "npm passes the signal to `sh -c`, and Debian's sh dies of it without telling its child: the program is killed with the container", "start the program itself: `node server.js`"},
	{"yarn", "yarn starts the program as the child of a shell, which may not pass the signal on", "start the program itself: `node server.js`"},
	{"pnpm", "pnpm starts the program as the child of a shell, which may not pass the signal on", "start the program itself: `node server.js`"},
	{"nodemon", "nodemon is for development: it ends without waiting for the program", "start the program itself: `node server.js`"},
	{"pm2-runtime", "pm2-runtime kills its children 1.6 s after the signal unless kill_timeout says otherwise", "start the program itself, or set kill_timeout in pm2's file above the longest request"},
	{"foreman", "foreman kills its children 5 s after the signal unless --timeout says otherwise", "start the program itself, or set --timeout above the longest request"},
	{"supervisord", "supervisord kills its children 10 s after the signal unless stopwaitsecs says otherwise", "a container for each program, or stopwaitsecs above the longest request"},
}

// afterAssignments skips what env(1) takes before the command.
func afterAssignments(args []string) []string {
	for len(args) > 0 {
		switch a := args[0]; {
		case a == "-u" || a == "-C":
			args = args[min(2, len(args)):]
		case strings.HasPrefix(a, "-") || strings.Contains(a, "=") && !strings.HasPrefix(a, "/"):
			args = args[1:]
		default:
			return args
		}
	}
	return nil
}

// afterFlags skips flags, and the number that follows one.
func afterFlags(args []string) []string {
	for len(args) > 0 && (strings.HasPrefix(args[0], "-") || strings.Trim(args[0], "0123456789") == "") {
		args = args[1:]
	}
	return args
}

// interpreted is the module or script that an interpreter runs, if it is a
// program that is known.
func interpreted(args []string) ([]string, bool) {
	for i, a := range args {
		switch {
		case a == "-m" && i+1 < len(args):
			return args[i+1:], true
		case a == "-c":
			return nil, false
		case !strings.HasPrefix(a, "-"):
			return args[i:], byCommand(a, args[i+1:]) != nil
		}
	}
	return nil, false
}
