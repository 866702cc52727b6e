package drill

import (
	"net/url"
	"regexp"
	"strings"
)

const redacted = "…"

var secretName = regexp.MustCompile(`(?i)pass|pwd|secret|token|key|auth|sign?ature|\bsig\b|credential|session|cookie|code|jwt`)

func isSecretHeader(name string) bool { return secretName.MatchString(name) }

// redactURL returns s without user information and fragment, and with the
// values of query parameters whose names sound like secrets replaced. What
// cannot be parsed is not told at all.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" {
		return redacted
	}
	user := u.User != nil
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	u.RawQuery = redactQuery(u.RawQuery)
	out := u.String()
	if user {
		out = strings.Replace(out, "//", "//"+redacted+"@", 1)
	}
	return out
}

func redactQuery(raw string) string {
	if raw == "" {
		return ""
	}
	parts := strings.FieldsFunc(raw, func(r rune) bool { return r == '&' || r == ';' })
	for i, part := range parts {
		name, _, has := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if has && (err != nil || secretName.MatchString(plain)) {
			parts[i] = name + "=" + redacted
		}
	}
	return strings.Join(parts, "&")
}

// clean makes a server's words fit to be shown: one line, printable, at most
// max bytes.
func clean(s string, max int) string {
	cut := len(s) > max
	if cut {
		s = s[:max]
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if cut {
		s += "…"
	}
	return s
}
