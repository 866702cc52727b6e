package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/deploy"
)

// limited starts a helper with limits. Where the machine has no cgroups for us
// it checks that the error says so, and returns nil.
func limited(t *testing.T, l deploy.Limits, helper string) (*Process, Command) {
	t.Helper()
	c := command(t, self(), "helper", helper)
	c.Limits = l
	p, err := engine(t).Prepare(t.Context(), c)
	if err != nil {
		if !strings.Contains(err.Error(), "Delegate=yes") || !strings.Contains(err.Error(), "cgroup") {
			t.Fatalf("not told why and what to do: %v", err)
		}
		t.Log("no cgroups for us here:", err)
		return nil, c
	}
	if len(p.cgroup.places()) == 0 {
		t.Fatal("no cgroup")
	}
	if err := p.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p, c
}

func removed(t *testing.T, cg *cgroup) {
	t.Helper()
	for _, p := range cg.places() {
		if _, err := os.Stat(p.dir); err == nil {
			t.Errorf("%s is left", p.dir)
		}
	}
}

// helperEat takes memory until it is killed.
func helperEat([]string) {
	for {
		b := make([]byte, 16<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
		if len(kept) == 64 {
			fmt.Println("1 GiB and alive")
			return
		}
	}
}

var kept [][]byte

func TestMemoryLimitKills(t *testing.T) {
	p, c := limited(t, deploy.Limits{Memory: 64 << 20}, "eat")
	if p == nil {
		return
	}
	wait(t, p.Done())
	x := p.Exit()
	if !x.OOM || !strings.Contains(x.String(), "out of memory: it reached its limit") {
		t.Errorf("%s\n%s", x, contents(t, c.LogFile))
	}
	removed(t, p.cgroup)
}

// helperBurn uses CPU until it has been throttled.
func helperBurn([]string) {
	own := must(ownPlaces("self"))
	at := own["cpu"]
	if at.dir == "" {
		at = own[""]
	}
	for at.counter("cpu.stat", "nr_throttled") == 0 {
		for i := range 1_000_000 {
			_ = i
		}
	}
	fmt.Println("throttled")
}

func TestCPULimitThrottles(t *testing.T) {
	p, c := limited(t, deploy.Limits{CPU: 0.2, Memory: 512 << 20}, "burn")
	if p == nil {
		return
	}
	wait(t, p.Done())
	if got := contents(t, c.LogFile); got != "throttled\n" {
		t.Errorf("%s: %q", p.Exit(), got)
	}
	removed(t, p.cgroup)
}

func TestEscapedChildDiesWithItsCgroup(t *testing.T) {
	c := command(t, "sh", "-c", `env -u SEGUE_LEADER setsid sh -c '`+stubborn+`' & trap "exit 0" TERM; wait; wait`)
	c.Limits = deploy.Limits{Memory: 256 << 20}
	e := engine(t)
	p, err := e.Prepare(t.Context(), c)
	if err != nil {
		t.Log("no cgroups for us here:", err) // TestMemoryLimitKills checks the words
		return
	}
	if err := p.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid := pidsIn(t, c.LogFile, 1)[0]
	e.Leave()
	again, err := engine(t).Adopt(p.PID(), p.Born()) // finds the cgroup by itself
	if err != nil {
		t.Fatal(err)
	}
	if len(again.cgroup.places()) != 1 {
		t.Error("the cgroup was not found")
	}
	if _, err := again.Stop(t.Context(), "TERM", patience); err != nil {
		t.Error(err)
	}
	if alive(pid) {
		t.Error("the child that left the session lives on")
	}
	removed(t, p.cgroup)
}

func TestPlaces(t *testing.T) {
	const mounts = `29 23 0:26 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
30 23 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct
31 23 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`
	own := parsePlaces(mounts, "4:memory:/a/b\n3:cpu,cpuacct:/\n0::/x.slice\n")
	want := ownership{
		"memory": {"/sys/fs/cgroup/memory/a/b", false}, "cpu": {"/sys/fs/cgroup/cpu", false},
		"cpuacct": {"/sys/fs/cgroup/cpu", false}, "": {"/sys/fs/cgroup/unified/x.slice", true},
	}
	for k, p := range want {
		if own[k] != p {
			t.Errorf("%q: got %v, want %v", k, own[k], p)
		}
	}
	inside := parsePlaces("9 8 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "0::/docker/x/y\n")
	if inside[""].dir != "/sys/fs/cgroup/y" {
		t.Error(inside)
	}
	if _, err := (ownership{}).base("memory"); err == nil {
		t.Error("a controller out of nowhere")
	}
}

// TestVersion2 plays the kernel with plain files.
func TestVersion2(t *testing.T) {
	dir := t.TempDir()
	put := func(name, value string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("cgroup.controllers", "cpu memory\n")
	put("cgroup.subtree_control", "cpu memory\n")
	own := ownership{"": {filepath.Join(dir, agentGroup), true}}
	at, err := own.base("memory")
	if err != nil || at.dir != dir {
		t.Fatal(at, err)
	}
	if _, err := own.base("io"); err == nil {
		t.Error("a controller that is not delegated")
	}
	for _, f := range []string{"memory.max", "memory.swap.max", "memory.oom.group", "cpu.max"} {
		put(f, "")
	}
	if err := at.limitMemory(1 << 20); err != nil {
		t.Error(err)
	}
	if err := at.limitCPU(1.5); err != nil {
		t.Error(err)
	}
	for f, want := range map[string]string{"memory.max": "1048576", "memory.swap.max": "0", "memory.oom.group": "1", "cpu.max": "150000 100000"} {
		if got := contents(t, filepath.Join(dir, f)); got != want {
			t.Errorf("%s is %q", f, got)
		}
	}
	put("memory.events", "oom 3\noom_kill 2\n")
	if !(&cgroup{memory: at}).oomKilled() {
		t.Error("the counter was not read")
	}
}

func TestCgroupNames(t *testing.T) {
	name := cgroupName("shop/7 3-ü", 42, 1<<51)
	if strings.ContainsAny(name, "/ ü") {
		t.Error(name)
	}
	if pid, born, ok := parseCgroupName(name); !ok || pid != 42 || born != 1<<51 {
		t.Error(pid, born, ok)
	}
	for _, n := range []string{agentGroup, "segue-x", "other-a-1-2", ""} {
		if _, _, ok := parseCgroupName(n); ok {
			t.Error(n)
		}
	}
}
