package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// networkOf is the file that stands for a network: "cp" is the control plane's,
// from which pods are reached as well, "kn1" that of a node.
func (l *Lab) networkOf(place string) (string, error) {
	if !l.alive() {
		return "", fmt.Errorf("no lab is up in %s; bring it up first: lab up", l.Dir)
	}
	if place == "cp" {
		return fmt.Sprintf("/proc/%d/ns/net", l.PID), nil
	}
	for i := range l.Nodes {
		if place == nodeName(i+1) {
			return filepath.Join(fmt.Sprintf("/proc/%d/root/run/netns", l.PID), place), nil
		}
	}
	return "", fmt.Errorf("there is no %s; there are cp and kn1 to %s", place, nodeName(l.Nodes))
}

// enter has this process become a command in the network of a place. Of files and
// processes it sees what it saw before.
func (l *Lab) enter(place string, args []string) error {
	network, err := l.networkOf(place)
	if err != nil {
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	if err := join(network); err != nil {
		return err
	}
	return syscall.Exec(path, args, append(os.Environ(), "SEGUE_LAB="+l.Dir))
}

// join moves this thread, and what it starts, into a network.
func join(network string) error {
	f, err := os.Open(network)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network %s: %w", network, err)
	}
	return nil
}

// importImages gives image archives to the containerd of each node.
func (l *Lab) importImages(ctx context.Context, archives []string) error {
	if !l.alive() || len(archives) == 0 {
		return errUsage
	}
	for i := range l.Nodes {
		for _, archive := range archives {
			if err := importImage(ctx, l.file(nodeName(i+1)), archive); err != nil {
				return err
			}
		}
	}
	return nil
}

func importImage(ctx context.Context, node, archive string) error {
	out, err := exec.CommandContext(ctx, "ctr", "-a", filepath.Join(node, "containerd.sock"), "-n", "k8s.io", "images", "import", archive).CombinedOutput()
	if err != nil {
		return fmt.Errorf("import %s into %s: %w\n%s", archive, filepath.Base(node), err, out)
	}
	return nil
}

// status says what is there.
func (l *Lab) status(ctx context.Context) error {
	if !l.alive() {
		return errors.New("no lab is up in " + l.Dir)
	}
	fmt.Printf("folder      %s\nprocess     %d\nkubeconfig  %s\nregistry    %s\n", l.Dir, l.PID, l.Kubeconfig, l.Registry)
	if !l.Ready {
		fmt.Println("it is not ready yet")
		return nil
	}
	if data, err := os.ReadFile(l.file("inner.log")); err == nil && len(data) > 0 {
		fmt.Println(strings.TrimSpace(string(data)))
	}
	return l.enter("cp", []string{l.Hyper(), "kubectl", "--kubeconfig", l.Kubeconfig, "get", "nodes,pods", "--all-namespaces", "-o", "wide"})
}
