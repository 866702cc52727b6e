package lint

import (
	"slices"
	"strings"
)

// shell finds the last command of `sh -c SCRIPT`, and whether the shell stays
// while it runs: unless it is told to exec, Debian's sh (dash) does; bash and
// busybox's ash do not if what comes last is one plain command. Of a script in a
// file nothing is known.
func (r *Running) shell(name string, args []string) []string {
	script, ok := scriptOf(args)
	if !ok {
		return nil
	}
	last, plain := lastCommand(script)
	words := Words(last)
	for len(words) > 0 && strings.Contains(words[0], "=") && !strings.HasPrefix(words[0], "/") {
		words = words[1:]
	}
	if len(words) > 0 && words[0] == "exec" {
		return words[1:]
	}
	if !plain || !r.execsLast(name) {
		r.Shell = name
	}
	return words
}

// execsLast reports whether a shell puts its last command in its own place.
func (r *Running) execsLast(shell string) bool {
	for _, image := range notDash {
		if strings.Contains(r.image, image) {
			return true
		}
	}
	return slices.Contains([]string{"bash", "ash", "zsh"}, shell)
}

// notDash are images whose sh is busybox's or bash.
var notDash = [...]string{
	"alpine", "busybox", "wolfi", "chainguard", "fedora", "centos", "rockylinux", "almalinux", "oraclelinux", "amazonlinux", "amazoncorretto", "ubi8", "ubi9", "opensuse",
}

// scriptOf is the argument of -c, which may be one of several letters.
func scriptOf(args []string) (string, bool) {
	for i := 0; i < len(args) && (strings.HasPrefix(args[i], "-") || strings.HasPrefix(args[i], "+")); i++ {
		flag := args[i]
		switch {
		case strings.HasPrefix(flag, "--"):
		case flag[0] == '-' && strings.Contains(flag, "c") && i+1 < len(args):
			if strings.HasSuffix(flag, "o") && i+2 < len(args) { // -euo pipefail
				i++
			}
			return args[i+1], true
		case strings.HasSuffix(flag, "o"):
			i++
		}
	}
	return "", false
}

// lastCommand is what a script runs last, and whether it is one command that a
// shell can put in its own place: no pipe, no redirection, nothing behind it.
func lastCommand(script string) (command string, plain bool) {
	plain = true
	start, quote := 0, byte(0)
	script = strings.TrimRight(script, " \t\r\n;")
	for i := 0; i < len(script); i++ {
		c := script[i]
		switch {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '\n' && strings.TrimSpace(script[start:i]) == "":
			start = i + 1
		case c == ';' || c == '\n':
			start, plain = i+1, true
		case c == '|' && i > 0 && script[i-1] == '>':
		case c == '&' && i > 0 && (script[i-1] == '>' || script[i-1] == '<'):
		case (c == '&' || c == '|') && i+1 < len(script) && script[i+1] == c:
			i++
			start, plain = i+1, true
		case c == '&' && i+1 < len(script) && script[i+1] == '>', c == '>', c == '<':
			plain = false
		case c == '|':
			plain = false
		case c == '&':
			start, plain = i+1, false
		}
	}
	last := strings.TrimSpace(script[start:])
	if before, _, piped := strings.Cut(last, "|"); piped && !plain {
		last = before
	}
	return strings.Trim(last, " \t(){}"), plain
}

// Words splits a command line as a shell does, without expanding anything. A
// quote that is not closed goes on to the end.
func Words(line string) []string {
	var words []string
	var word strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			if line[i] != '\n' {
				word.WriteByte(line[i])
				in = true
			}
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteByte(c)
			}
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}
