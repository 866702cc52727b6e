package tls_test

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seguehq/segue/test/harness"
)

// drillHost sends a drill to a host over TLS.
func drillHost(w *harness.World, c *tls.Config) *harness.Drill {
	return drillTLS(w, c, http.Header{"Host": {c.ServerName}})
}

// TestACME: a service gets its certificates by itself, before the first client
// is turned away, once for each host: neither an upgrade nor a death of the
// proxy or of the agent orders another.
func TestACME(t *testing.T) {
	w := harness.New(t)
	ca := startPebble(t, w)
	w.Web(2, "", ca.settings("shop.test", "www.shop.test"))
	agent := w.Agent()
	w.Must(0, "deploy")
	shop, www := ca.trusting("shop.test"), ca.trusting("www.shop.test")
	serial := get(t, w, shop).PeerCertificates[0].SerialNumber
	get(t, w, www)
	same := func(when string) {
		t.Helper()
		if now := get(t, w, shop).PeerCertificates[0].SerialNumber; now.Cmp(serial) != 0 {
			t.Errorf("%s the certificate is another", when)
		}
	}
	d := drillHost(w, shop)
	d.More(20)
	w.Must(0, "upgrade")
	d.More(20)
	same("after an upgrade")
	d.None()
	old := w.Status().Proxy.PID
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.Until("there is another proxy", func() bool { pid := w.Status().Proxy.PID; return pid != 0 && pid != old })
	same("after the proxy's death")
	agent.Kill()
	w.Agent()
	same("after the agent's death")
	if n := ca.issued(); n != 2 {
		t.Errorf("%d certificates were issued for two hosts", n)
	}
	if text := w.Service("web").Certificate; text != "" {
		t.Errorf("status complains: %s", text)
	}
	private(t, filepath.Join(w.State, "acme"))
}

// private wants that nobody else reads what is in a folder.
func private(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestACMERenewal: certificates are renewed while they are in use, by whichever
// proxy is the current one, and when the CA is gone the old one stays.
func TestACMERenewal(t *testing.T) {
	w := harness.New(t)
	ca := startPebble(t, w)
	w.Web(2, "", ca.settings("shop.test"))
	w.Agent()
	w.Must(0, "deploy")
	c := ca.trusting("shop.test")
	w.Until("there is a certificate", func() bool { return w.Service("web").Certificate == "" })
	get(t, w, c)
	d := drillHost(w, c)
	renewed := func() {
		t.Helper()
		old := get(t, w, c).PeerCertificates[0]
		ca.renewals.now(old)
		w.Until("another certificate is served", func() bool {
			return get(t, w, c).PeerCertificates[0].SerialNumber.Cmp(old.SerialNumber) != 0
		})
	}
	renewed()
	w.Must(0, "upgrade")
	renewed()
	ca.stop()
	last := get(t, w, c).PeerCertificates[0]
	ca.renewals.now(last)
	w.Until("status tells that it is not renewed", func() bool {
		return strings.Contains(w.Service("web").Certificate, "shop.test: not renewed: ")
	})
	if get(t, w, c).PeerCertificates[0].SerialNumber.Cmp(last.SerialNumber) != 0 {
		t.Error("the certificate that is good is not served")
	}
	if out := w.Must(0, "status").Out; !strings.Contains(out, "certificate: shop.test: not renewed") {
		t.Errorf("segue status:\n%s", out)
	}
	d.None()
}

// TestACMEUnreachable: while no certificate can be had, status tells why, and
// handshakes do not wait for it.
func TestACMEUnreachable(t *testing.T) {
	w := harness.New(t)
	ca := startPebble(t, w)
	ca.stop()
	w.Web(1, "", ca.settings("shop.test"))
	w.Agent()
	w.Must(0, "deploy")
	w.Until("status tells that there is none", func() bool {
		return strings.Contains(w.Service("web").Certificate, "shop.test: no certificate: ")
	})
	if c, err := tls.Dial("tcp", fmt.Sprint("127.0.0.1:", w.Port), &tls.Config{ServerName: "shop.test"}); err == nil {
		c.Close()
		t.Error("a handshake without a certificate")
	}
	if err := os.Remove(ca.roots); err != nil {
		t.Fatal(err)
	}
	w.Must(0, "upgrade")
	w.Until("status tells that the CA's roots are gone", func() bool {
		return strings.Contains(w.Service("web").Certificate, ca.roots)
	})
}
