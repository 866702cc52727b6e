package deploy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var states = []State{Starting, Ready, Serving, Draining, Stopping, Stopped, Failed}

// The table is written out, so that a move that is added by mistake shows.
func TestStateMoves(t *testing.T) {
	want := map[State]string{
		Starting: "ready stopping failed",
		Ready:    "serving stopping failed",
		Serving:  "draining stopping failed",
		Draining: "stopping failed",
		Stopping: "stopped failed",
		Stopped:  "",
		Failed:   "",
		"":       "",
		"other":  "",
	}
	for from, legal := range want {
		for _, to := range append(states, "", "other") {
			err := from.To(to)
			is := to != "" && strings.Contains(" "+legal+" ", " "+string(to)+" ")
			if is != (err == nil) {
				t.Errorf("%q to %q: %v", from, to, err)
			}
			if err != nil && !strings.Contains(err.Error(), string(from)) {
				t.Errorf("%q to %q: %v", from, to, err)
			}
		}
	}
}

// Whatever an instance goes through, it ends, and is live exactly until then.
func TestStateEnds(t *testing.T) {
	for _, s := range states {
		moves := 0
		for _, to := range states {
			if s.To(to) == nil {
				moves++
			}
		}
		if (moves > 0) != s.Live() {
			t.Errorf("%s: %d moves, live %v", s, moves, s.Live())
		}
		if s.Live() && s.To(Failed) != nil {
			t.Errorf("%s lives and may not fail", s)
		}
	}
	if State("").Live() {
		t.Error("no state at all is live")
	}
}

func TestPhaseMoves(t *testing.T) {
	phases := []Phase{Forward, Backward, Done, RolledBack, ""}
	legal := map[[2]Phase]bool{{Forward, Done}: true, {Forward, Backward}: true, {Backward, RolledBack}: true}
	for _, from := range phases {
		for _, to := range phases {
			if err := from.To(to); (err == nil) != legal[[2]Phase{from, to}] {
				t.Errorf("%q to %q: %v", from, to, err)
			}
		}
		if from.Ended() != (from == Done || from == RolledBack) {
			t.Errorf("%q ended: %v", from, from.Ended())
		}
	}
}

func digest(t *testing.T, tree string, s Service, env Environment, salt string) string {
	t.Helper()
	d, err := DigestOf(tree, s, env, []byte(salt))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDigest(t *testing.T) {
	s := Service{Name: "web", Command: []string{"run"}, Replicas: 3, Drain: Drain{Timeout: time.Second}}
	env := Environment{"A": "1", "B": "2"}
	same := digest(t, "tree", s, env, "salt")
	if len(same) != 64 || strings.ToLower(same) != same {
		t.Errorf("%q", same)
	}
	for range 20 { // maps have no order
		if again := digest(t, "tree", s, Environment{"B": "2", "A": "1"}, "salt"); again != same {
			t.Fatal("the same gives another digest")
		}
	}
	scaled := s
	scaled.Replicas = 5
	if digest(t, "tree", scaled, env, "salt") != same {
		t.Error("scaling makes another release")
	}
	if digest(t, "tree", s, nil, "salt") != digest(t, "tree", s, Environment{}, "salt") {
		t.Error("no environment and an empty one differ")
	}

	command, drain, probe := s, s, s
	command.Command = []string{"run", "-v"}
	drain.Drain.Timeout++
	probe.Probes.Readiness = &Probe{HTTP: "/health"}
	others := map[string]string{
		"the files":           digest(t, "other tree", s, env, "salt"),
		"the salt":            digest(t, "tree", s, env, "other"),
		"the command":         digest(t, "tree", command, env, "salt"),
		"a setting":           digest(t, "tree", drain, env, "salt"),
		"a probe":             digest(t, "tree", probe, env, "salt"),
		"a value":             digest(t, "tree", s, Environment{"A": "1", "B": "3"}, "salt"),
		"a name":              digest(t, "tree", s, Environment{"A": "1", "C": "2"}, "salt"),
		"a variable less":     digest(t, "tree", s, Environment{"A": "1"}, "salt"),
		"values swapped":      digest(t, "tree", s, Environment{"A": "2", "B": "1"}, "salt"),
		"a value that fakes":  digest(t, "tree", s, Environment{"A": "1\n1:B=1:2"}, "salt"),
		"a name that fakes":   digest(t, "tree", s, Environment{"A=1:1\n1:B": "2"}, "salt"),
		"an empty value":      digest(t, "tree", s, Environment{"A": "1", "B": ""}, "salt"),
		"nothing but the env": digest(t, "", Service{}, env, "salt"),
	}
	seen := map[string]string{same: "nothing"}
	for what, d := range others {
		if before, ok := seen[d]; ok {
			t.Errorf("another %s gives the digest of another %s", what, before)
		}
		seen[d] = what
	}
}

// By every verb that calls String, wherever it is held, an Environment prints no
// values. (%#v does not call it, nor does any verb in an unexported field.)
func TestEnvironmentHidesValues(t *testing.T) {
	env := Environment{"PASSWORD": "xyzzy", "USER": "plugh"}
	holder := struct {
		Name string
		Env  Environment
		Ptr  *Environment
	}{"web", env, &env}
	for _, v := range []any{env, &env, holder, &holder, []Environment{env}, map[string]Environment{"web": env}} {
		for _, verb := range []string{"%v", "%+v", "%s", "%q", "%x"} {
			if text := fmt.Sprintf(verb, v); leaks(text) {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
		if text := fmt.Sprintln(v); leaks(text) {
			t.Errorf("%s", text)
		}
	}
	if got := fmt.Sprintf("%v", env); got != "[PASSWORD USER]" {
		t.Error(got)
	}
	if text := fmt.Errorf("with %v", env).Error(); leaks(text) {
		t.Error(text)
	}
}

func leaks(text string) bool {
	for _, secret := range []string{"xyzzy", "plugh", fmt.Sprintf("%x", "xyzzy"), fmt.Sprintf("%x", "plugh")} {
		if strings.Contains(strings.ToLower(text), secret) {
			return true
		}
	}
	return false
}

// A Service goes to the journal and to whoever asks: it has names, no values.
func TestServiceHasNoValues(t *testing.T) {
	env := Environment{"PASSWORD": "xyzzy"}
	r := Release{Service: "web", Spec: Service{Name: "web", EnvNames: env.Names()}}
	text, err := json.Marshal(r)
	if err != nil || leaks(string(text)) || !strings.Contains(string(text), "PASSWORD") {
		t.Errorf("%s %v", text, err)
	}
	var back Release
	if err := json.Unmarshal(text, &back); err != nil || back.Spec.EnvNames[0] != "PASSWORD" {
		t.Errorf("%+v %v", back, err)
	}
}

func TestSmall(t *testing.T) {
	var none *Release
	web, worker := Service{Listen: []string{":80"}}, Service{}
	for got, want := range map[string]string{
		none.String():                                  "none",
		(&Release{Number: 7}).String():                 "release 7",
		(&Instance{Port: 80}).Addr():                   "127.0.0.1:80",
		(&Instance{}).Addr() + "-":                     "-",
		(&Probe{HTTP: "/health"}).What():               "http /health",
		(&Probe{TCP: true}).What():                     "tcp",
		(&Probe{Exec: []string{"pg", "ready"}}).What(): "exec pg ready",
		fmt.Sprint(web.Worker(), worker.Worker()):      "false true",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
