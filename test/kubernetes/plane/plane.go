// Package plane runs a Kubernetes control plane whose nodes do not exist: etcd,
// API server, controllers and scheduler are the lab's own, and kwok says of each
// pod what its kubelet would. So a cluster of a thousand nodes fits on a small
// machine; no container ever runs in it. All of it listens on 127.0.0.1 and needs
// no rights.
//
// The API server counts the calls of the user Segue itself, in its audit log:
// Calls tells them, whatever the client thinks that it did.
package plane

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// Binaries says what is run.
type Binaries struct {
	Hyper string // etcd and Kubernetes, by their names as first argument
	Kwok  string
}

// A Plane is one control plane. It ends with its test.
type Plane struct {
	Dir        string
	Kubeconfig string // of the user whose calls are counted; may do everything

	t      testing.TB
	bin    Binaries
	server string
	etcd   string
	client *http.Client
	over   chan error // the first process to end, unasked
}

// The users, whose names are their tokens too.
const (
	counted  = "segue"
	operator = "operator" // the tests themselves, controllers, kwok
)

// Start brings a control plane up and returns when it answers.
func Start(t testing.TB, bin Binaries) *Plane {
	t.Helper()
	p := &Plane{Dir: t.TempDir(), t: t, bin: bin, over: make(chan error, 16)}
	p.server = fmt.Sprintf("https://127.0.0.1:%d", harness.FreePort(t))
	p.etcd = fmt.Sprintf("http://127.0.0.1:%d", harness.FreePort(t))
	p.Kubeconfig = p.file("segue.kubeconfig")
	p.must(p.writeFiles())
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.tails())
		}
	})
	p.run("etcd", bin.Hyper, "etcd", "--data-dir", p.file("etcd"), "--client-url", p.etcd,
		"--peer-url", fmt.Sprintf("http://127.0.0.1:%d", harness.FreePort(t)))
	p.apiServer()
	p.controllers()
	p.run("kwok", bin.Kwok, "--kubeconfig", p.file("operator.kubeconfig"), "--config", p.file("stages.yaml"),
		"--manage-all-nodes", "--cidr=10.0.0.1/8", "--node-lease-duration-seconds=600")
	return p
}

func (p *Plane) file(name string) string { return filepath.Join(p.Dir, name) }

func (p *Plane) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal("plane: ", err)
	}
}

// apiServer starts it and waits until it is ready. Its one address is a loopback
// address, which it would not publish: nobody here looks for it.
func (p *Plane) apiServer() {
	p.t.Helper()
	_, port, _ := strings.Cut(strings.TrimPrefix(p.server, "https://"), ":")
	p.run("apiserver", p.bin.Hyper, "apiserver", "--etcd-servers="+p.etcd, "--cert-dir="+p.file("certs"),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port="+port, "--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=10.96.0.0/16", "--token-auth-file="+p.file("tokens.csv"), "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+p.file("sa.key"),
		"--service-account-signing-key-file="+p.file("sa.key"), "--enable-priority-and-fairness=false",
		"--max-requests-inflight=4000", "--max-mutating-requests-inflight=2000",
		"--audit-policy-file="+p.file("audit.yaml"), "--audit-log-path="+p.file("audit.log"), "--audit-log-mode=blocking-strict")
	p.Until("API server is ready", 2*time.Minute, p.ready)
}

// controllers starts what turns a Deployment into pods. Their usual limits, of 20
// and 50 calls a second, would have a rollout of 10,000 pods take the day.
func (p *Plane) controllers() {
	p.t.Helper()
	quick := []string{"--kubeconfig=" + p.file("operator.kubeconfig"), "--leader-elect=false", "--authentication-skip-lookup=true",
		"--secure-port=0", "--kube-api-qps=300", "--kube-api-burst=500"}
	p.run("controller-manager", append([]string{p.bin.Hyper, "controller-manager", "--allocate-node-cidrs=false",
		"--service-account-private-key-file=" + p.file("sa.key"), "--root-ca-file=" + p.file("certs/apiserver.crt"),
		"--use-service-account-credentials=false", "--node-monitor-grace-period=1h"}, quick...)...)
	p.run("scheduler", append([]string{p.bin.Hyper, "scheduler"}, quick...)...)
}

// ready reports whether the API server says so, and takes up its certificate.
func (p *Plane) ready() bool {
	data, err := os.ReadFile(p.file("certs/apiserver.crt"))
	if err != nil {
		return false
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return false
	}
	p.client = &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 16, ForceAttemptHTTP2: true,
	}}
	p.t.Cleanup(p.client.CloseIdleConnections)
	_, err = p.call(http.MethodGet, "/readyz", "")
	return err == nil
}

// call is one request of the operator.
func (p *Plane) call(method, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.server+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+operator)
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode >= 300 {
		return "", fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, data)
	}
	return string(data), nil
}

// run starts a process that ends with the test.
func (p *Plane) run(name string, command ...string) {
	p.t.Helper()
	log, err := os.Create(p.file(name + ".log"))
	p.must(err)
	defer log.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, p.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.must(cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := cmd.Wait()
		if ctx.Err() == nil {
			p.over <- fmt.Errorf("%s has ended: %w", name, err)
		}
	}()
	p.t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// Until asks until it is so, and fails the test after limit, or when a process of
// the plane has ended.
func (p *Plane) Until(what string, limit time.Duration, ok func() bool) {
	p.t.Helper()
	deadline := time.After(limit)
	for !ok() {
		select {
		case err := <-p.over:
			p.t.Fatalf("plane: %v, while waiting: %s", err, what)
		case <-deadline:
			p.t.Fatalf("plane: not so after %v: %s", limit, what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// writeFiles writes what the processes read.
func (p *Plane) writeFiles() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	var tokens, sa bytes.Buffer
	for _, user := range []string{counted, operator} {
		fmt.Fprintf(&tokens, "%s,%s,%s,system:masters\n", user, user, user)
	}
	if err := pem.Encode(&sa, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}); err != nil {
		return err
	}
	for name, data := range map[string]string{
		"tokens.csv":          tokens.String(),
		"sa.key":              sa.String(),
		"audit.yaml":          fmt.Sprintf(auditPolicy, counted),
		"stages.yaml":         stages,
		"segue.kubeconfig":    fmt.Sprintf(kubeconfig, p.server, p.file("certs/apiserver.crt"), counted),
		"operator.kubeconfig": fmt.Sprintf(kubeconfig, p.server, p.file("certs/apiserver.crt"), operator),
	} {
		if err := os.WriteFile(p.file(name), []byte(data), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: plane, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: user, user: {token: %q}}]
contexts: [{name: plane, context: {cluster: plane, user: user}}]
current-context: plane
`

// tails is the end of each log.
func (p *Plane) tails() string {
	var b strings.Builder
	names, err := filepath.Glob(p.file("*.log"))
	for _, name := range names {
		data, readErr := os.ReadFile(name)
		err = errors.Join(err, readErr)
		fmt.Fprintf(&b, "== %s\n%s\n", filepath.Base(name), data[max(0, len(data)-2000):])
	}
	if err != nil {
		fmt.Fprintln(&b, err)
	}
	return b.String()
}
