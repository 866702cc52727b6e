package config

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// A pair is one variable of an env_file.
type pair struct {
	name, value string
	line        int
}

// parseEnvFile reads KEY=VALUE lines. Empty lines and lines that start with #
// are skipped, "export " in front is allowed. A bare value is trimmed and ends
// at " #"; in single quotes everything is literal, in double quotes \n, \r, \t,
// \\, \" and \$ are escapes; quoted values may run over several lines. No
// variable is replaced. A flaw comes with its line, and never with text of the
// file, which is full of secrets.
func parseEnvFile(data []byte) (pairs []pair, line int, bad *flaw) {
	switch {
	case len(data) > maxBytes:
		return nil, 1, &flaw{"the file is too large for environment variables", "is this the right file?"}
	case !utf8.Valid(data), bytes.IndexByte(data, 0) >= 0:
		return nil, 1, &flaw{"this is not UTF-8 text", "save the file as UTF-8"}
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), byteOrderMark), "\r\n", "\n")
	first := map[string]bool{}
	for line = 1; text != ""; {
		head, rest, _ := strings.Cut(text, "\n")
		trimmed := strings.TrimSpace(head)
		if trimmed == "" || trimmed[0] == '#' {
			text, line = rest, line+1
			continue
		}
		p, rest, bad := parsePair(text)
		if bad != nil {
			return nil, line, bad
		}
		if first[p.name] {
			return nil, line, &flaw{p.name + " stands here twice", "keep one of them"}
		}
		first[p.name] = true
		p.line = line
		pairs = append(pairs, p)
		line += strings.Count(text[:len(text)-len(rest)], "\n")
		text = rest
	}
	return pairs, 0, nil
}

// parsePair reads one variable from the start of text, and returns what
// follows its last line.
func parsePair(text string) (p pair, rest string, bad *flaw) {
	head, below, _ := strings.Cut(text, "\n")
	name, _, ok := strings.Cut(head, "=")
	name = strings.TrimSpace(name)
	if word, after, has := strings.Cut(name, " "); has && word == "export" {
		name = strings.TrimSpace(after)
	}
	if !ok || !isName(name) {
		return p, "", &flaw{"this line is not NAME=VALUE", "names have letters, digits and _; a comment starts with #"}
	}
	p.name = name
	value := text[strings.IndexByte(text, '=')+1:]
	value = strings.TrimLeft(value, " \t")
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		p.value, rest, bad = quoted(value)
		return p, rest, bad
	}
	value, _, _ = strings.Cut(value, "\n")
	if i := strings.Index(" "+value, " #"); i >= 0 {
		value = value[:max(i-1, 0)]
	}
	p.value = strings.TrimSpace(value)
	return p, below, nil
}

// quoted reads a quoted value and checks that nothing but a comment follows.
func quoted(text string) (value, rest string, bad *flaw) {
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			tail, rest, _ := strings.Cut(text[i+1:], "\n")
			if tail = strings.TrimSpace(tail); tail != "" && tail[0] != '#' {
				return "", "", &flaw{"something follows the closing quote", "put quotes around the whole value"}
			}
			return b.String(), rest, nil
		case c == '\\' && quote == '"' && i+1 < len(text):
			i++
			b.WriteString(unescape(text[i]))
		default:
			b.WriteByte(c)
		}
	}
	return "", "", &flaw{"the quote that opens here is never closed", "close it"}
}

func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '\\', '"', '$':
		return string(c)
	}
	return "\\" + string(c) // not an escape: both characters stand
}
