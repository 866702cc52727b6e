//go:build bench

package bench

import (
	"net"
	"os"
	"path/filepath"

	"github.com/seguehq/segue/internal/proxy"
)

// startSegue starts Segue's proxy with one instance.
func startSegue(accessLog string) func(*bench, peer, site) (*proc, string) {
	return func(b *bench, p peer, at site) (*proc, string) {
		b.t.Helper()
		return b.segue(p.bin, func(listen string) proxy.Config {
			web := proxy.Service{Name: "web", Listen: []string{listen}, Instances: []proxy.Instance{{ID: "web-1", Addr: at.upstream, Release: "1"}}}
			if at.tls {
				web.CertFile, web.KeyFile = b.certFile(), b.keyFile()
			}
			return proxy.Config{Version: 1, AccessLog: accessLog, Services: []proxy.Service{web}}
		})
	}
}

// control is where the proxy that listens at addr is commanded.
func (b *bench) control(addr string) string {
	return filepath.Join(b.dir, "segue-"+portOf(addr)+".sock")
}

// segue runs Segue's proxy as the agent starts it, and gives it the table for
// the address where it listens.
func (b *bench) segue(bin string, table func(listen string) proxy.Config) (*proc, string) {
	b.t.Helper()
	l, addr := b.listen()
	defer l.Close()
	path := b.control(addr)
	_ = os.Remove(path) // of one that had the port before
	ctl, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		b.t.Fatal(err)
	}
	ctl.SetUnlinkOnClose(false)
	defer ctl.Close()
	config := table(addr)
	env, argv := proxy.Environ([]string{addr}), []string{bin, "proxy"}
	if profilePath() != "" && config.AccessLog == "" {
		env, argv = append(env, roleEnv+"=proxy"), []string{b.self}
	}
	cpu, _, _ := cpus()
	proc := b.start(cpu, env, argv, ctl, l)
	if err := proxy.NewClient(path).Apply(b.t.Context(), config); err != nil {
		b.t.Fatal(err)
	}
	return proc, addr
}
