package process

import (
	"slices"
	"strconv"
	"strings"

	"github.com/seguehq/segue/internal/deploy"
)

// Environ is an instance's environment, sorted: of base (the agent's own) only
// what every program may expect (PATH, HOME, locale, time zone …), then the
// service's variables, then PORT unless it is 0, SEGUE_SERVICE, SEGUE_RELEASE
// and SEGUE_INSTANCE. What comes later wins. (The gate adds SEGUE_LEADER, by
// which the children of an instance are found, and LISTEN_* with Sockets.)
func Environ(base []string, vars deploy.Environment, port int, service, release, instance string) []string {
	env := make(map[string]string)
	for _, kv := range base {
		if k, v, ok := strings.Cut(kv, "="); ok && inherited(k) {
			env[k] = v
		}
	}
	for k, v := range vars {
		env[k] = v
	}
	if port != 0 {
		env["PORT"] = strconv.Itoa(port)
	}
	env["SEGUE_SERVICE"], env["SEGUE_RELEASE"], env["SEGUE_INSTANCE"] = service, release, instance
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

func inherited(name string) bool {
	switch name {
	case "PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "LOGNAME", "SHELL":
		return true
	}
	return strings.HasPrefix(name, "LC_")
}

// Expand replaces $NAME and ${NAME} in each argument by the variable of env
// (KEY=VALUE) and $$ by $. What env does not have stays as it is, so that the
// variables of `sh -c '…'` reach the shell. An expanded value stays one
// argument.
func Expand(argv, env []string) []string {
	vars := make(map[string]string, len(env))
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		vars[k] = v
	}
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = expand(a, vars)
	}
	return out
}

func expand(s string, vars map[string]string) string {
	var b strings.Builder
	for {
		head, rest, found := strings.Cut(s, "$")
		b.WriteString(head)
		if !found {
			return b.String()
		}
		if after, ok := strings.CutPrefix(rest, "$"); ok {
			b.WriteByte('$')
			s = after
			continue
		}
		name, length := reference(rest)
		if v, ok := vars[name]; ok && name != "" {
			b.WriteString(v)
		} else {
			b.WriteString("$" + rest[:length])
		}
		s = rest[length:]
	}
}

// reference reads the name after a "$", and how many bytes it takes there.
func reference(s string) (name string, length int) {
	if after, ok := strings.CutPrefix(s, "{"); ok {
		name, _, ok = strings.Cut(after, "}")
		if !ok || nameLength(name) != len(name) {
			return "", 0
		}
		return name, len(name) + 2
	}
	n := nameLength(s)
	return s[:n], n
}

func nameLength(s string) int {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(s)
}

// setenv returns env with the KEY=VALUE pairs set.
func setenv(env []string, pairs ...string) []string {
	out := make([]string, 0, len(env)+len(pairs))
	for _, kv := range env {
		if !slices.ContainsFunc(pairs, func(p string) bool { return key(p) == key(kv) }) {
			out = append(out, kv)
		}
	}
	return append(out, pairs...)
}

// key is the name of a KEY=VALUE pair.
func key(kv string) string {
	k, _, _ := strings.Cut(kv, "=")
	return k
}

// getenv looks a variable up; of several with one name the last counts.
func getenv(env []string, name string) string {
	for _, kv := range slices.Backward(env) {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return ""
}
