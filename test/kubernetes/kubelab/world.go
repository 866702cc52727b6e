// Package kubelab runs tests against the real cluster of test/kubernetes/lab:
// each in a namespace of its own, with the real segue binary, real images that
// nodes pull, and a drill as the witness. What a test has made goes with its
// namespace.
//
// Its users have the build tag kubernetes: without it there are no such tests, so
// that nothing passes that has not run.
package kubelab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/test/harness"
)

// A World is a project's folder, from which segue commands go to a namespace of
// the cluster.
type World struct {
	*harness.World
	Lab        Lab
	Namespace  string
	Kubeconfig string // of an admin whose namespace this is
}

// New makes a namespace and an empty project. The segue commands of the World are
// the race-detecting binary, and find the cluster by $KUBECONFIG.
func New(t testing.TB) *World {
	t.Helper()
	lab, err := find()
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Lab: lab, Namespace: namespace(t.Name())}
	Outside(t, func() { w.World = harness.New(t) })
	w.Kubeconfig = filepath.Join(filepath.Dir(w.Dir), "kubeconfig")
	config, err := os.ReadFile(lab.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config = bytes.ReplaceAll(config, []byte("namespace: default"), []byte("namespace: "+w.Namespace))
	if err := os.WriteFile(w.Kubeconfig, config, 0o600); err != nil {
		t.Fatal(err)
	}
	w.Env = append(w.Env, "KUBECONFIG="+w.Kubeconfig)
	w.Kubectl("create", "namespace", w.Namespace)
	t.Cleanup(w.leave)
	w.Until("the namespace has its account", func() bool {
		_, err := w.kubectl("", "get", "serviceaccount", "default")
		return err == nil
	})
	return w
}

// namespace is a name for a test's namespace that tells whose it is.
func namespace(test string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, strings.TrimPrefix(test, "Test"))
	return fmt.Sprintf("%s-%04x", strings.Trim(name[:min(len(name), 40)], "-"), rand.N(1<<16))
}

// leave tells what is there if the test has failed, and removes it.
func (w *World) leave() {
	if w.T.Failed() {
		w.T.Log(w.Tell())
	}
	if out, err := w.kubectl("", "delete", "namespace", w.Namespace, "--wait=false"); err != nil {
		w.T.Errorf("delete namespace %s: %v\n%s", w.Namespace, err, out)
	}
}

// Tell is what somebody would look at to find out what went wrong.
func (w *World) Tell() string {
	var b strings.Builder
	for _, args := range []string{
		"get all,endpointslices,poddisruptionbudgets,configmaps,leases -o wide",
		"get events --sort-by=.lastTimestamp",
		"describe pods",
		"logs --selector=app.kubernetes.io/managed-by=segue --all-containers --prefix --tail=20 --ignore-errors",
	} {
		out, err := w.kubectl("", strings.Fields(args)...)
		fmt.Fprintf(&b, "$ kubectl %s\n%s", args, out)
		if err != nil {
			fmt.Fprintln(&b, err)
		}
	}
	return b.String()
}

// Kubectl runs kubectl in the namespace and returns what it has said. Its failure
// is the test's.
func (w *World) Kubectl(args ...string) string {
	w.T.Helper()
	return w.give("", args...)
}

// Apply gives objects, as YAML, to the cluster.
func (w *World) Apply(yaml string) {
	w.T.Helper()
	w.give(yaml, "apply", "--server-side", "--filename=-")
}

// Refused runs kubectl, with something to read, for what must fail, and returns
// what was said.
func (w *World) Refused(input string, args ...string) string {
	w.T.Helper()
	out, err := w.kubectl(input, args...)
	if err == nil {
		w.T.Errorf("kubectl %s: want it refused, have %q", strings.Join(args, " "), out)
	}
	return out
}

// Drain empties a node, or only of the pods that the flags name, and gives it back
// when the test ends. Tests that have wishes about nodes do not run beside it.
func (w *World) Drain(node string, flags ...string) {
	w.T.Helper()
	w.T.Cleanup(func() { w.Kubectl("uncordon", node) })
	w.Kubectl(append([]string{"drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s"}, flags...)...)
}

func (w *World) give(input string, args ...string) string {
	w.T.Helper()
	out, err := w.kubectl(input, args...)
	if err != nil {
		w.T.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (w *World) kubectl(input string, args ...string) (string, error) {
	cmd := exec.Command(w.Lab.Hyper(), append([]string{"kubectl", "--kubeconfig", w.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Eventually waits until kubectl says want. It asks, as kubectl's own --for=jsonpath
// waits for one object only.
func (w *World) Eventually(want string, args ...string) {
	w.T.Helper()
	var have string
	for deadline := time.Now().Add(2 * time.Minute); ; {
		have, _ = w.kubectl("", args...) // an error's text is not what is wanted, either
		if have = strings.TrimSpace(have); have == want {
			return
		}
		if time.Now().After(deadline) {
			w.T.Fatalf("kubectl %s: want %q, two minutes later it is still %q", strings.Join(args, " "), want, have)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Address is HOST:PORT of a Service in the cluster, by its first port.
func (w *World) Address(service string) string {
	w.T.Helper()
	return w.Kubectl("get", "service", service, "--output=jsonpath={.spec.clusterIP}:{.spec.ports[0].port}")
}
