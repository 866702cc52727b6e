package proxy

import (
	"net/http"
	"strings"
)

// Cookies of requests (RFC 6265 §4.2.1), read without believing that they are
// well formed. Looking for one takes no memory, whatever a client sends.

// cookies gives the values of the cookies of a name.
func cookies(h http.Header, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range h["Cookie"] {
			for rest, more := line, true; more; {
				var pair string
				pair, rest, more = strings.Cut(rest, ";")
				if k, v, _ := strings.Cut(strings.Trim(pair, " \t"), "="); k == name && !yield(v) {
					return
				}
			}
		}
	}
}

// takeCookie takes a cookie out of a request's header and gives its value, the
// first if there are several.
func takeCookie(h http.Header, name string) (value string) {
	found := false
	for value = range cookies(h, name) {
		found = true
		break
	}
	if !found {
		return ""
	}
	var lines []string
	for _, line := range h["Cookie"] {
		if left := withoutCookie(line, name); left != "" {
			lines = append(lines, left)
		}
	}
	if h["Cookie"] = lines; len(lines) == 0 {
		delete(h, "Cookie")
	}
	return value
}

// withoutCookie is a line without the cookies of a name.
func withoutCookie(line, name string) string {
	var b strings.Builder
	b.Grow(len(line))
	first := true
	for rest, more := line, true; more; {
		var pair string
		pair, rest, more = strings.Cut(rest, ";")
		pair = strings.Trim(pair, " \t")
		if k, _, _ := strings.Cut(pair, "="); k == name {
			continue
		}
		if !first {
			b.WriteString("; ")
		}
		b.WriteString(pair)
		first = false
	}
	return b.String()
}
