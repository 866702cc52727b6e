package config

import (
	"strings"

	"github.com/seguehq/segue/internal/deploy"
)

// environment joins env_file and env, of which env wins. port tells that the
// instances get a PORT.
func (s scope) environment(set *settings, port bool) deploy.Environment {
	env := deploy.Environment{}
	for i, name := range set.EnvFile {
		if name != "" {
			s.envFile(env, name, s.item("env_file", i), port)
		}
	}
	_, section := s.root.get("env")
	for name, value := range set.Env {
		if bad := reserved(name, port); bad != nil {
			key, _ := section.get(name)
			s.r.failAt(key.line, key.col, join(s.path, "env."+clip(name)), bad.what, bad.mend)
		}
		env[name] = value
	}
	return env
}

// envFile reads one file; item is where it is named, whose text stands for it
// in errors.
func (s scope) envFile(env deploy.Environment, name string, item *node, port bool) {
	data, err := readBounded(s.absolute(name), clip(item.text))
	if err != nil {
		s.r.failAt(item.line, item.col, join(s.path, "env_file"), err.Error(), "")
		return
	}
	fail := func(at int, key string, bad *flaw) {
		s.r.add(Error{File: clip(item.text), Line: at, Column: 1, Path: key, What: bad.what, Mend: bad.mend, order: [2]int{item.line, item.col}})
	}
	pairs, at, bad := parseEnvFile(data)
	if bad != nil {
		fail(at, "", bad)
		return
	}
	for _, p := range pairs {
		if bad := reserved(p.name, port); bad != nil {
			fail(p.line, p.name, bad)
		}
		env[p.name] = p.value
	}
}

// store is the name of a store that several services may share. A URL that env
// has says where it is, once for all.
func (s scope) store(name string, env deploy.Environment) string {
	if !s.has("store") {
		return ""
	}
	if !dnsLabel.MatchString(name) && !s.failed("store") {
		s.fail("store", "the name is no DNS label", "use up to 63 lower-case letters, digits and dashes; the URL of a Redis or PostgreSQL goes under env, as SEGUE_STORE")
	}
	if _, twice := env["SEGUE_STORE"]; twice {
		s.fail("store", "env says by SEGUE_STORE where the store is", "take one of the two out")
	}
	return name
}

// reserved refuses names that segue itself gives to every instance.
func reserved(name string, port bool) *flaw {
	switch {
	case name == "PORT" && port:
		return &flaw{"segue gives each instance a PORT of its own", "take it out; the addresses for requests go under listen"}
	case name == "NOTIFY_SOCKET":
		return &flaw{"segue sets this where probes.startup asks notify", "take it out"}
	case strings.HasPrefix(name, "SEGUE_") && name != "SEGUE_STORE" && name != "SEGUE_BROKER":
		return &flaw{"names that start with SEGUE_ are segue's, except SEGUE_STORE and SEGUE_BROKER", "use another name"}
	case name == "LISTEN_FDS" || name == "LISTEN_PID" || name == "LISTEN_FDNAMES":
		return &flaw{"segue sets this when it passes sockets on", "take it out"}
	}
	return nil
}
