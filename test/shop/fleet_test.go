package shop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seguehq/segue/internal/control"
	"github.com/seguehq/segue/test/harness"
)

// A fleet is the example, as it stands in its folder, on a store.
type fleet struct {
	*harness.World
	text    string // the example's segue.yaml, moved to this world
	version map[string]int
	deploys int
	agent   *harness.Agent
}

// newFleet deploys the example. env is added to both services: which store, which
// broker.
func newFleet(t *testing.T, segue string, orders *orderSystem, env ...string) *fleet {
	t.Helper()
	f := &fleet{World: harness.NewWith(t, segue), version: map[string]int{}}
	f.Env = append(f.Env, "ORDERS_URL="+orders.url)
	f.Copy(harness.Build(t, "shop", "./examples/shop"), "bin/shop")
	data, err := os.ReadFile(filepath.Join(harness.Root(), "examples", "shop", "segue.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	f.text = string(data)
	f.edit("build: go build -o bin/shop ., ", "")
	f.edit("127.0.0.1:8080", strings.TrimPrefix(f.URL(), "http://"))
	f.edit("for: 5s", "for: 500ms")
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		f.edit("env: { ", fmt.Sprintf("env: { %s: %q, ", name, value))
		if name == "SEGUE_STORE" {
			f.edit("    store: shop\n", "")
		}
	}
	f.agent = f.Agent()
	f.write()
	f.Must(0, "deploy")
	f.deploys += 2
	return f
}

func (f *fleet) edit(old, now string) {
	f.T.Helper()
	if !strings.Contains(f.text, old) {
		f.T.Fatalf("the example's segue.yaml does not say %q", old)
	}
	f.text = strings.ReplaceAll(f.text, old, now)
}

// write writes segue.yaml, with a variable in each service that makes it another
// release.
func (f *fleet) write() {
	text := f.text
	for _, service := range []string{"api", "jobs"} {
		head, tail, _ := strings.Cut(text, "\n  "+service+":\n")
		text = head + "\n  " + service + ":\n" + strings.Replace(tail, "env: { ", fmt.Sprintf("env: { VERSION: %d, ", f.version[service]), 1)
	}
	f.Write("segue.yaml", text)
}

// deploy deploys a new release of a service, while during is done.
func (f *fleet) deploy(service string, during func()) {
	f.T.Helper()
	f.version[service]++
	f.deploys++
	f.write()
	c := f.Background("deploy", service)
	during()
	if r := c.Ran(); r.Code != 0 {
		f.T.Errorf("segue deploy %s: %s", service, r)
	}
}

// killAgent kills the agent in the middle of a rollout, and starts another.
func (f *fleet) killAgent() {
	f.T.Helper()
	f.Until("a new release has begun to serve", func() bool {
		for _, s := range f.Status().Services {
			if s.Rollout != nil && slices.ContainsFunc(s.Instances, func(i control.InstanceStatus) bool {
				return i.Release == s.Rollout.To && i.State == "serving"
			}) {
				return true
			}
		}
		return false
	})
	f.agent.Kill()
	f.agent = f.Agent()
}

// kill kills an instance that serves and is chosen, at once. It waits for one.
func (f *fleet) kill(service string, chosen func(control.InstanceStatus) bool) {
	f.T.Helper()
	f.Until("there is an instance of "+service+" to kill", func() bool {
		for _, i := range f.Service(service).Instances {
			if i.State == "serving" && chosen(i) {
				return syscall.Kill(i.PID, syscall.SIGKILL) == nil
			}
		}
		return false
	})
}
