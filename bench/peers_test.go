//go:build bench

package bench

import (
	"debug/buildinfo"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
	start   func(b *bench, p peer, at site) (*proc, string)
}

// A site is what a proxy stands in front of, and what it speaks to clients.
type site struct {
	upstream string
	tls      bool // and HTTP/2 by ALPN; else HTTP/1.1 in plaintext
}

// The first is what there is without a proxy, the second what all others are
// compared with.
const direct, ours = "no proxy", "Segue"

// peers are those that this machine has.
func peers(t *testing.T) (have []peer) {
	t.Helper()
	segue := harness.SegueFast(t)
	all := []peer{
		{name: direct, bin: "-", start: func(_ *bench, _ peer, at site) (*proc, string) { return nil, at.upstream }},
		{name: ours, bin: segue, start: startSegue("")},
		{name: "Segue, access log on", bin: segue, variant: true, start: startSegue(os.DevNull)},
		{name: "kamal-proxy", bin: find("KAMAL_PROXY", "kamal-proxy"), start: startKamal},
		{name: "Caddy", bin: find("CADDY", "caddy"), version: []string{"version"},
			start: configured("Caddyfile", "tls @DIR@/cert.pem @DIR@/key.pem", "run", "--adapter", "caddyfile", "--config")},
		{name: "Traefik", bin: find("TRAEFIK", "traefik"), version: []string{"version"},
			start: configured("traefik.yaml", ", http: { tls: {} }", "--configFile=")},
		{name: "HAProxy", bin: find("HAPROXY", "haproxy"), version: []string{"-v"},
			start: configured("haproxy.cfg", "ssl crt @DIR@/both.pem alpn h2,http/1.1", "-q", "-db", "-f")},
		{name: "nginx", bin: find("NGINX", "nginx"), version: []string{"-v"}, start: configured("nginx.conf", "ssl http2", "-c")},
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

// configured starts a peer with one of the files in peers/; tls is put in where
// the file leaves room for it, when TLS is asked for. The last argument is
// followed by the file's path.
func configured(file, tls string, args ...string) func(*bench, peer, site) (*proc, string) {
	return func(b *bench, p peer, at site) (*proc, string) {
		b.t.Helper()
		addr, words := freeAddr(b.t), ""
		if at.tls {
			words = tls
		}
		path := b.fill(file, addr, words, at)
		argv := append([]string{p.bin}, args...)
		if last := len(argv) - 1; strings.HasSuffix(argv[last], "=") {
			b.fill("traefik-routes.yaml", addr, words, at)
			argv[last] += path
		} else {
			argv = append(argv, path)
		}
		cpu, _, _ := cpus()
		return b.start(cpu, []string{"HOME=" + b.dir, "XDG_CONFIG_HOME=" + b.dir, "XDG_DATA_HOME=" + b.dir}, argv), addr
	}
}

func (b *bench) fill(file, listen, tls string, at site) string {
	b.t.Helper()
	text, err := peerFiles.ReadFile("peers/" + file)
	if err != nil {
		b.t.Fatal(err)
	}
	scheme := "http"
	if at.tls {
		scheme = "https"
	}
	full := strings.ReplaceAll(string(text), "@TLS@", tls) // first: it names the folder
	full = strings.NewReplacer("@LISTEN@", listen, "@PORT@", portOf(listen), "@SCHEME@", scheme, "@UPSTREAM@", at.upstream, "@DIR@", b.dir).Replace(full)
	path := filepath.Join(b.dir, file)
	if err := os.WriteFile(path, []byte(full), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func freeAddr(t *testing.T) string { return fmt.Sprint("127.0.0.1:", harness.FreePort(t)) }

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
