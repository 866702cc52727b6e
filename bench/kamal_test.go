//go:build bench

package bench

import (
	"net"
	"path/filepath"
)

// startKamal runs kamal-proxy as it is: it has no switch for its log of
// requests, which goes to /dev/null, none for how many idle connections to the
// instance it keeps, and none for the address, so that it listens on every
// interface while it is measured.
func startKamal(b *bench, p peer, at site) (*proc, string) {
	b.t.Helper()
	addr := freeAddr(b.t)
	env := []string{"HOME=" + b.dir, "XDG_RUNTIME_DIR=" + b.dir, "KAMAL_PROXY_SOCKET=" + filepath.Join(b.dir, "kamal.sock")}
	ports := []string{"--http-port", portOf(addr), "--https-port", "0"}
	deploy := []string{p.bin, "deploy", "web", "--target", at.upstream, "--health-check-path", "/"}
	if at.tls {
		ports = []string{"--http-port", "0", "--https-port", portOf(addr)}
		deploy = append(deploy, "--host", certName, "--tls", "--tls-certificate-path", b.certFile(), "--tls-private-key-path", b.keyFile(),
			"--forward-headers") // which it does by itself without TLS
	}
	cpu, load, _ := cpus()
	proc := b.start(cpu, env, append([]string{p.bin, "run"}, ports...))
	b.until("kamal-proxy takes commands", func() bool {
		c, err := net.Dial("unix", filepath.Join(b.dir, "kamal.sock"))
		return err == nil && c.Close() == nil
	})
	if _, err := b.output(load, env, deploy...); err != nil {
		b.t.Fatal(err)
	}
	return proc, addr
}
