package lint

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Program is a server of which it is known how it is told to finish. Signals
// are written without SIG. What is not known, or depends on a file that is not
// at hand, is the zero value.
type Program struct {
	Name     string
	Commands []string // what it is called in a command line, without its folder
	Images   []string // its images: the last part of the name, without the tag
	With     []string // it is this one only with one of these arguments; * is any text

	Graceful  string   // the signal after which it finishes the requests that it has
	Quick     []string // signals after which it drops them, KILL aside
	Deaf      []string // signals that do not end it
	Besides   string   // what Graceful needs to be so: an imperative
	Instead   string   // where no signal is graceful, what to do: an imperative
	Firm      bool     // its main process, once it is finishing, no longer heeds Quick
	ImageStop string   // STOPSIGNAL of its official images; empty is TERM
	Hangup    Hangup   // what HUP does to it
	Successor string   // the signal that starts another one beside it, with another pid
	Reloads   bool     // a signal or a command replaces its workers or its configuration without a gap

	Notifies   string // what makes it tell systemd that it is ready; "always" if it does so by itself
	NoWatchdog bool   // it is known never to keep systemd's watchdog quiet
	Activation string // what makes it take a listening socket of systemd; "always" if it does so by itself

	Role Role

	drain   patience
	argsEnv string // a variable that holds more arguments
}

// A Role is what a program is for, as far as that is known.
type Role int

const (
	Unsure  Role = iota
	App          // runs a user's code that answers requests
	Runtime      // runs a user's code, which may answer requests or not
	Proxy        // passes requests on
	Web          // passes requests on, or answers them from files
	Store        // keeps data: two of them cannot stand side by side
)

// Hangup is what a program does on HUP.
type Hangup int

const (
	HangupUnsure  Hangup = iota
	HangupReloads        // new workers, old ones finish
	HangupCuts           // new workers, old ones are killed
	HangupEnds           // it ends, as most programs do that know nothing of HUP
	HangupIgnored
)

// patience is how long a program waits for its requests after the signal.
type patience struct {
	flags   []string      // of its command line, with - or --, or directives in an argument, without; * is any text
	env     string        // the variable that says the same
	unit    time.Duration // of a number without one
	usual   time.Duration // if nothing is said; 0: not known, or for ever
	workers []string      // flags without which it has no workers to wait for: then usual does not count
}

// A Drain is how long a program needs, at the most, to finish what it has.
type Drain struct {
	Time time.Duration
	Why  string // where that is said: "gunicorn's --graceful-timeout"
}

// Known reports whether anything is known of it.
func (d Drain) Known() bool { return d.Time > 0 }

// DrainOf is how long a program drains, by the first that says so: the object
// itself (own, a duration, and where it stands), the command line's --drain, the
// program's arguments or its known default.
func (f Facts) DrainOf(own time.Duration, where string, r Running) Drain {
	switch {
	case own > 0:
		return Drain{own, where}
	case f.Drain > 0:
		return Drain{f.Drain, "--drain"}
	}
	return r.Drain()
}

// Drain is what the program's arguments and its defaults say.
func (r Running) Drain() Drain {
	if r.Program == nil {
		return Drain{}
	}
	p := r.Program.drain
	for _, flag := range p.flags {
		if value, ok := r.Flag(flag); ok {
			d, _ := Seconds(value, p.unit)
			return Drain{d, r.Program.Name + "'s " + strings.ReplaceAll(flag, "*", "…")}
		}
	}
	if value := r.Env(p.env); value != "" {
		d, _ := Seconds(value, p.unit)
		return Drain{d, r.Program.Name + "'s " + p.env}
	}
	if p.usual == 0 || len(p.workers) > 0 && !r.anyFlag(p.workers) {
		return Drain{}
	}
	return Drain{p.usual, r.Program.Name + "'s default"}
}

func (r Running) anyFlag(flags []string) bool {
	return slices.ContainsFunc(flags, func(flag string) bool {
		value, ok := r.Flag(flag)
		return ok && value != "0"
	})
}

// Flag is the value of a flag of the program's command line, after = or as the
// next argument; * in its name is any text. Letters' case does not count, as it
// does not for Spring and Traefik. A name without a dash is a directive within
// an argument, as in `nginx -g 'worker_shutdown_timeout 20s;'`.
func (r Running) Flag(name string) (value string, ok bool) {
	for i, arg := range r.Args {
		if !strings.HasPrefix(name, "-") {
			if value, ok := directive(arg, name); ok {
				return value, true
			}
			continue
		}
		key, value, found := strings.Cut(arg, "=")
		if match, _ := path.Match(strings.ToLower(name), strings.ToLower(key)); !match {
			continue
		}
		if !found && i+1 < len(r.Args) && !strings.HasPrefix(r.Args[i+1], "-") {
			value = r.Args[i+1]
		}
		return value, true
	}
	return "", false
}

func directive(arg, name string) (string, bool) {
	for _, part := range strings.Split(arg, ";") {
		if words := strings.Fields(part); len(words) == 2 && words[0] == name {
			return words[1], true
		}
	}
	return "", false
}

// Seconds reads a duration as servers write it: "30", "30s", "1m30s", "500ms".
// A number without a unit counts as so many of unit.
func Seconds(s string, unit time.Duration) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseFloat(s, 64); err == nil && n >= 0 && n < 1e9 {
		return time.Duration(n * float64(unit)), true
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}

// Signal writes a signal as Program does: "SIGTERM", "sigterm", "15" and "TERM"
// are "TERM".
func Signal(s string) string {
	s = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(s)), "SIG")
	switch s {
	case "1":
		return "HUP"
	case "2":
		return "INT"
	case "3":
		return "QUIT"
	case "6":
		return "ABRT"
	case "9":
		return "KILL"
	case "10":
		return "USR1"
	case "12":
		return "USR2"
	case "15":
		return "TERM"
	case "28":
		return "WINCH"
	}
	return s
}

// Cuts reports whether a program drops its requests on a signal.
func (p *Program) Cuts(signal string) bool {
	return signal == "KILL" || p != nil && slices.Contains(p.Quick, signal)
}

// Ignores reports whether a program does not end on a signal.
func (p *Program) Ignores(signal string) bool { return p != nil && slices.Contains(p.Deaf, signal) }

// ByImage is the program that an image is of, or nil.
func ByImage(image string) *Program {
	name := imageName(image)
	if name == "" {
		return nil
	}
	if name == "php" {
		switch tag := imageTag(image); {
		case strings.Contains(tag, "fpm"):
			name = "php-fpm"
		case strings.Contains(tag, "apache"):
			name = "httpd"
		}
	}
	for i := range programs {
		if slices.Contains(programs[i].Images, name) {
			return &programs[i]
		}
	}
	return nil
}

// byCommand is the program of a name, started with some arguments.
func byCommand(command string, args []string) *Program {
	name := path.Base(command)
	for i := range programs {
		for _, c := range programs[i].Commands {
			if (name == c || versioned(name, c)) && programs[i].startedWith(args) {
				return &programs[i]
			}
		}
	}
	return nil
}

func (p *Program) startedWith(args []string) bool {
	return len(p.With) == 0 || slices.ContainsFunc(args, func(arg string) bool {
		return slices.ContainsFunc(p.With, func(pattern string) bool {
			before, after, any := strings.Cut(pattern, "*")
			return any && strings.HasPrefix(arg, before) && strings.HasSuffix(arg, after) || arg == pattern
		})
	})
}

// Mend is what to do if a signal cuts or does not end the program: set is how to
// write another signal, as in "KillSignal=SIG%s", and out how to write none.
func (p *Program) Mend(set, out string) string {
	switch {
	case p != nil && p.Instead != "":
		return p.Instead
	case p == nil || p.Graceful == "":
		return out
	case p.Besides != "":
		return fmt.Sprintf(set, p.Graceful) + ", and " + p.Besides
	}
	return fmt.Sprintf(set, p.Graceful)
}

// versioned reports whether a name is a command's with a version behind it:
// php-fpm8.2, python3.11, gunicorn3.
func versioned(name, command string) bool {
	version, ok := strings.CutPrefix(name, command)
	return ok && version != "" && strings.Trim(version, "0123456789.") == ""
}

// imageName is the last part of an image's name: "nginx" of
// "registry.example:5000/library/nginx:1.27-alpine@sha256:…".
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name := path.Base(image)
	if image == "" {
		return ""
	}
	name, _, _ = strings.Cut(name, ":")
	return name
}

func imageTag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	_, tag, _ := strings.Cut(path.Base(image), ":")
	return tag
}

// Official reports whether an image is Docker's own of that name, or its
// project's: only of those is the STOPSIGNAL known.
func Official(image string) bool {
	image, _, _ = strings.Cut(image, "@")
	repository, _, _ := strings.Cut(image, ":")
	repository = strings.TrimPrefix(strings.TrimPrefix(repository, "docker.io/"), "library/")
	return !strings.Contains(repository, "/") || repository == "openresty/openresty" || repository == "nginxinc/nginx-unprivileged"
}

// Programs are those that are known.
func Programs() []Program { return slices.Clone(programs[:]) }

// Patience says how long the program drains and what sets it, for people.
func (p *Program) Patience() string {
	var said []string
	if p.drain.usual > 0 {
		said = append(said, p.drain.usual.String())
	}
	for _, flag := range p.drain.flags {
		said = append(said, "`"+strings.ReplaceAll(flag, "*", "…")+"`")
	}
	if p.drain.env != "" {
		said = append(said, "`"+p.drain.env+"`")
	}
	return strings.Join(said, ", ")
}
