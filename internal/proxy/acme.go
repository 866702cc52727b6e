package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// ACME says from whom a service's certificates are got (RFC 8555): one for
// each exact host of its routes. Whoever names it agrees to the CA's terms.
type ACME struct {
	CA    string `json:"ca,omitempty"`    // URL of its directory; "" is Let's Encrypt
	Email string `json:"email,omitempty"` // where the CA can reach the operator; may be ""
	Roots string `json:"roots,omitempty"` // PEM file to verify the CA's own server with; "" is the system's
}

// keeper gets and renews the certificates of hosts by ACME. What it has stands
// in a folder that all proxies of a machine share, with locks: the next proxy
// has the certificates at once, and no two order the same.
//
// The CA's question is answered on the listener that the certificate is for
// (TLS-ALPN-01, RFC 8737), by whichever proxy it reaches.
//
// The methods of certmagic's cache are never called with mu held, as the cache
// asks back.
type keeper struct {
	log *slog.Logger

	mu    sync.Mutex
	cache *certmagic.Cache // nil before the first host
	store certmagic.Storage
	zap   *zap.Logger
	hosts map[string]*managed
	over  bool // it is told to stop
}

// managed is one host's certificate.
type managed struct {
	acme    ACME
	config  *certmagic.Config // nil while it is only expected
	cancel  context.CancelFunc
	problem string // why the last attempt failed
	lasting bool   // no attempt will do better
	news    bell   // rings when there is a certificate, or a failure
}

// challengeProtocol is what the CA asks for by ALPN (RFC 8737 §3).
const challengeProtocol = "acme-tls/1"

// renewEvery is the pause between two looks at what is to be renewed. It is
// short for the sake of CAs whose certificates live for minutes.
const renewEvery = 10 * time.Second

// expect notes the hosts of a table that is about to be the current one. From
// then on handshakes for them wait, for follow comes later: it needs the
// listeners, and those already accept.
func (k *keeper) expect(c Config) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return
	}
	for host, s := range c.acmeHosts() {
		if k.hosts == nil {
			k.hosts = map[string]*managed{}
		}
		if k.hosts[host] == nil {
			k.hosts[host] = &managed{acme: *s.ACME, cancel: func() {}}
		}
	}
}

// follow takes the hosts of a table under management and lets go of others.
// addr tells where a service is reached.
func (k *keeper) follow(c Config, addr func(Service) (host string, port int)) {
	wanted := c.acmeHosts()
	k.mu.Lock()
	idle := k.over || len(wanted) == 0 && k.cache == nil
	k.mu.Unlock()
	if idle {
		return
	}
	k.open(c.ACMEStorage)
	k.drop(wanted)
	for host, s := range wanted {
		k.manage(host, *s.ACME, func() (string, int) { return addr(s) })
	}
}

// acmeHosts gives the hosts that want certificates, and for each the first
// service that names it.
func (c Config) acmeHosts() map[string]Service {
	wanted := map[string]Service{}
	for _, s := range c.Services {
		for _, host := range s.acmeHosts() {
			if _, twice := wanted[host]; !twice {
				wanted[host] = s
			}
		}
	}
	return wanted
}

// acmeHosts lists the hosts that a service wants certificates for.
func (s Service) acmeHosts() []string {
	if s.ACME == nil {
		return nil
	}
	var hosts []string
	for _, r := range s.Routes {
		if r.Host != "" && !strings.Contains(r.Host, "*") {
			hosts = append(hosts, normalHost(r.Host))
		}
	}
	return hosts
}

func (k *keeper) open(folder string) {
	if k.cache != nil {
		return
	}
	logger := zap.New(toSlog{k.log})
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   k.configFor,
		RenewCheckInterval: renewEvery,
		Logger:             logger,
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cache, k.zap, k.store = cache, logger, &certmagic.FileStorage{Path: folder}
}

// configFor is asked by the cache with its lock held.
func (k *keeper) configFor(c certmagic.Certificate) (*certmagic.Config, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, name := range c.Names {
		if m := k.hosts[name]; m != nil {
			return m.config, nil
		}
	}
	return nil, fmt.Errorf("%v is not wanted any more", c.Names)
}

func (k *keeper) drop(wanted map[string]Service) {
	var gone []certmagic.SubjectIssuer
	k.mu.Lock()
	for host, m := range k.hosts {
		if _, stays := wanted[host]; !stays {
			m.cancel()
			delete(k.hosts, host)
			gone = append(gone, certmagic.SubjectIssuer{Subject: host})
		}
	}
	k.mu.Unlock()
	k.cache.RemoveManaged(gone)
}

// manage begins to keep a certificate for a host, or changes from whom the
// next one is got; the one there is stays in use until then.
func (k *keeper) manage(host string, a ACME, addr func() (string, int)) {
	k.mu.Lock()
	m := k.hosts[host]
	k.mu.Unlock()
	if m != nil && m.config != nil && m.acme == a && !m.lasting {
		return
	}
	next := &managed{acme: a}
	pool, err := rootsFrom(a.Roots)
	if err != nil {
		next.problem, next.lasting = err.Error(), true
		k.log.Error("certificates cannot be got", "host", host, "error", err)
	}
	listenHost, port := addr()
	next.config = certmagic.New(k.cache, certmagic.Config{Storage: k.store, Logger: k.zap, OnEvent: k.heard})
	next.config.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(next.config, certmagic.ACMEIssuer{
		CA: a.CA, Email: a.Email, Agreed: true, TrustedRoots: pool, Logger: k.zap,
		DisableHTTPChallenge: true,
		// Where we listen already, so that certmagic opens no listener of its own.
		ListenHost: listenHost, AltTLSALPNPort: port,
	})}
	ctx, cancel := context.WithCancel(context.Background())
	next.cancel = cancel
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		cancel()
		return
	}
	if m != nil {
		m.cancel()
		defer m.news.ring()
	}
	k.hosts[host] = next
	next.config.ManageAsync(ctx, []string{host}) // its error is of what it does not do: on-demand certificates
}

func rootsFrom(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// heard is told by certmagic of what becomes of a host.
func (k *keeper) heard(_ context.Context, event string, data map[string]any) error {
	names, _ := data["sans"].([]string)
	if name, ok := data["identifier"].(string); ok {
		names = []string{name}
	}
	for _, name := range names {
		k.mu.Lock()
		m := k.hosts[name]
		k.mu.Unlock()
		if m == nil {
			continue
		}
		switch event {
		case "cert_failed":
			k.tell(m, fmt.Sprint(data["error"]))
		case "cert_obtained":
			k.log.Info("a certificate was got by ACME", "host", name, "renewal", data["renewal"])
			k.tell(m, "")
		case "cached_managed_cert":
			m.news.ring()
		}
	}
	return nil
}

func (k *keeper) tell(m *managed, problem string) {
	k.mu.Lock()
	if !m.lasting {
		m.problem = problem
	}
	k.mu.Unlock()
	if problem != "" {
		m.news.ring()
	}
}

// newest gives a host's certificate, or nil.
func (k *keeper) newest(host string) *tls.Certificate {
	k.mu.Lock()
	cache := k.cache
	k.mu.Unlock()
	if cache == nil {
		return nil
	}
	var best *tls.Certificate
	for _, c := range cache.AllMatchingCertificates(host) {
		if best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter) {
			best = &c.Certificate
		}
	}
	return best
}

// firstWait is how long a handshake waits for a host's first certificate.
const firstWait = 10 * time.Second

// await is newest that waits for the first certificate, while it is not known
// that it cannot be had.
func (k *keeper) await(ctx context.Context, host string) *tls.Certificate {
	ctx, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	for {
		k.mu.Lock()
		m := k.hosts[host]
		var news <-chan struct{}
		if m != nil && m.problem == "" {
			news = m.news.wait()
		}
		k.mu.Unlock()
		c := k.newest(host)
		if c != nil || news == nil {
			return c
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil
		}
	}
}

// trouble tells what is wrong with the certificates of some hosts, or "".
func (k *keeper) trouble(hosts []string) string {
	var all []string
	for _, host := range hosts {
		k.mu.Lock()
		m := k.hosts[host]
		var text string
		if m != nil {
			text = m.problem
		}
		k.mu.Unlock()
		missing := k.newest(host) == nil
		switch {
		case missing && text == "":
			all = append(all, host+": no certificate yet; it is being asked for")
		case missing:
			all = append(all, host+": no certificate: "+text)
		case text != "":
			all = append(all, host+": not renewed: "+text)
		}
	}
	return strings.Join(all, "; ")
}

// challenge gives the configuration that answers the CA's question, or nil if
// this is none.
func (k *keeper) challenge(h *tls.ClientHelloInfo) *tls.Config {
	if len(h.SupportedProtos) != 1 || h.SupportedProtos[0] != challengeProtocol {
		return nil
	}
	config := k.configOf(h.Context(), normalHost(h.ServerName))
	if config == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{challengeProtocol},
		GetCertificate: config.GetCertificate,
	}
}

// configOf gives how a host's certificate is kept, once that is known; nil if
// nobody keeps it.
func (k *keeper) configOf(ctx context.Context, host string) *certmagic.Config {
	for {
		k.mu.Lock()
		m := k.hosts[host]
		if m == nil {
			k.mu.Unlock()
			return nil
		}
		config, news := m.config, m.news.wait()
		k.mu.Unlock()
		if config != nil {
			return config
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil
		}
	}
}

// stop ends what is under way; certificates that are there stay in use. It
// returns when certmagic has stopped looking after them.
func (k *keeper) stop() {
	k.mu.Lock()
	cache := k.cache
	was := k.over
	k.over = true
	for _, m := range k.hosts {
		m.cancel()
	}
	k.mu.Unlock()
	if cache != nil && !was {
		cache.Stop()
		certmagic.CleanUpOwnLocks(context.Background(), k.zap)
	}
}

// where tells the address of a service's first listener; p.mu is held.
func (p *proxy) where(s Service) (host string, port int) {
	for _, key := range s.Listen {
		addr := key
		if l := p.listeners[key]; l != nil {
			addr = l.ln.Addr().String()
		}
		if h, text, err := net.SplitHostPort(addr); err == nil {
			host = h
			port, _ = strconv.Atoi(text) // 0 is certmagic's default
			return host, port
		}
	}
	return "", 0
}
