package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// controlPlane starts etcd, the API server and what works for it, the registry, DNS,
// and a kube-proxy, so that a Service's address is reached from here, too.
func (l *Lab) controlPlane(ctx context.Context, c *crew) error {
	if err := l.certificates(); err != nil {
		return err
	}
	if err := l.credentials(); err != nil {
		return err
	}
	if err := l.part(c, "etcd", "--data-dir="+l.file("cp", "etcd")); err != nil {
		return err
	}
	if err := l.part(c, "apiserver", l.apiserverFlags()...); err != nil {
		return err
	}
	registry := exec.Command(l.Bin+"/registry", "-listen="+registryAddress, "-dir="+l.file("cp", "registry"))
	if err := os.MkdirAll(l.file("cp", "registry"), 0o755); err != nil {
		return err
	}
	if err := c.start(registry, l.file("cp", "registry.log")); err != nil {
		return err
	}
	if err := l.api().answers(ctx); err != nil {
		return err
	}
	if err := l.part(c, "controller-manager", "--kubeconfig="+l.Kubeconfig, "--leader-elect=false",
		"--kube-api-qps=200", "--kube-api-burst=300",
		"--allocate-node-cidrs=false", "--cluster-cidr="+podRange, "--service-cluster-ip-range="+serviceRange,
		"--service-account-private-key-file="+l.file("cp", "accounts.key"), "--root-ca-file="+l.file("cp", "ca.crt"),
		"--controllers=*", "--flex-volume-plugin-dir="+l.file("cp", "volumes"), "--authentication-skip-lookup=true",
		// An autoscaler that decides within a test's patience.
		"--horizontal-pod-autoscaler-sync-period=5s", "--horizontal-pod-autoscaler-downscale-stabilization=15s",
		"--horizontal-pod-autoscaler-cpu-initialization-period=10s", "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
	); err != nil {
		return err
	}
	if err := l.part(c, "scheduler", "--kubeconfig="+l.Kubeconfig, "--leader-elect=false", "--kube-api-qps=200", "--kube-api-burst=300", "--authentication-skip-lookup=true"); err != nil {
		return err
	}
	// kube-proxy wants to know a node's name, and there is none of that here.
	if err := l.part(c, "proxy", proxyFlags(l.Kubeconfig, nodeName(1))...); err != nil {
		return err
	}
	if err := l.part(c, "dns", "--kubeconfig="+l.Kubeconfig, "--listen="+apiAddress+":53"); err != nil {
		return err
	}
	if err := l.publishDNS(ctx); err != nil {
		return err
	}
	return l.definitions(ctx)
}

func (l *Lab) part(c *crew, name string, flags ...string) error {
	return c.start(exec.Command(l.Hyper(), append([]string{name}, flags...)...), l.file("cp", name+".log"))
}

// proxyFlags are those of a kube-proxy, wherever it runs: it may not change what
// is the whole machine's. Its mode is the usual one. That of nftables loses
// connections when endpoints change: docs/kubernetes-race.md tells how.
func proxyFlags(kubeconfig, name string) []string {
	return []string{"--kubeconfig=" + kubeconfig, "--hostname-override=" + name, "--proxy-mode=iptables", "--cluster-cidr=" + podRange,
		"--oom-score-adj=0", "--conntrack-max-per-core=0", "--conntrack-min=0"}
}

func (l *Lab) apiserverFlags() []string {
	cp := func(name string) string { return l.file("cp", name) }
	return []string{
		"--etcd-servers=http://127.0.0.1:12379", "--bind-address=0.0.0.0", "--advertise-address=" + apiAddress, "--secure-port=6443",
		"--tls-cert-file=" + cp("apiserver.crt"), "--tls-private-key-file=" + cp("apiserver.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--token-auth-file=" + cp("tokens.csv"), "--authorization-mode=Node,RBAC", "--allow-privileged=true",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + cp("accounts.key"), "--service-account-signing-key-file=" + cp("accounts.key"),
		"--kubelet-preferred-address-types=InternalIP",
		// API servers beside this one, such as metrics-server, are asked in its name.
		"--requestheader-client-ca-file=" + cp("front.crt"), "--requestheader-allowed-names=front-client",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group", "--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + cp("front-client.crt"), "--proxy-client-key-file=" + cp("front-client.key"),
		"--enable-aggregator-routing=true",
	}
}

func (l *Lab) certificates() error {
	dir := l.file("cp")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ca, err := newAuthority(dir, "ca")
	if err != nil {
		return err
	}
	if err := ca.sign("apiserver", apiAddress, apiService, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"); err != nil {
		return err
	}
	front, err := newAuthority(dir, "front")
	if err != nil {
		return err
	}
	if err := front.sign("front-client"); err != nil {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048) // of service accounts' tokens: RS256 is what everybody reads
	if err != nil {
		return err
	}
	return writePEM(l.file("cp", "accounts.key"), "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

// credentials writes a kubeconfig for the admin, whose token is the lab's
// own, and for each node.
func (l *Lab) credentials() error {
	tokens := []string{l.adminToken() + ",admin,admin,system:masters"}
	if err := l.kubeconfig(l.Kubeconfig, l.adminToken()); err != nil {
		return err
	}
	for i := 1; i <= l.Nodes; i++ {
		name, token := nodeName(i), rand.Text()
		tokens = append(tokens, fmt.Sprintf("%s,system:node:%s,%s,system:nodes", token, name, name))
		if err := l.kubeconfig(l.file(name, "kubeconfig"), token); err != nil {
			return err
		}
	}
	return write(l.file("cp", "tokens.csv"), "%s\n", strings.Join(tokens, "\n"))
}

// adminToken is no secret: nobody outside of the lab's network can use it.
func (l *Lab) adminToken() string { return "lab-admin" }

// kubeconfig writes one that needs no other file.
func (l *Lab) kubeconfig(name, token string) error {
	ca, err := os.ReadFile(l.file("cp", "ca.crt"))
	if err != nil {
		return err
	}
	return write(name, `apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "https://%s:6443", certificate-authority-data: %s}}]
users: [{name: lab, user: {token: %s}}]
contexts: [{name: lab, context: {cluster: lab, user: lab, namespace: default}}]
current-context: lab
`, apiAddress, base64.StdEncoding.EncodeToString(ca), token)
}
