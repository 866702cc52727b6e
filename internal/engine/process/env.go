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

// expand replaces the instance's variables in each argument, see
// deploy.Expand. An expanded value stays one argument.
func expand(argv, env []string) []string {
	vars := make(deploy.Environment, len(env))
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		vars[k] = v
	}
	out := make([]string, len(argv))
	for i, a := range argv {
		out[i] = deploy.Expand(a, vars)
	}
	return out
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
