package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/seguehq/segue/internal/deploy"
)

const errBusy = syscall.EBUSY

// agentGroup is the leaf that the agent itself lives in where cgroups are
// version 2, in which only leaves may hold processes. A systemd unit with
// DelegateSubgroup=segue-agent starts it there.
const agentGroup = "segue-agent"

// A hierarchy is where this agent may make cgroups, per controller.
type hierarchy struct{ memory, cpu place }

// findHierarchy finds the controllers that the limits need, or says why they
// cannot be had and what to do.
func findHierarchy(l deploy.Limits) (*hierarchy, error) {
	own, err := ownPlaces("self")
	if err != nil {
		return nil, mendCgroup(err)
	}
	var h hierarchy
	if l.Memory > 0 {
		if h.memory, err = own.base("memory"); err != nil {
			return nil, fmt.Errorf("limits.memory: %w", mendCgroup(err))
		}
	}
	if l.CPU > 0 {
		if h.cpu, err = own.base("cpu"); err != nil {
			return nil, fmt.Errorf("limits.cpu: %w", mendCgroup(err))
		}
	}
	return &h, nil
}

func mendCgroup(err error) error {
	return fmt.Errorf("%w; run the agent as root or in a systemd unit with Delegate=yes (`segue install` writes one), or remove limits from segue.yaml", err)
}

// ownership says where a process is, per controller; "" is the version 2
// hierarchy, whose controllers are told by its folder.
type ownership map[string]place

// ownPlaces reads where a process ("self" or a pid) is in the mounted
// hierarchies.
func ownPlaces(pid string) (ownership, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	groups, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		return nil, err
	}
	return parsePlaces(string(mounts), string(groups)), nil
}

func parsePlaces(mountinfo, groups string) ownership {
	own := make(ownership)
	paths := make(map[string]string)
	for line := range strings.Lines(groups) { // 4:memory:/path, 0::/path
		if f := strings.SplitN(strings.TrimSpace(line), ":", 3); len(f) == 3 {
			for c := range strings.SplitSeq(f[1], ",") {
				paths[c] = f[2]
			}
		}
	}
	for line := range strings.Lines(mountinfo) {
		left, right, _ := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if len(l) < 5 || len(r) < 3 {
			continue
		}
		root, point := l[3], l[4]
		switch r[0] {
		case "cgroup2":
			own.add("", root, point, paths, true)
		case "cgroup":
			for c := range strings.SplitSeq(r[2], ",") {
				own.add(c, root, point, paths, false)
			}
		}
	}
	return own
}

// add notes a hierarchy. Of a container only its own part may be mounted.
func (own ownership) add(controller, root, point string, paths map[string]string, v2 bool) {
	path, ok := paths[controller]
	if !ok {
		return
	}
	if root != "/" {
		rest, inside := strings.CutPrefix(path, root)
		if !inside {
			rest = ""
		}
		path = rest
	}
	own[controller] = place{filepath.Join(point, path), v2}
}

// base is the folder in which cgroups with the controller can be made.
func (own ownership) base(controller string) (place, error) {
	if p, ok := own[controller]; ok {
		if _, err := os.Stat(p.dir); err != nil {
			return place{}, fmt.Errorf("the %s cgroup of the agent is not visible: %w", controller, err)
		}
		return p, nil
	}
	p, ok := own[""]
	if !ok {
		return place{}, fmt.Errorf("this machine has no %s cgroup controller mounted", controller)
	}
	if filepath.Base(p.dir) == agentGroup {
		p.dir = filepath.Dir(p.dir)
	}
	if !p.lists("cgroup.controllers", controller) {
		return place{}, fmt.Errorf("the %s controller is not given to the agent's cgroup %s", controller, p.dir)
	}
	return p, p.enable(controller)
}

func (p place) lists(file, word string) bool {
	b, _ := os.ReadFile(filepath.Join(p.dir, file))
	for f := range strings.FieldsSeq(string(b)) {
		if f == word {
			return true
		}
	}
	return false
}

// enable lets children of a version 2 cgroup have the controller. The kernel
// wants it to hold no process then, so the agent moves into a leaf.
func (p place) enable(controller string) error {
	const control = "cgroup.subtree_control"
	if p.lists(control, controller) {
		return nil
	}
	err := p.write(control, "+"+controller)
	if !errors.Is(err, errBusy) {
		return err
	}
	leaf := p.child(agentGroup)
	if err := os.Mkdir(leaf.dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := leaf.write("cgroup.procs", strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	if err := p.write(control, "+"+controller); err != nil {
		return fmt.Errorf("the cgroup %s holds other processes than the agent: %w", p.dir, err)
	}
	return nil
}

// findCgroup finds the cgroup that an earlier agent made for a process: by the
// process, or if that has ended, by name.
func findCgroup(pid int, born uint64) *cgroup {
	suffix := cgroupSuffix(pid, born)
	var cg cgroup
	for _, who := range []string{strconv.Itoa(pid), "self"} {
		own, _ := ownPlaces(who)
		for _, c := range []struct {
			name string
			at   *place
		}{{"memory", &cg.memory}, {"cpu", &cg.cpu}} {
			if c.at.dir == "" {
				*c.at = own.named(c.name, suffix)
			}
		}
	}
	if cg.memory.dir == "" && cg.cpu.dir == "" {
		return nil
	}
	return &cg
}

// named looks for a cgroup of ours with the suffix, here and below.
func (own ownership) named(controller, suffix string) place {
	for _, p := range own.search(controller) {
		if name := filepath.Base(p.dir); strings.HasPrefix(name, cgroupPrefix) && strings.HasSuffix(name, suffix) {
			return p
		}
	}
	return place{}
}

// search lists the cgroup itself and those of ours in it.
func (own ownership) search(controller string) []place {
	p, ok := own[controller]
	if !ok {
		p, ok = own[""]
	}
	if !ok {
		return nil
	}
	all := []place{p}
	if filepath.Base(p.dir) == agentGroup {
		p.dir = filepath.Dir(p.dir)
	}
	entries, _ := os.ReadDir(p.dir)
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), cgroupPrefix) && e.Name() != agentGroup {
			all = append(all, p.child(e.Name()))
		}
	}
	return all
}

// sweepCgroups removes the empty cgroups of processes that ended while no agent
// was there. The kernel keeps us from removing one that is in use.
func sweepCgroups() {
	own, err := ownPlaces("self")
	if err != nil {
		return
	}
	for _, controller := range []string{"memory", "cpu"} {
		for _, p := range own.search(controller) {
			if pid, born, ok := parseCgroupName(filepath.Base(p.dir)); ok {
				if s, err := readStat(pid); err != nil || identity(s.start) != born {
					_ = os.Remove(p.dir)
				}
			}
		}
	}
}

func parseCgroupName(name string) (pid int, born uint64, ok bool) {
	f := strings.Split(name, "-")
	if len(f) < 4 || f[0]+"-" != cgroupPrefix {
		return 0, 0, false
	}
	pid, err := strconv.Atoi(f[len(f)-2])
	born, err2 := strconv.ParseUint(f[len(f)-1], 10, 64)
	return pid, born, err == nil && err2 == nil
}
