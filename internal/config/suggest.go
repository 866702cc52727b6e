package config

import (
	"reflect"
	"slices"
	"strings"
)

// places knows which keys are legal where, so that an unknown key can be
// answered with the one that was meant.
type places struct {
	byKey    map[string][]string // key to the paths where it is legal, from the service down
	sections map[reflect.Type]section
}

// A section is what reflect tells of a struct of the format; asking it anew for
// each of a thousand services would take longer than reading the file.
type section struct {
	fields []reflect.StructField
	byKey  map[string]reflect.StructField
}

func (p *places) section(t reflect.Type) section {
	s, known := p.sections[t]
	if !known {
		s = section{fields: fieldsOf(t), byKey: map[string]reflect.StructField{}}
		for _, f := range s.fields {
			s.byKey[keyOf(f)] = f
		}
		p.sections[t] = s
	}
	return s
}

func (p *places) field(t reflect.Type, key string) (reflect.StructField, bool) {
	f, ok := p.section(t).byKey[key]
	return f, ok
}

func newPlaces() *places {
	p := &places{byKey: map[string][]string{}, sections: map[reflect.Type]section{}}
	p.walk(reflect.TypeFor[document](), "")
	return p
}

func (p *places) walk(t reflect.Type, path string) {
	for _, f := range fieldsOf(t) {
		key := keyOf(f)
		if key == "services" {
			continue
		}
		p.byKey[key] = append(p.byKey[key], join(path, key))
		if section := sectionOf(f.Type); section != nil {
			p.walk(section, join(path, key))
		}
	}
}

// sectionOf finds the struct behind a field, or nil for a leaf.
func sectionOf(t reflect.Type) reflect.Type {
	if leafIn(t) != nil {
		return nil
	}
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t
}

func legalKeys(t reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(t) {
		keys = append(keys, keyOf(f))
	}
	return keys
}

func (p *places) keysOf(t reflect.Type) string {
	return "its keys are " + strings.Join(legalKeys(t), ", ")
}

// unknown answers a key that is not legal in the section t.
func (p *places) unknown(t reflect.Type, key string) (what, mend string) {
	legal := legalKeys(t)
	plain := snake(key)
	if slices.Contains(legal, plain) {
		return "unknown key", "did you mean " + plain + "?"
	}
	if mend := foreign(plain); mend != "" {
		return "unknown key", mend
	}
	if plain == "service" {
		return "this key does not belong here", "the name is the key above: services.NAME"
	}
	near, paths := nearest(plain, legal), p.byKey[plain]
	// What is right elsewhere is two slips away from what is right here only by chance.
	if len(paths) > 0 && (near == "" || distance(plain, near, 2) > 1) {
		return "this key does not belong here", p.homes(paths)
	}
	if near != "" {
		return "unknown key", "did you mean " + near + "?"
	}
	return "unknown key", p.keysOf(t)
}

// homes tells where a key belongs.
func (p *places) homes(paths []string) string {
	path := paths[0]
	cut := strings.LastIndexByte(path, '.')
	switch {
	case len(paths) > 1:
		last := len(paths) - 1
		return "it goes elsewhere: " + strings.Join(paths[:last], ", ") + " or " + paths[last]
	case path == "metrics" || path == "access_log":
		return "it goes to the top of the file"
	case cut < 0:
		return "it goes to the service itself, as " + path
	}
	return "it goes under " + path[:cut] + ", as " + path
}

// snake writes a key as this format does: envFile and env-file are env_file.
func snake(key string) string {
	var b strings.Builder
	for i, r := range key {
		switch {
		case r == '-':
			b.WriteByte('_')
		case r >= 'A' && r <= 'Z':
			if i > 0 && key[i-1] >= 'a' && key[i-1] <= 'z' {
				b.WriteByte('_')
			}
			b.WriteRune(r + 'a' - 'A')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// foreign answers keys that other tools' files have.
func foreign(key string) string {
	switch key {
	case "port", "ports", "expose", "bind", "address", "addr":
		return "the addresses for requests go under listen; instances get their own port in $PORT"
	case "image", "container", "dockerfile":
		return "segue runs programs, not images: say what to run in release.command"
	case "healthcheck", "health_check", "health", "livenessprobe", "readinessprobe", "startupprobe",
		"liveness_probe", "readiness_probe", "startup_probe", "check", "checks":
		return "health is asked under probes: startup, readiness and liveness"
	case "cmd", "run", "start", "entrypoint", "exec_start", "args", "script":
		return "what to run is release.command"
	case "environment", "vars", "variables":
		return "did you mean env?"
	case "dotenv", "environment_file", "envfile":
		return "did you mean env_file?"
	case "instances", "scale", "workers", "processes", "copies", "concurrency":
		return "did you mean replicas?"
	case "domain", "domains", "host_name", "hostname", "hosts", "ingress", "rules":
		return "requests are chosen under routes: [{host: …, path: …}]"
	case "cwd", "workdir", "working_dir", "working_directory", "workingdir", "context", "directory", "root":
		return "the source folder is release.dir"
	case "interval", "period", "periodseconds", "period_seconds":
		return "the time between questions is every"
	case "retries", "failurethreshold", "failure_threshold", "unhealthy_threshold":
		return "so many no in a row: failures"
	case "successthreshold", "success_threshold", "healthy_threshold":
		return "so many yes in a row: successes"
	case "initialdelayseconds", "initial_delay_seconds", "initial_delay", "start_period":
		return "a startup probe waits as long as the start takes: probes.startup"
	case "rate_limit", "ratelimit", "limit_req", "throttle":
		return "requests are limited under proxy.rate"
	case "error_page", "error_pages", "errorfile":
		return "the proxy's own answers look as proxy.pages says"
	case "affinity", "session_affinity", "sticky_sessions", "stickiness":
		return "clients are kept with their instance by proxy.sticky"
	case "shadow", "traffic_mirror", "mirroring":
		return "requests are copied to another service by proxy.mirror"
	case "outlier_detection", "circuit_breaker", "max_fails":
		return "instances that keep failing are put aside by proxy.outlier"
	case "grpc":
		return "grpc health is not built yet: use http, tcp or exec"
	case "max_surge", "maxsurge":
		return "did you mean surge?"
	case "max_unavailable", "maxunavailable":
		return "did you mean unavailable?"
	case "min_ready_seconds", "minreadyseconds":
		return "did you mean min_ready?"
	case "stop_signal", "stopsignal", "kill_signal":
		return "the signal is stop.signal"
	case "grace_period", "stop_grace_period", "terminationgraceperiodseconds", "kill_timeout":
		return "the time to end is stop.timeout, the time to finish requests drain.timeout"
	case "resources", "mem_limit", "memory_limit", "cpus":
		return "memory and cpu go under limits"
	case "depends_on", "volumes", "networks", "restart", "deploy", "version":
		return "segue has nothing of that kind; take it out"
	}
	return ""
}

// nearest finds the word that key is a likely slip of, or "".
func nearest(key string, words []string) string {
	best, least := "", 3
	for _, w := range words {
		// Short words are near to everything: one slip in three letters.
		if d := distance(key, w, least); d < least && d*3 <= max(len(w), len(key)) {
			best, least = w, d
		}
	}
	return best
}

// distance counts the letters inserted, dropped, changed or swapped with their
// neighbour between a and b (optimal string alignment), up to limit.
func distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff >= limit || -diff >= limit {
		return limit
	}
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return old[len(b)]
}
