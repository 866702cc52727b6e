package migrate

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// URLStyle is how a schema is told to a program's database driver.
type URLStyle string

// The styles.
const (
	StyleOptions       URLStyle = "options"       // options=-c search_path=…: libpq and most that follow it
	StyleSearchPath    URLStyle = "search_path"   // search_path=…: pgx and lib/pq
	StyleCurrentSchema URLStyle = "currentSchema" // currentSchema=…: JDBC
	StyleNone          URLStyle = "none"          // the program reads SEGUE_SCHEMA
)

// URL gives the URL with which a release's instances find their schema first, and
// the base schema behind it; an empty schema changes nothing. An empty style is
// StyleOptions. Errors do not show the URL.
func URL(raw, schema, base string, style URLStyle) (string, error) {
	if schema == "" || style == StyleNone {
		return raw, nil
	}
	path := identifier(schema) + "," + identifier(base)
	scheme, rest, ok := strings.Cut(raw, "://")
	if kind := strings.TrimPrefix(scheme, "jdbc:"); !ok || !strings.HasPrefix(kind, "postgres") && !strings.HasPrefix(kind, "postgis") {
		return "", errors.New("it is not a URL of PostgreSQL (postgres://…), which migrations of operations need; " +
			"set migrate.style to none if the program reads SEGUE_SCHEMA")
	}
	front, query, _ := strings.Cut(rest, "?")
	var name, value string
	switch style {
	case StyleOptions, "":
		// A space within one option is escaped with a backslash; there is none in ours
		// but in a name that has one.
		name, value = "options", "-c search_path="+strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(path)
	case StyleSearchPath, StyleCurrentSchema:
		name, value = string(style), path
	default:
		return "", fmt.Errorf("no such style %q: it is options, search_path, currentSchema or none", style)
	}
	return scheme + "://" + front + "?" + replace(query, name, value), nil
}

// replace sets a parameter, and leaves the others as they are written. Options that
// were there stay in front of ours.
func replace(query, name, value string) string {
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		key, was, _ := strings.Cut(pair, "=")
		switch {
		case pair == "":
		case key != name:
			kept = append(kept, pair)
		case name == "options":
			if was, err := url.PathUnescape(was); err == nil {
				value = strings.TrimSpace(ownPath.ReplaceAllString(was, "")+" ") + " " + value
			}
		}
	}
	// libpq takes a plus sign for itself.
	return strings.Join(append(kept, name+"="+strings.ReplaceAll(url.QueryEscape(strings.TrimSpace(value)), "+", "%20")), "&")
}

// ownPath is a search_path among options.
var ownPath = regexp.MustCompile(`-c\s*search_path=(?:\\.|\S)*\s*`)

var plainIdentifier = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// identifier quotes a name that SQL would not take as it is.
func identifier(name string) string {
	if plainIdentifier.MatchString(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
