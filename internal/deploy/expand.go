package deploy

import "strings"

// Expand replaces $NAME and ${NAME} in a word of a command by the variable of
// the instance. A name that the instance does not have is left as it stands,
// and so is everything else with a dollar ($1, $$, $(, ${X:-y}): the word may be
// a script for a shell, which has variables of its own.
func Expand(word string, env Environment) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(word, '$')
		if i < 0 {
			b.WriteString(word)
			return b.String()
		}
		b.WriteString(word[:i])
		name, size := variable(word[i+1:])
		value, known := env[name]
		switch {
		case name != "" && known:
			b.WriteString(value)
		case strings.HasPrefix(word[i+1:], "$"): // $$ is one thing: the shell's pid
			size = 1
			fallthrough
		default:
			b.WriteString(word[i : i+1+size])
		}
		word = word[i+1+size:]
	}
}

// variable reads NAME or {NAME} at the start of s, and tells its length; ""
// when there is none.
func variable(s string) (name string, size int) {
	open := strings.HasPrefix(s, "{")
	rest := strings.TrimPrefix(s, "{")
	n := 0
	for n < len(rest) && nameByte(rest[n], n == 0) {
		n++
	}
	switch {
	case n == 0 || open && !strings.HasPrefix(rest[n:], "}"):
		return "", 0
	case open:
		return rest[:n], n + 2
	}
	return rest[:n], n
}

func nameByte(c byte, first bool) bool {
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (!first && c >= '0' && c <= '9')
}
