package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A cgroupRoot is the lab's folder in one hierarchy of control groups. Of
// version 2 there is one hierarchy, of version 1 one for each controller.
type cgroupRoot struct {
	Controllers string `json:"controllers"` // as mount(8) wants them, "cpu,cpuacct" or "name=systemd"; "" is version 2
	Dir         string `json:"dir"`
}

// cgroupRoots says where the lab's control groups belong: of version 1 below this
// process' own, whose limits hold for them, too.
func cgroupRoots(name string) ([]cgroupRoot, error) {
	var st unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &st); err != nil {
		return nil, fmt.Errorf("look at /sys/fs/cgroup: %w", err)
	}
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		// At the top, as a group that has processes may not have controllers for
		// groups below it: this process' own has at least this process.
		return []cgroupRoot{{Dir: filepath.Join("/sys/fs/cgroup", name)}}, nil
	}
	return cgroupRootsV1(name)
}

func cgroupRootsV1(name string) ([]cgroupRoot, error) {
	mounts, err := cgroupMounts()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var roots []cgroupRoot
	for line := range strings.Lines(strings.TrimSpace(string(data))) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3) // ID:CONTROLLERS:PATH, cgroups(7)
		if len(part) != 3 || part[1] == "" {
			continue
		}
		m, ok := mounts[part[1]]
		if !ok {
			continue // a hierarchy that is mounted nowhere: nobody here uses it
		}
		own := strings.TrimPrefix(part[2], strings.TrimSuffix(m.root, "/"))
		roots = append(roots, cgroupRoot{part[1], filepath.Join(m.point, own, name)})
	}
	if len(roots) == 0 {
		return nil, errors.New("no control groups are mounted below /sys/fs/cgroup; kubelet needs them")
	}
	return roots, nil
}

type cgroupMount struct{ root, point string }

// cgroupMounts finds the mounted hierarchies of version 1 by their controllers,
// as /proc/self/cgroup calls them.
func cgroupMounts() (map[string]cgroupMount, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found := map[string]cgroupMount{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 || right[0] != "cgroup" {
			continue
		}
		var controllers []string
		for option := range strings.SplitSeq(right[2], ",") {
			if option != "rw" && option != "ro" && option != "xattr" && !strings.HasPrefix(option, "release_agent=") {
				controllers = append(controllers, option)
			}
		}
		found[strings.Join(controllers, ",")] = cgroupMount{left[3], left[4]}
	}
	return found, lines.Err()
}

// make makes a group below the lab's, or with "" the lab's own.
func (r cgroupRoot) make(name string) (string, error) {
	dir := filepath.Join(r.Dir, name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make a control group: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("make a control group: %w", err)
	}
	if r.Controllers == "" {
		return dir, delegate(filepath.Dir(dir))
	}
	if r.Controllers != "cpuset" {
		return dir, nil
	}
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} { // of version 1: empty at first, and then nobody may enter
		data, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, file), data, 0o644)
		}
		if err != nil {
			return "", fmt.Errorf("give a control group its processors: %w", err)
		}
	}
	return dir, nil
}

// delegate has the groups below dir get all controllers, in version 2.
func delegate(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	var on []string
	for _, c := range strings.Fields(string(data)) {
		on = append(on, "+"+c)
	}
	file := filepath.Join(dir, "cgroup.subtree_control")
	err = os.WriteFile(file, []byte(strings.Join(on, " ")), 0o644)
	if errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("%s: %w: processes are in this group, as in a container; move them to a group below it first", file, err)
	}
	return err
}

// enterCgroups moves this process into the lab's groups of that name.
func enterCgroups(roots []cgroupRoot, name string) error {
	for _, r := range roots {
		dir, err := r.make(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0o644); err != nil {
			return fmt.Errorf("enter control group %s: %w", dir, err)
		}
	}
	return nil
}

// mountCgroups shows a node its control groups, as those of a whole machine.
func mountCgroups(roots []cgroupRoot) error {
	const top = "/sys/fs/cgroup"
	if len(roots) == 1 && roots[0].Controllers == "" {
		if err := unix.Mount("cgroup2", top, "cgroup2", 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", top, err)
		}
		if err := enterCgroups([]cgroupRoot{{Dir: top}}, "node"); err != nil {
			return err
		}
		return delegate(top)
	}
	if err := unix.Mount("tmpfs", top, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount %s: %w", top, err)
	}
	for _, r := range roots {
		dir, options := filepath.Join(top, strings.TrimPrefix(r.Controllers, "name=")), r.Controllers
		if strings.HasPrefix(options, "name=") {
			options = "none," + options
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup", dir, "cgroup", 0, options); err != nil {
			return fmt.Errorf("mount control groups %s: %w", r.Controllers, err)
		}
		for c := range strings.SplitSeq(r.Controllers, ",") {
			if filepath.Join(top, c) != dir && !strings.HasPrefix(c, "name=") {
				if err := os.Symlink(filepath.Base(dir), filepath.Join(top, c)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// remove ends whoever is still in the lab's groups, and removes them.
func (r cgroupRoot) remove() error {
	var groups []string
	err := filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			groups = append(groups, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for k := len(groups) - 1; k >= 0; k-- { // the innermost first
		data, err := os.ReadFile(filepath.Join(groups[k], "cgroup.procs"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, field := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				if err := killed(pid); err != nil {
					return err
				}
			}
		}
		if err := rmdir(groups[k]); err != nil {
			return fmt.Errorf("remove control group %s: %w", groups[k], err)
		}
	}
	return nil
}

// rmdir removes a group. One that has just become empty may be busy for a moment,
// and version 1 tells nobody when that is over.
func rmdir(group string) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Rmdir(group)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
}
