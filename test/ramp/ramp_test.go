// Package ramp_test holds what the agent does with flags to its promises: a deploy
// brings them in before anybody asks for them, programs and pages are answered by
// the proxy whoever is dead, and a ramp goes up by itself, outlives its agent, and
// stops when the service fails.
package ramp_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/test/harness"
)

const flagsFile = `{"flags": {
  "bad": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off", "metadata": {"public": true}},
  "secret": {"state": "ENABLED", "variants": {"a": "A", "b": "B"}, "defaultVariant": "a"}
}}`

// client leaves no connection behind, which a proxy that ends would wait for.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// A world is a service with flags, and where they are asked for.
type world struct {
	*harness.World
	ofrep string
	agent *harness.Agent
}

func newWorld(t *testing.T) *world {
	w := &world{World: harness.New(t)}
	w.Copy(harness.Build(t, "ramp-service", "./test/ramp/service"), "bin/shop")
	w.ofrep = fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	w.Write("flags.json", flagsFile)
	w.file("1")
	w.agent = w.Agent()
	w.Must(0, "deploy")
	return w
}

// file writes a segue.yaml, of another release for each version.
func (w *world) file(version string) {
	w.Write("segue.yaml", fmt.Sprintf(`ofrep: %s
services:
  shop:
    listen: 127.0.0.1:%d
    release: { files: [bin], command: bin/shop }
    flags: flags.json
    env: { VERSION: "%s" }
    replicas: 2
    probes: { startup: { http: /health, every: 50ms, failures: 1200 }, readiness: { http: /health } }
`, w.ofrep, w.Port, version))
}

// flag asks for a flag as OFREP says, where base is.
func (w *world) flag(base, key, user string) (status int, variant string) {
	w.T.Helper()
	res, err := client.Post(base+"/ofrep/v1/evaluate/flags/"+key, "application/json",
		strings.NewReader(fmt.Sprintf(`{"context": {"targetingKey": %q}}`, user)))
	if err != nil {
		w.T.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.T.Fatal(err)
	}
	var out struct {
		Variant string `json:"variant"`
	}
	_ = json.Unmarshal(body, &out) // of another shape when it is refused
	return res.StatusCode, out.Variant
}

func (w *world) endpoint() string { return "http://" + w.ofrep + "/shop" }

// known waits until a flag has a variant for a user, on the address for programs.
func (w *world) known(key, user, variant string) {
	w.T.Helper()
	w.Until(fmt.Sprintf("%s is %s for %s", key, variant, user), func() bool {
		status, got := w.flag(w.endpoint(), key, user)
		return status == 200 && got == variant
	})
}

func (w *world) ramp() *featureflag.Ramp {
	w.T.Helper()
	var list struct {
		Flags []featureflag.Flag `json:"flags"`
	}
	if err := json.Unmarshal([]byte(w.Must(0, "flag", "ls", "--json").Out), &list); err != nil {
		w.T.Fatal(err)
	}
	for _, f := range list.Flags {
		if f.Key == "bad" {
			return f.Ramp
		}
	}
	return nil
}

// Deployed flags are there for the service, for programs of any language and, those
// that are public, for pages; what happens to agent and proxy is nothing to them.
func TestFlagsOfADeploy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if got := w.Get("/endpoint"); got != w.endpoint() {
		t.Errorf("instances are told of %q, not %q", got, w.endpoint())
	}
	w.known("bad", "ann", "off")
	w.known("secret", "ann", "a")
	if status, _ := w.flag(w.URL()+"/.segue", "bad", "ann"); status != 200 {
		t.Error("a public flag, of a page:", status)
	}
	if status, _ := w.flag(w.URL()+"/.segue", "secret", "ann"); status != 404 {
		t.Error("one that is not public, of a page:", status)
	}
	w.Must(0, "flag", "set", "secret", "b", "--why", "a try")
	w.known("secret", "ann", "b")

	// A file that says the same leaves what was set; one that says something else is
	// brought in, and replaces no instance.
	w.Must(0, "deploy")
	w.known("secret", "ann", "b")
	w.Write("flags.json", strings.Replace(flagsFile, `"defaultVariant": "off"`, `"defaultVariant": "on"`, 1))
	if out := w.Must(0, "deploy").Out; !strings.Contains(out, "bad") || !strings.Contains(out, "nothing to do") {
		t.Errorf("a deploy of other flags alone says:\n%s", out)
	}
	w.known("bad", "ann", "on")
	w.known("secret", "ann", "b")

	w.agent.Kill()
	if status, variant := w.flag(w.endpoint(), "secret", "ann"); status != 200 || variant != "b" {
		t.Error("without an agent:", status, variant)
	}
	w.Must(0, "flag", "kill", "bad", "--why", "it breaks") // needs no agent
	w.agent = w.Agent()
	w.known("bad", "ann", "off")
	w.Must(0, "upgrade")
	if status, variant := w.flag(w.endpoint(), "secret", "ann"); status != 200 || variant != "b" {
		t.Error("with a new proxy:", status, variant)
	}
}

// A ramp of what makes requests fail stops before it is done, and errors end.
func TestARampStopsByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	user := 0
	next := func() int { // answers, of a user who is another each time
		user++
		res, err := client.Get(fmt.Sprintf("%s/?user=%d", w.URL(), user))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for range 50 {
		if got := next(); got != 200 {
			t.Fatal(got)
		}
	}
	w.Must(0, "flag", "ramp", "bad", "100%", "--over", "2m", "--max-errors", "1%", "--back", "--why", "try it")
	w.Until("the ramp stops by itself", func() bool {
		next()
		return user%50 == 0 && w.ramp().State == featureflag.RampStopped
	})
	r := w.ramp()
	if r.Percent != r.From || !strings.Contains(r.Note, "errors: ") {
		t.Errorf("it is at %v %%: %s", r.Percent, r.Note)
	}
	t.Log(r.Note)
	w.Until("no request fails any more", func() bool {
		for range 50 {
			if next() != 200 {
				return false
			}
		}
		return true
	})
	if out := w.Must(0, "history").Out; !strings.Contains(out, "stopped") || !strings.Contains(out, "errors: ") {
		t.Errorf("the history says:\n%s", out)
	}
}

// A ramp stands still while there is no agent, and goes on from where it was with
// the next. Whoever has its variant keeps it.
func TestARampOutlivesItsAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Must(0, "flag", "ramp", "bad", "100%", "--over", "5m", "--no-guard")
	w.Until("the ramp is under way", func() bool { return w.ramp().Percent > 1 })
	w.agent.Kill()
	at := w.ramp()
	had := w.someoneWith("on")
	w.agent = w.Agent()
	w.Until("the ramp goes on", func() bool { return w.ramp().Percent > at.Percent })
	if r := w.ramp(); r.State != featureflag.RampRunning || !r.At.Equal(at.At) {
		t.Errorf("another ramp runs: %+v, was %+v", r, at)
	}
	w.known("bad", had, "on")
	w.Must(0, "flag", "ramp", "bad", "100%")
	w.known("bad", had, "on")
	w.known("bad", "anybody", "on")
	if r := w.ramp(); r.State != featureflag.RampDone || r.Percent != 100 {
		t.Errorf("it ended as %+v", r)
	}
}

// someoneWith finds a user who has a variant of the flag that is ramped.
func (w *world) someoneWith(variant string) (user string) {
	w.T.Helper()
	for n := range 3000 {
		user = fmt.Sprint("user ", n)
		if _, got := w.flag(w.endpoint(), "bad", user); got == variant {
			return user
		}
	}
	w.T.Fatal("nobody has ", variant)
	return ""
}
