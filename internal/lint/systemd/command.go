package systemd

import (
	"path"
	"slices"
	"strings"

	"github.com/seguehq/segue/internal/lint"
)

// A command is one command line of an Exec setting, its variables replaced as
// far as they are known.
type command struct {
	argv []string
	at   lint.Place
}

// commands are those of an Exec setting. Several stand in one line with a ;
// between them.
func (u *Unit) commands(key string) []command {
	var found []command
	for _, s := range u.all("Service", key) {
		var argv []string
		for _, word := range append(lint.Words(s.value), ";") {
			if word != ";" {
				argv = append(argv, u.expand(word)...)
				continue
			}
			if argv = bare(argv); len(argv) > 0 {
				found = append(found, command{argv, s.at})
			}
			argv = nil
		}
	}
	return found
}

// bare takes the prefixes off that systemd.service(5) allows before a command.
func bare(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	path := strings.TrimLeft(argv[0], "@-:+!|")
	renamed := strings.Contains(argv[0][:len(argv[0])-len(path)], "@")
	if path == "" {
		return nil
	}
	rest := argv[1:]
	if renamed && len(rest) > 0 {
		rest = rest[1:]
	}
	return append([]string{path}, rest...)
}

// expand replaces ${NAME}, and $NAME that stands alone and becomes several words.
func (u *Unit) expand(word string) []string {
	if name, ok := strings.CutPrefix(word, "$"); ok && u.env[name] != "" {
		return lint.Words(u.env[name])
	}
	for strings.Contains(word, "${") {
		before, rest, _ := strings.Cut(word, "${")
		name, after, closed := strings.Cut(rest, "}")
		if !closed || u.env[name] == "" {
			break
		}
		word = before + u.env[name] + after
	}
	return []string{word}
}

// environment reads Environment=, which holds assignments in quotes or without.
func (u *Unit) environment() map[string]string {
	env := map[string]string{}
	for _, s := range u.all("Service", "Environment") {
		for _, word := range lint.Words(s.value) {
			if k, v, ok := strings.Cut(word, "="); ok {
				env[k] = v
			}
		}
	}
	return env
}

// name is what is run, without its folder.
func (c command) name() string { return path.Base(c.argv[0]) }

// script is the text that a shell runs for it, or "".
func (c command) script() string {
	if !slices.Contains([]string{"sh", "bash", "dash"}, c.name()) {
		return ""
	}
	for i, arg := range c.argv[:len(c.argv)-1] {
		if strings.HasPrefix(arg, "-") && strings.HasSuffix(arg, "c") {
			return c.argv[i+1]
		}
	}
	return ""
}

// unwrapped is the command itself, taken out of a shell's script if it is all of it.
func (c command) unwrapped() command {
	script := c.script()
	if script == "" || strings.ContainsAny(script, ";&|\n") {
		return c
	}
	words := lint.Words(script)
	if len(words) > 0 && words[0] == "exec" {
		words = words[1:]
	}
	if len(words) == 0 {
		return c
	}
	return command{words, c.at}
}

// signal is what a kill, pkill or killall sends; "" if it is none of them.
func (c command) signal() string {
	c = c.unwrapped()
	if !slices.Contains([]string{"kill", "pkill", "killall", "skill"}, c.name()) {
		return ""
	}
	for i, arg := range c.argv[1:] {
		next := ""
		if i+2 < len(c.argv) {
			next = c.argv[i+2]
		}
		switch {
		case arg == "-s" || arg == "--signal" || arg == "-n":
			return lint.Signal(next)
		case strings.HasPrefix(arg, "--signal="):
			return lint.Signal(strings.TrimPrefix(arg, "--signal="))
		case strings.HasPrefix(arg, "-s") && c.name() != "kill" && len(arg) > 2:
			return lint.Signal(arg[2:])
		case len(arg) > 1 && arg[0] == '-' && isSignal(arg[1:]):
			return lint.Signal(arg[1:])
		}
	}
	return "TERM"
}

func isSignal(s string) bool {
	s = lint.Signal(s)
	return slices.Contains([]string{"HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "USR2", "TERM", "WINCH", "CONT", "STOP"}, s)
}

func (c command) String() string { return strings.Join(c.argv, " ") }

// has reports whether a word is among the arguments.
func (c command) has(words ...string) bool {
	return slices.ContainsFunc(c.argv[1:], func(arg string) bool { return slices.Contains(words, arg) })
}
