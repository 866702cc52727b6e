package compose

import "strings"

// interpolate replaces variables by their defaults, ${NAME:-default}, as compose
// does when they are not set. One without a default stays, as ${NAME}.
func interpolate(s string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		out.WriteString(before)
		switch {
		case !found:
			return out.String()
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			s = rest[1:]
		case strings.HasPrefix(rest, "{"):
			inner, after, ok := braces(rest[1:])
			if !ok {
				out.WriteString("$" + rest)
				return out.String()
			}
			out.WriteString(variable(inner))
			s = after
		default:
			name := rest[:nameLength(rest)]
			if name == "" {
				out.WriteByte('$')
			} else {
				out.WriteString("${" + name + "}")
			}
			s = rest[len(name):]
		}
	}
}

// braces cuts at the brace that closes; there may be variables within.
func braces(s string) (inner, after string, ok bool) {
	depth := 1
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return s[:i], s[i+1:], true
			}
		}
	}
	return "", "", false
}

// variable is the value of what stands between braces, as far as it is known.
func variable(inner string) string {
	name := inner[:nameLength(inner)]
	word := strings.TrimPrefix(inner[len(name):], ":")
	if value, ok := strings.CutPrefix(word, "-"); ok {
		return interpolate(value)
	}
	if strings.HasPrefix(word, "+") {
		return ""
	}
	return "${" + name + "}"
}

func nameLength(s string) int {
	i := 0
	for i < len(s) && (s[i] == '_' || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z' || i > 0 && s[i] >= '0' && s[i] <= '9') {
		i++
	}
	return i
}
