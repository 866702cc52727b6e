// Package flags turns a flag up, off and on again under a drill, in a service in Go,
// one in Node and a page in a browser: everybody keeps what he has got, all agree, and
// what agent and instances go through is not seen.
package flags_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const people = 24

// A stage is two services that share their flags, and a page.
type stage struct {
	*harness.World
	t            *testing.T
	users        []string
	node         string // folder
	nodePort     int
	nodeURL      string
	ofrep        int // port
	inGo, inNode *observer
}

func newStage(t *testing.T) *stage {
	s := &stage{World: harness.New(t), t: t, node: harness.Node(t, "test/flags/node"), nodePort: harness.FreePort(t), ofrep: harness.FreePort(t)}
	for n := range people {
		s.users = append(s.users, fmt.Sprintf("user-%d", n))
	}
	s.Copy(harness.Build(t, "flags", "./test/flags/service"), "go/service")
	s.Write("flags.json", `{"flags": {"new-checkout": {
  "state": "ENABLED",
  "variants": {"on": true, "off": false},
  "defaultVariant": "off",
  "metadata": {"public": true}
}}}
`)
	s.nodeURL = fmt.Sprintf("http://127.0.0.1:%d", s.nodePort)
	return s
}

// release writes segue.yaml. Node finds its packages beside the program, which
// therefore is not among the release's files.
func (s *stage) release(n int) {
	s.Write("segue.yaml", fmt.Sprintf(`ofrep: 127.0.0.1:%d
services:
  web:
    listen: 127.0.0.1:%d
    release: { dir: go, files: [service], command: ./service }
    replicas: 2
    store: checkout
    flags: flags.json
    skew: { stay: 1s }
    probes: { startup: { http: /ready, every: 50ms, failures: 400 }, readiness: { http: /ready } }
    env: { MODULES: %q, N: %d }
  api:
    listen: 127.0.0.1:%d
    release: { dir: go, files: [service], command: [node, %q] }
    replicas: 2
    store: checkout
    env: { N: %d }
`, s.ofrep, s.Port, filepath.Join(s.node, "node_modules"), n, s.nodePort, filepath.Join(s.node, "app.mjs"), n))
}

// flag asks what the store has of the flag.
func (s *stage) flag() (f featureflag.Flag) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.Must(0, "flag", "show", "new-checkout", "--json").Out), &f); err != nil {
		s.t.Fatal(err)
	}
	return f
}

// both waits until both services have told n people that it is on.
func (s *stage) both(what string, n int) {
	s.t.Helper()
	from := time.Now()
	var inGo, inNode time.Duration // until the last one was told so
	s.Until(fmt.Sprintf("%s: %d have it", what, n), func() bool {
		if inGo == 0 && s.inGo.count() == n {
			inGo = time.Since(from)
		}
		if inNode == 0 && s.inNode.count() == n {
			inNode = time.Since(from)
		}
		return inGo > 0 && inNode > 0
	})
	s.t.Logf("%s: everybody was told in Go after %v, in Node after %v", what, inGo.Round(time.Millisecond), inNode.Round(time.Millisecond))
}

func TestFlags(t *testing.T) {
	s := newStage(t)
	s.release(1)
	agent := s.Agent()
	s.Must(0, "deploy")
	web := s.Drill(20)
	api := s.Drill(20, func(p *drill.Plan) { p.URL = s.nodeURL })
	s.inGo, s.inNode = observe(t, "go", s.URL(), s.users), observe(t, "node", s.nodeURL, s.users)
	for _, o := range []*observer{s.inGo, s.inNode} {
		o.round(s.users, s.Until)
	}
	page := openPages(t, s.node, s.URL(), s.users[:3])
	s.both("dark", 0)

	// Turned up, while the services are deployed and the agent is killed.
	s.Must(0, "flag", "ramp", "new-checkout", "--to", "100%", "--over", "12s", "--why", "it is Tuesday")
	s.Until("the first have it", func() bool { return s.inGo.count() > 0 })
	s.release(2)
	s.Must(0, "deploy")
	agent.Kill()
	stands := s.flag().Ramp.Percent
	for _, o := range []*observer{s.inGo, s.inNode} {
		o.round(s.users, s.Until)
		o.round(s.users, s.Until)
	}
	if now := s.flag().Ramp; now.Percent != stands || stands >= 100 {
		t.Errorf("nobody moves the ramp, which stood at %v %% and is at %v %%", stands, now.Percent)
	}
	if g, n := s.inGo.on(), s.inNode.on(); !maps.Equal(g, n) {
		t.Errorf("at %v %% they differ:\n%v\n%v", stands, g, n)
	}
	agent = s.Agent()
	s.both("ramped", people)
	for _, o := range []*observer{s.inGo, s.inNode} {
		for user, n := range o.changes() {
			if n != 1 {
				t.Errorf("%s: %s has got another variant %d times while it was turned up", o.name, user, n)
			}
		}
	}
	s.Until("the ramp is done", func() bool { return s.flag().Ramp.State == featureflag.RampDone })
	page.show("on", true)

	s.Must(0, "flag", "kill", "new-checkout", "--why", "orders are lost")
	s.both("killed", 0)
	page.show("killed", false)
	s.Must(0, "flag", "restore", "new-checkout")
	s.both("restored", people)
	page.show("restored", true)

	// Without an agent, who reads the store sees a kill; the others keep what they have.
	agent.Kill()
	s.Must(0, "flag", "kill", "new-checkout")
	s.Until("go sees it", func() bool { return s.inGo.count() == 0 })
	s.inNode.round(s.users, s.Until)
	if n := s.inNode.count(); n != people {
		t.Errorf("node: %d have it while there is no agent", n)
	}
	s.Agent()
	s.both("killed again", 0)
	page.show("killed again", false)

	web.None()
	api.None()
	s.inGo.stop()
	s.inNode.stop()
	history := s.flag().History
	var said []string
	for _, c := range history {
		said = append(said, c.What)
	}
	t.Logf("%q", said)
	if !slices.ContainsFunc(history, func(c featureflag.Change) bool { return c.Why == "orders are lost" && c.By != "" }) {
		t.Errorf("nobody knows who has killed it, and why: %+v", history)
	}
	if dir := os.Getenv("SEGUE_SHOTS"); dir != "" {
		page.ask("shot " + filepath.Join(dir, "flags.png"))
	}
}
