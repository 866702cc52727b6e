package connections_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/drill"
	"github.com/seguehq/segue/test/harness"
)

// haproxy puts HAProxy in front of the world's port, as a load balancer that
// passes on connections and says whose they are in the given version of the
// PROXY protocol. It returns its address.
func haproxy(t *testing.T, w *harness.World, version string) string {
	t.Helper()
	bin := installed(t, "haproxy")
	addr := fmt.Sprint("127.0.0.1:", harness.FreePort(t))
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf(`
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen front
  bind %s
  server segue 127.0.0.1:%d %s
`, addr, w.Port, map[string]string{"v1": "send-proxy", "v2": "send-proxy-v2 proxy-v2-options crc32c"}[version])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-db", "-f", config)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails when it has ended already
		_ = cmd.Wait()         // by that signal
	})
	w.Until("HAProxy listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is needed; scripts/need %s installs it", name, name)
	}
	return path
}

// from asks a URL from an address of this machine, and returns the answer.
func from(t *testing.T, addr, url string) string {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		return d.DialContext(ctx, network, to)
	}}}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

const accept = "accept: [127.0.0.1/32]"

// TestBehindHAProxy: HAProxy tells whose a connection is, and the instance is
// told by X-Forwarded-For; nothing is lost when either side is replaced.
func TestBehindHAProxy(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	deploy := web("proxy: { proxy_protocol: { " + accept + " } }")
	deploy(w, 1)
	w.Agent()
	w.Must(0, "deploy")
	var drills []*harness.Drill
	for _, version := range []string{"v1", "v2"} {
		front := haproxy(t, w, version)
		if got := from(t, "127.0.0.7", "http://"+front+"/header?name=X-Forwarded-For"); got != "127.0.0.7" {
			t.Errorf("%s: the instance was told of %q", version, got)
		}
		drills = append(drills, w.Drill(100, func(p *drill.Plan) { p.URL = "http://" + front }))
	}
	for n := 2; n <= 3; n++ {
		deploy(w, n)
		w.Must(0, "deploy")
		w.Must(0, "upgrade")
		drills[n-2].More(30)
	}
	for _, d := range drills {
		d.None()
	}
}

// TestNginxBehind: between HAProxy and an nginx that both speak the PROXY
// protocol, connections are passed on with what it says, in the version that the
// release wants.
func TestNginxBehind(t *testing.T) {
	t.Parallel()
	w := harness.New(t)
	dir := t.TempDir()
	deploy := func(n int, version string) {
		w.Write("bin/web", nginx(installed(t, "nginx"), dir))
		w.Write("segue.yaml", fmt.Sprintf(`
service: web
listen: 127.0.0.1:%d
release: { files: [bin], command: bin/web }
replicas: 2
env: { N: "%d" }
stop: { signal: QUIT }
proxy: { protocol: tcp, proxy_protocol: { %s, send: %s } }
`, w.Port, n, accept, version))
		w.Must(0, "deploy")
	}
	w.Agent()
	deploy(1, "v1")
	front := haproxy(t, w, "v2")
	asked := func() {
		t.Helper()
		if got := from(t, "127.0.0.7", "http://"+front); got != "127.0.0.7" {
			t.Errorf("nginx was told of %q", got)
		}
	}
	asked()
	d := w.Drill(100, func(p *drill.Plan) {
		p.URL = "http://" + front
		p.Mix = drill.Mix{Fresh: 1}
		p.Expect.BodyEquals = []byte("127.0.0.1\n")
	})
	for n, version := range []string{"v2", "v1"} {
		deploy(n+2, version)
		asked()
		w.Must(0, "upgrade")
		d.More(30)
	}
	d.None()
}

// nginx is a program that answers with whose a connection is, as its PROXY
// header says.
func nginx(bin, dir string) string {
	return fmt.Sprintf(`#!/bin/sh
dir=%[2]s/$SEGUE_INSTANCE
mkdir -p $dir
cat >$dir/nginx.conf <<END
daemon off;
worker_processes 1;
pid $dir/pid;
error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path $dir/a; proxy_temp_path $dir/b; fastcgi_temp_path $dir/c; uwsgi_temp_path $dir/d; scgi_temp_path $dir/e;
  server {
    listen 127.0.0.1:$PORT proxy_protocol;
    return 200 "\$proxy_protocol_addr\n";
  }
}
END
exec %[1]s -p $dir -c $dir/nginx.conf
`, bin, dir)
}
