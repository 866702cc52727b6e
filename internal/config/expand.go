package config

import (
	"regexp"
	"strings"
)

// In YAML a plain value inside { } cannot hold braces, so env: {A: ${A}} would
// be a syntax error. While YAML is parsed, the characters of a variable that
// YAML would trip over are replaced, one for one so that columns stay right,
// by noncharacters of Unicode (which a file may therefore not hold).
const (
	maskFirst = '\ufdd0'
	maskLast  = '\ufdd6'
	masked    = "{}[],:#"
)

var variable = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[-?+=][^{}\n]*)?\}`)

func mask(text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		return strings.Map(func(r rune) rune {
			if i := strings.IndexRune(masked, r); i >= 0 {
				return maskFirst + rune(i)
			}
			return r
		}, v)
	})
}

func unmask(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= maskFirst && r <= maskLast {
			return rune(masked[r-maskFirst])
		}
		return r
	}, text)
}

// A flaw is why a value cannot be used, and the mend.
type flaw struct{ what, mend string }

// expand replaces ${NAME} and ${NAME:-default} in text, and $$ by a dollar. As
// in the shell, the default stands for a variable that is unset or empty. used
// tells whether the result depends on the environment, so that it may be a
// secret. A flaw never holds a value.
func expand(text string, lookup Lookup) (out string, used bool, bad *flaw) {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 {
			b.WriteString(text)
			return b.String(), used, nil
		}
		b.WriteString(text[:i])
		text = text[i+1:]
		switch {
		case strings.HasPrefix(text, "$"):
			b.WriteByte('$')
			text = text[1:]
		case strings.HasPrefix(text, "{"):
			value, rest, bad := braced(text[1:], lookup)
			if bad != nil {
				return "", false, bad
			}
			b.WriteString(value)
			text, used = rest, true
		case text != "" && isNameByte(text[0], true):
			return "", false, &flaw{"a dollar sign in front of a name", "write ${NAME} for the variable, $$ for a dollar sign"}
		default:
			b.WriteByte('$')
		}
	}
}

// braced reads a variable behind "${".
func braced(text string, lookup Lookup) (value, rest string, bad *flaw) {
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return "", "", &flaw{"${ without a closing }", "close it, or write $$ for a dollar sign"}
	}
	body, rest := text[:end], text[end+1:]
	name, fallback, hasDefault := strings.Cut(body, ":-")
	if strings.ContainsRune(fallback, '{') {
		return "", "", &flaw{"a variable inside the default of another", "use one variable, or an env_file"}
	}
	if !isName(name) {
		return "", "", &flaw{"${" + clip(leadingName(name)) + "…} is no variable that segue knows", "write ${NAME} or ${NAME:-default}, or $$ for a dollar sign"}
	}
	value, set := lookup(name)
	switch {
	case hasDefault && value == "":
		return fallback, rest, nil
	case !set:
		return "", "", &flaw{"the environment variable " + name + " is not set", "set it, or give it a default: ${" + name + ":-default}"}
	}
	return value, rest, nil
}

func isNameByte(c byte, first bool) bool {
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (!first && c >= '0' && c <= '9')
}

// isName tells whether s can be the name of an environment variable.
func isName(s string) bool { return s != "" && leadingName(s) == s }

func leadingName(s string) string {
	for i := range len(s) {
		if !isNameByte(s[i], i == 0) {
			return s[:i]
		}
	}
	return s
}
