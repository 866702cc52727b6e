package config

import (
	"slices"
	"strings"
	"unicode"
)

// A splitter cuts a command line into words by the quoting rules of the POSIX
// shell (IEEE 1003.1, 2.2), without any of the shell's abilities.
type splitter struct {
	words []string
	word  strings.Builder
	open  bool // a word has begun, perhaps an empty quoted one
}

// splitCommand cuts a command line into argv. Variables stay as they are. What
// only a shell could do is refused, for it would reach the program as text.
func splitCommand(line string) ([]string, *flaw) {
	line = strings.TrimSpace(line)
	runes := []rune(line)
	var s splitter
	for i := 0; i < len(runes); {
		used, bad := s.take(runes[i:])
		if bad != nil {
			return nil, bad
		}
		i += used
	}
	s.end()
	return s.words, checkCommand(s.words, line)
}

// take reads one character or one quoted part, and tells its length.
func (s *splitter) take(rest []rune) (int, *flaw) {
	switch r := rest[0]; {
	case r == '\n':
		return 0, needsShell("a line break")
	case unicode.IsSpace(r):
		s.end()
		return 1, nil
	case r == '\'':
		return s.single(rest)
	case r == '"':
		return s.double(rest)
	case r == '\\':
		if len(rest) == 1 {
			return 0, &flaw{"a backslash with nothing behind it", "write \\\\ for a backslash"}
		}
		if rest[1] != '\n' { // a continued line
			s.add(rest[1])
		}
		return 2, nil
	case strings.ContainsRune("|&;<>`", r):
		return 0, needsShell(string(r))
	case r == '$' && len(rest) > 1 && rest[1] == '(':
		return 0, needsShell("$(")
	case r == 0:
		return 0, &flaw{"a NUL character", "take it out"}
	default:
		s.add(r)
		return 1, nil
	}
}

func (s *splitter) single(rest []rune) (int, *flaw) {
	end := slices.Index(rest[1:], '\'')
	if end < 0 {
		return 0, &flaw{"a ' without its partner", "close it, or write \\' for the character itself"}
	}
	s.add(rest[1 : 1+end]...)
	return end + 2, nil
}

func (s *splitter) double(rest []rune) (int, *flaw) {
	s.open = true
	for i := 1; i < len(rest); i++ {
		switch r := rest[i]; {
		case r == '"':
			return i + 1, nil
		case r == '`':
			return 0, needsShell("`")
		case r == '$' && i+1 < len(rest) && rest[i+1] == '(':
			return 0, needsShell("$(")
		case r == '\\' && i+1 < len(rest) && strings.ContainsRune("$`\"\\\n", rest[i+1]):
			if i++; rest[i] != '\n' {
				s.add(rest[i])
			}
		default:
			s.add(r)
		}
	}
	return 0, &flaw{"a \" without its partner", "close it, or write \\\" for the character itself"}
}

func (s *splitter) add(runes ...rune) {
	s.open = true
	for _, r := range runes {
		s.word.WriteRune(r)
	}
}

func (s *splitter) end() {
	if s.open {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.open = false
}

// checkCommand refuses first words that only a shell understands.
func checkCommand(words []string, line string) *flaw {
	if len(words) == 0 || words[0] == "" {
		return &flaw{"the command is empty", "write the program and its arguments"}
	}
	first := words[0]
	if name, _, ok := strings.Cut(first, "="); ok && isName(name) {
		return &flaw{"a variable is set in front of the command, which only a shell does", "put " + name + " under env"}
	}
	switch first {
	case "exec":
		return &flaw{"exec belongs to the shell, and no shell is run", "leave exec off"}
	case "cd", "export", "source", ".", "ulimit", "umask", "set", "if", "for", "while":
		return needsShell(first)
	}
	if strings.ContainsRune(line, 0) {
		return &flaw{"a NUL character", "take it out"}
	}
	return nil
}

func needsShell(what string) *flaw {
	return &flaw{what + " needs a shell, and no shell is run", `write the command as a list: [sh, -c, "exec ..."]`}
}
