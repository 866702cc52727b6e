package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// cell enters the network and the control groups of node I, and starts the node in
// namespaces that begin there.
func (l *Lab) cell(i int) error {
	if err := enterCgroups(l.Cgroups, nodeName(i)); err != nil {
		return err
	}
	if err := join(filepath.Join("/run/netns", nodeName(i))); err != nil {
		return err
	}
	begin, let, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", "node", l.Dir, fmt.Sprint(i))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{begin}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWCGROUP | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start node %d: %w", i, err)
	}
	// Of version 2, the node's group may have no processes but in groups below it.
	if err := enterCgroups(l.Cgroups, "cells"); err != nil {
		return err
	}
	let.Close()
	return cmd.Wait()
}

// node is the first process of a node: containerd, kubelet and kube-proxy.
func (l *Lab) node(ctx context.Context, i int) error {
	begin := os.NewFile(3, "begin")
	unix.CloseOnExec(3)
	_, _ = begin.Read(make([]byte, 1)) // its end is the word
	name := nodeName(i)
	if err := unix.Sethostname([]byte(name)); err != nil {
		return err
	}
	if err := l.mountNode(); err != nil {
		return err
	}
	if err := forward(); err != nil {
		return err
	}
	if err := l.configureNode(i); err != nil {
		return err
	}
	var crew crew
	containerd := exec.Command("containerd", "-c", l.file(name, "containerd.toml"))
	if err := crew.start(containerd, l.file(name, "containerd.log")); err != nil {
		return err
	}
	socket := l.file(name, "containerd.sock")
	if err := until(ctx, "containerd answers", func() error {
		return exec.CommandContext(ctx, "ctr", "-a", socket, "version").Run()
	}); err != nil {
		return err
	}
	if err := importImage(ctx, l.file(name), filepath.Join(l.Bin, "pause.tar")); err != nil {
		return err
	}
	kubelet := exec.Command(l.Hyper(), "kubelet", "--config="+l.file(name, "kubelet.yaml"), "--kubeconfig="+l.file(name, "kubeconfig"),
		"--root-dir="+l.file(name, "kubelet"), "--cert-dir="+l.file(name, "pki"), "--hostname-override="+name, "--node-ip="+nodeAddress(i),
		"--node-labels=topology.kubernetes.io/zone=zone-"+fmt.Sprint(i)+",topology.kubernetes.io/region=here")
	if err := crew.start(kubelet, l.file(name, "kubelet.log")); err != nil {
		return err
	}
	if err := crew.start(exec.Command(l.Hyper(), append([]string{"proxy"}, proxyFlags(l.Kubeconfig, name)...)...), l.file(name, "proxy.log")); err != nil {
		return err
	}
	crew.Wait()
	return errors.New("everything on the node has ended")
}

// mountNode gives the node its own view of processes, devices and control groups.
func (l *Lab) mountNode() error {
	if err := prepare(); err != nil {
		return err
	}
	if err := cover("/var/lib/kubelet", "/var/lib/cni"); err != nil {
		return err
	}
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil { // it shows another network's devices
		return fmt.Errorf("unmount /sys: %w", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mount /sys: %w", err)
	}
	return mountCgroups(l.Cgroups)
}

// configureNode writes the files that containerd and kubelet read.
func (l *Lab) configureNode(i int) error {
	dir := l.file(nodeName(i))
	plugins, err := pluginsDir()
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(filepath.Join(dir, "kubelet"), 0o755),
		write(filepath.Join(dir, "containerd.toml"), containerdConfig, dir, plugins),
		write(filepath.Join(dir, "certs.d", registryAddress, "hosts.toml"), "server = \"http://%[1]s\"\n[host.\"http://%[1]s\"]\ncapabilities = [\"pull\", \"resolve\"]\n", registryAddress),
		write(filepath.Join(dir, "cni", "10-pods.conflist"), podNetwork, dir, podsOf(i)),
		write(filepath.Join(dir, "kubelet.yaml"), kubeletConfig, dir, dnsService),
	)
}

// pluginsDir is where the CNI's plugins are: Debian's place, or everybody else's.
func pluginsDir() (string, error) {
	for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin"} {
		if _, err := os.Stat(filepath.Join(dir, "ptp")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("no CNI plugins in /usr/lib/cni or /opt/cni/bin; install containernetworking-plugins")
}

const containerdConfig = `version = 2
root = "%[1]s/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.opt"]
[grpc]
  address = "%[1]s/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "lab.local/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "%[1]s/certs.d"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "%[2]s"
    conf_dir = "%[1]s/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`

const podNetwork = `{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "%[1]s/ipam",
    "ranges": [[{"subnet": "%[2]s"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
`

// A kubelet may be asked by anybody, as nobody is in its network. What it may not
// touch is what all nodes share: the machine's kernel settings and its swap.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupsPerQOS: true
enforceNodeAllocatable: []
failSwapOn: false
failCgroupV1: false
containerRuntimeEndpoint: unix://%[1]s/containerd.sock
volumePluginDir: %[1]s/volumes
podLogsDir: %[1]s/logs
resolvConf: ""
clusterDNS: [%[2]s]
clusterDomain: cluster.local
evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
oomScoreAdj: 0
maxOpenFiles: 65536
serializeImagePulls: false
eventRecordQPS: 0
`
