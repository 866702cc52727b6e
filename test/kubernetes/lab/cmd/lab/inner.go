package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside does what the lab's own processes do: `inner` is the first one, a `cell`
// is the parent of each `node`.
func inside(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errUsage
	}
	l, err := load(args[1])
	if err != nil {
		return err
	}
	if args[0] == "inner" {
		return l.lead(ctx)
	}
	if len(args) < 3 {
		return errUsage
	}
	i, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	if args[0] == "cell" {
		return l.cell(i)
	}
	return l.node(ctx, i)
}

// lead is the first process: everything in the lab is its child, and ends with it.
func (l *Lab) lead(ctx context.Context) error {
	tell, stay := os.NewFile(3, "status"), os.NewFile(4, "stay")
	unix.CloseOnExec(3)
	unix.CloseOnExec(4)
	staying := leash(stay)
	if err := prepare(); err != nil {
		return err
	}
	if err := l.divert(); err != nil {
		return err
	}
	if err := l.network(ctx); err != nil {
		return err
	}
	var crew crew
	if err := l.controlPlane(ctx, &crew); err != nil {
		return err
	}
	fmt.Fprintln(tell, "the control plane answers")
	for i := range l.Nodes {
		cmd := exec.Command("/proc/self/exe", "cell", l.Dir, strconv.Itoa(i+1))
		if err := crew.start(cmd, l.file(nodeName(i+1)+".log")); err != nil {
			return err
		}
	}
	if err := l.settled(ctx); err != nil {
		return err
	}
	fmt.Fprintln(tell, "ready")
	<-staying
	tell.Close() // the answer to that
	crew.Wait()
	return errors.New("everything in the lab has ended")
}

// leash ends this process, and so the lab, when the command ends that has started
// it, however that comes about. It is closed when that one says that it need not be.
func leash(stay *os.File) (off <-chan struct{}) {
	let := make(chan struct{})
	go func() {
		if n, _ := stay.Read(make([]byte, 1)); n == 0 { // its other end is closed: by the kernel at the latest
			fmt.Fprintln(os.Stderr, "who has started this lab has ended")
			os.Exit(1)
		}
		close(let)
	}()
	return let
}

// prepare gives this process its own view of mounts and processes, and has what
// programs leave in the machine's folders be the lab's alone, and end with it.
func prepare() error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to the lab: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return cover("/run", "/var/log")
}

// cover puts empty folders over others.
func cover(dirs ...string) error {
	for _, dir := range dirs {
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	return nil
}

// divert has what is written into /var/lib go elsewhere: kubelet and the CNI's
// plugins make folders there, whatever they are told.
func (l *Lab) divert() error {
	if strings.HasPrefix(l.Dir, "/var/lib/") {
		return fmt.Errorf("the lab's folder may not be below /var/lib; set XDG_CACHE_HOME to another place than %s", l.Dir)
	}
	for _, dir := range []string{"/run/lib", "/run/work"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("overlay", "/var/lib", "overlay", 0, "lowerdir=/var/lib,upperdir=/run/lib,workdir=/run/work"); err != nil {
		return fmt.Errorf("mount over /var/lib: %w", err)
	}
	for _, dir := range []string{"/var/lib/kubelet", "/var/lib/cni"} { // for each node to cover
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// network lays the bridge that the nodes are tied to. The control plane is the
// router between them.
func (l *Lab) network(ctx context.Context) error {
	err := ip(ctx,
		"link set lo up",
		"link add br0 type bridge",
		"addr add "+apiAddress+"/24 dev br0",
		"link set br0 up",
		"route add "+serviceRange+" dev br0", // kube-proxy sends it elsewhere, once there is a way
	)
	for i := 1; i <= l.Nodes && err == nil; i++ {
		name, address := nodeName(i), nodeAddress(i)
		err = ip(ctx,
			"netns add "+name,
			fmt.Sprintf("link add v%d type veth peer name eth0 netns %s", i, name),
			fmt.Sprintf("link set v%d master br0 up", i),
			"-n "+name+" link set lo up",
			"-n "+name+" addr add "+address+"/24 dev eth0",
			"-n "+name+" link set eth0 up",
			"-n "+name+" route add default via "+apiAddress,
			"route add "+podsOf(i)+" via "+address,
		)
	}
	for i := 1; i <= l.Nodes && err == nil; i++ { // between nodes there is nobody
		for j := 1; j <= l.Nodes && err == nil; j++ {
			if i != j {
				err = ip(ctx, "-n "+nodeName(i)+" route add "+podsOf(j)+" via "+nodeAddress(j))
			}
		}
	}
	return errors.Join(err, forward())
}

// forward has this network pass on packets that are for others.
func forward() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644) }

func ip(ctx context.Context, commands ...string) error {
	for _, c := range commands {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", c, err, out)
		}
	}
	return nil
}

func nodeName(i int) string    { return fmt.Sprint("kn", i) }
func nodeAddress(i int) string { return fmt.Sprint("10.99.0.1", i) }
func podsOf(i int) string      { return fmt.Sprintf("10.244.%d.0/24", i) }

// A crew is processes that are to run until the lab ends. Each of them that ends
// earlier is told of on stderr, which is the crew's log.
type crew struct{ sync.WaitGroup }

func (c *crew) start(cmd *exec.Cmd, log string) error {
	if err := os.MkdirAll(filepath.Dir(log), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd, err)
	}
	c.Go(func() {
		fmt.Fprintf(os.Stderr, "%s has ended: %v; its log is %s\n", filepath.Base(log), cmd.Wait(), log)
	})
	return nil
}

// write writes a file of the lab, and makes its folder.
func write(name, format string, args ...any) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, fmt.Sprintf(format, args...))
	return errors.Join(err, f.Close())
}
