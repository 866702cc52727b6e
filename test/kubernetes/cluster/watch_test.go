//go:build kubernetes

package cluster_test

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/seguehq/segue/internal/engine/kubernetes"
	"github.com/seguehq/segue/test/kubernetes/kubelab"
)

func TestEveryStateOfAPodIsSeen(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	v := p.look()
	if _, err := p.Apply(p.ctx, p.service(), p.shop(1, "BOOT", "2s")); err != nil {
		t.Fatal(err)
	}
	seen := map[kubernetes.State]bool{}
	look := func(now kubernetes.Picture) {
		for _, pod := range now.Pods {
			seen[pod.State] = true
		}
	}
	p.until(v, "it is listed", func(now kubernetes.Picture) bool {
		look(now)
		return settled(now) && now.Pods[0].Routed && now.Pods[0].Zone != ""
	})
	p.w.Kubectl("delete", "pod", v.Now().Pods[0].Name, "--wait=false")
	p.until(v, "it has a successor", func(now kubernetes.Picture) bool {
		look(now)
		return settled(now) && len(now.Pods) == 1
	})
	for _, s := range []kubernetes.State{kubernetes.Pulling, kubernetes.Probing, kubernetes.Ready, kubernetes.Draining} {
		if !seen[s] {
			t.Errorf("nobody was seen %s: %v", s, seen)
		}
	}
}

func TestAPodThatLeavesIsSentNothingMoreWhileItServesOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	v := p.running(2)
	leaver := v.Now().Pods[0].Name
	p.w.Kubectl("delete", "pod", leaver, "--wait=false")
	of := func(now kubernetes.Picture) kubernetes.Pod {
		for _, pod := range now.Pods {
			if pod.Name == leaver {
				return pod
			}
		}
		return kubernetes.Pod{}
	}
	p.until(v, "it is sent nothing new", func(now kubernetes.Picture) bool { return !of(now).Routed })
	for _, pod := range v.Now().Pods {
		if pod.Name == leaver && (pod.State != kubernetes.Draining || !pod.Serving) {
			t.Errorf("while it sleeps before its signal, it is %+v", pod)
		}
	}
	p.until(v, "it is gone, and no slice names it", func(now kubernetes.Picture) bool {
		return of(now).Name == "" && !slices.Contains(now.Stale, leaver)
	})
}

func TestWhyAReleaseHangsIsToldWithItsLastWords(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	v := p.running(2)
	explained := func(what string, words ...string) {
		t.Helper()
		p.until(v, what, func(now kubernetes.Picture) bool {
			text := p.Explain(p.ctx, now, "shop")
			for _, w := range words {
				if !strings.Contains(text, w) {
					return false
				}
			}
			t.Log(text)
			return true
		})
	}
	crash := p.shop(2, "EXIT", "1")
	p.Apply(p.ctx, crash)
	explained("it crashes", "ended with exit code", "  | ", "release ")

	missing := p.shop(2)
	missing.Spec.Template.Spec.Containers[0].Image = p.w.Lab.Registry + "/nobody/nothing:1"
	p.Apply(p.ctx, missing)
	explained("its image is not there", "pulling: ", "nobody/nothing:1")

	p.Apply(p.ctx, p.shop(2, "BROKEN", "1"))
	explained("it is never ready", "probe: ", "statuscode: 503")

	p.w.Kubectl("create", "quota", "few", "--hard=pods=2")
	p.Apply(p.ctx, p.shop(4))
	explained("there is no room for it", "exceeded quota: few")
}

func TestAWatchIsTakenUpAgainWhenTheServerIsBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	server := relayTo(t, p.w)
	p.Cluster = open(t, kubernetes.Place{Kubeconfig: server.kubeconfig})
	v := p.running(1)

	server.cut()
	p.w.Kubectl("scale", "deployment/shop", "--replicas=3") // by another way
	p.w.Kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
	p.w.Until("it is known that the server is away", func() bool { return v.Away() != nil })
	if n := len(v.Now().Pods); n != 1 {
		t.Fatalf("behind its back there are %d pods in the picture", n)
	}
	applied := make(chan error, 1)
	go func() {
		_, err := p.Apply(p.ctx, p.service()) // waits for the server, which has been there
		applied <- err
	}()
	server.mend()
	p.until(v, "all three are seen", func(now kubernetes.Picture) bool { return settled(now) && len(now.Pods) == 3 })
	if err := <-applied; err != nil {
		t.Errorf("what was applied meanwhile: %v", err)
	}
	p.w.Until("all watches stand again", func() bool { return v.Away() == nil })
}

// relay stands between us and the API server, and can be away.
type relay struct {
	kubeconfig string
	address    string
	to         string // HOST:PORT; set before anybody connects

	mu    sync.Mutex
	in    net.Listener
	conns []net.Conn
}

func relayTo(t *testing.T, w *kubelab.World) *relay {
	t.Helper()
	r := &relay{address: "127.0.0.1:0"}
	r.mend()
	t.Cleanup(r.cut)
	r.kubeconfig = changed(w, func(c *api.Config) {
		for _, cluster := range c.Clusters {
			r.to = strings.TrimPrefix(cluster.Server, "https://")
			cluster.TLSServerName, _, _ = net.SplitHostPort(r.to)
			cluster.Server = "https://" + r.address
		}
	})
	return r
}

func (r *relay) mend() {
	in, err := net.Listen("tcp", r.address)
	if err != nil {
		panic(err)
	}
	r.mu.Lock()
	r.in, r.address = in, in.Addr().String()
	r.mu.Unlock()
	go func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			go r.pass(c)
		}
	}()
}

func (r *relay) pass(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer up.Close()
	r.mu.Lock()
	r.conns = append(r.conns, c, up)
	r.mu.Unlock()
	go io.Copy(up, c)
	io.Copy(c, up)
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.Close()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}
