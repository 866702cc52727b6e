//go:build bench

package bench

import (
	"debug/buildinfo"
	"embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/proxy"
	"github.com/seguehq/segue/test/harness"
)

//go:embed peers
var peerFiles embed.FS

// A peer is a proxy that is measured.
type peer struct {
	name    string
	bin     string   // found by find
	variant bool     // of Segue; not compared with
	version []string // arguments that make it tell its version
	start   func(b *bench, p peer, upstream string) (*proc, string)
}

// The first is what there is without a proxy, the second what all others are
// compared with.
const direct, ours = "no proxy", "Segue"

// peers are those that this machine has.
func peers(t *testing.T) (have []peer) {
	t.Helper()
	segue := harness.SegueFast(t)
	all := []peer{
		{name: direct, bin: "-", start: func(_ *bench, _ peer, upstream string) (*proc, string) { return nil, upstream }},
		{name: ours, bin: segue, start: startSegue("")},
		{name: "Segue, access log on", bin: segue, variant: true, start: startSegue(os.DevNull)},
		{name: "kamal-proxy", bin: find("KAMAL_PROXY", "kamal-proxy"), start: startKamal},
		{name: "Caddy", bin: find("CADDY", "caddy"), version: []string{"version"},
			start: configured("Caddyfile", "run", "--adapter", "caddyfile", "--config")},
		{name: "Traefik", bin: find("TRAEFIK", "traefik"), version: []string{"version"},
			start: configured("traefik.yaml", "--configFile=")},
		{name: "HAProxy", bin: find("HAPROXY", "haproxy"), version: []string{"-v"}, start: configured("haproxy.cfg", "-q", "-db", "-f")},
		{name: "nginx", bin: find("NGINX", "nginx"), version: []string{"-v"}, start: configured("nginx.conf", "-c")},
	}
	only := os.Getenv("SEGUE_BENCH_PEERS") // for a look at some
	for _, p := range all {
		switch {
		case p.bin == "":
			t.Logf("%s is not here, and is left out", p.name)
		case only != "" && !strings.Contains(","+only+",", ","+p.name+","):
		default:
			have = append(have, p)
		}
	}
	return have
}

// find takes a program from an environment variable, or from PATH.
func find(variable, name string) string {
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// about tells a peer's version in one line, and what built it, if Go did.
func (p peer) about() string {
	var s string
	if p.version != nil {
		out, err := exec.Command(p.bin, p.version...).CombinedOutput()
		if err != nil {
			return "version unknown"
		}
		s, _, _ = strings.Cut(string(out), "\n")
		s, _, _ = strings.Cut(s, " - ")
	}
	if info, err := buildinfo.ReadFile(p.bin); err == nil {
		s += " built by " + info.GoVersion
	}
	return strings.TrimSpace(s)
}

// configured starts a peer with one of the files in peers/. Its last argument
// is followed by the file's path.
func configured(file string, args ...string) func(*bench, peer, string) (*proc, string) {
	return func(b *bench, p peer, upstream string) (*proc, string) {
		b.t.Helper()
		addr := freeAddr(b.t)
		path := b.fill(file, addr, upstream)
		argv := append([]string{p.bin}, args...)
		if last := len(argv) - 1; strings.HasSuffix(argv[last], "=") {
			b.fill("traefik-routes.yaml", addr, upstream)
			argv[last] += path
		} else {
			argv = append(argv, path)
		}
		cpu, _, _ := cpus()
		return b.start(cpu, []string{"HOME=" + b.dir, "XDG_CONFIG_HOME=" + b.dir, "XDG_DATA_HOME=" + b.dir}, argv), addr
	}
}

func (b *bench) fill(file, listen, upstream string) string {
	b.t.Helper()
	text, err := peerFiles.ReadFile("peers/" + file)
	if err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.dir, file)
	full := strings.NewReplacer("@LISTEN@", listen, "@UPSTREAM@", upstream, "@DIR@", b.dir).Replace(string(text))
	if err := os.WriteFile(path, []byte(full), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func freeAddr(t *testing.T) string { return fmt.Sprint("127.0.0.1:", harness.FreePort(t)) }

// startKamal runs kamal-proxy as it is: it has no switch for its log of
// requests, which goes to /dev/null, and none for the address, so that it
// listens on every interface while it is measured.
func startKamal(b *bench, p peer, upstream string) (*proc, string) {
	b.t.Helper()
	addr := freeAddr(b.t)
	_, port, _ := net.SplitHostPort(addr)
	env := []string{"HOME=" + b.dir, "XDG_RUNTIME_DIR=" + b.dir, "KAMAL_PROXY_SOCKET=" + filepath.Join(b.dir, "kamal.sock")}
	cpu, load, _ := cpus()
	proc := b.start(cpu, env, []string{p.bin, "run", "--http-port", port, "--https-port", "0"})
	deploy := []string{p.bin, "deploy", "web", "--target", upstream, "--health-check-path", "/"}
	b.until("kamal-proxy takes commands", func() bool {
		c, err := net.Dial("unix", filepath.Join(b.dir, "kamal.sock"))
		return err == nil && c.Close() == nil
	})
	if _, err := b.output(load, env, deploy...); err != nil {
		b.t.Fatal(err)
	}
	return proc, addr
}

// startSegue runs Segue's proxy as the agent starts it, and gives it a table
// with one instance.
func startSegue(accessLog string) func(*bench, peer, string) (*proc, string) {
	return func(b *bench, p peer, upstream string) (*proc, string) {
		b.t.Helper()
		l, addr := b.listen()
		defer l.Close()
		path := filepath.Join(b.dir, "segue.sock")
		_ = os.Remove(path) // of the round before
		ctl, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			b.t.Fatal(err)
		}
		ctl.SetUnlinkOnClose(false)
		defer ctl.Close()
		env, argv := proxy.Environ([]string{addr}), []string{p.bin, "proxy"}
		if profilePath() != "" && accessLog == "" {
			env, argv = append(env, roleEnv+"=proxy"), []string{b.self}
		}
		cpu, _, _ := cpus()
		proc := b.start(cpu, env, argv, ctl, l)
		table := proxy.Config{Version: 1, AccessLog: accessLog, Services: []proxy.Service{{Name: "web", Listen: []string{addr},
			Instances: []proxy.Instance{{ID: "web-1", Addr: upstream, Release: "1"}}}}}
		if err := proxy.NewClient(path).Apply(b.t.Context(), table); err != nil {
			b.t.Fatal(err)
		}
		return proc, addr
	}
}
