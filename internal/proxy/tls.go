package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// certs keeps the certificates that tables name, and follows their files.
type certs struct {
	mu      sync.Mutex
	files   map[certFiles]*cert
	configs map[string]*tls.Config // by listener
	tickets tickets
	acme    keeper
}

type certFiles struct{ cert, key string }

type cert struct {
	pair  *tls.Certificate
	stamp [2]fileStamp
	err   error // why the newest files are not in use
}

type fileStamp struct {
	mod  time.Time
	size int64
}

func (f certFiles) stamp() [2]fileStamp {
	return [2]fileStamp{stampOf(f.cert), stampOf(f.key)}
}

// stampOf tells one state of a file from another; it is zero where there is none.
func stampOf(path string) fileStamp {
	st, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{st.ModTime(), st.Size()}
}

// load brings in the certificates of a table. Only a certificate that was never
// there is an error; one that cannot be renewed stays as it is.
func (c *certs) load(services []Service) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[certFiles]*cert{}
	var errs []error
	for _, s := range services {
		if s.CertFile == "" {
			continue
		}
		f := certFiles{s.CertFile, s.KeyFile}
		e := c.files[f]
		if e == nil {
			e = &cert{}
		}
		if e.read(f); e.pair == nil {
			errs = append(errs, fmt.Errorf("service %s: certificate: %w", s.Name, e.err))
			continue
		}
		next[f] = e
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	c.files = next
	return nil
}

func (e *cert) read(f certFiles) {
	e.stamp = f.stamp()
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if e.err = err; err == nil {
		e.pair = &pair
	}
}

// refresh reads the files that have changed.
func (c *certs) refresh(log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f, e := range c.files {
		if f.stamp() == e.stamp {
			continue
		}
		if e.read(f); e.err != nil {
			log.Error("certificate cannot be read; keeping the old one", "file", f.cert, "error", e.err)
		} else {
			log.Info("certificate was renewed", "file", f.cert)
		}
	}
}

// problem tells why a service's newest certificate is not in use, or "".
func (c *certs) problem(s Service) string {
	if s.ACME != nil {
		return c.acme.trouble(s.acmeHosts())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.files[certFiles{s.CertFile, s.KeyFile}]; e != nil && e.err != nil {
		return e.err.Error()
	}
	return ""
}

func (c *certs) get(s Service) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.files[certFiles{s.CertFile, s.KeyFile}]; e != nil {
		return e.pair
	}
	return nil
}

// config gives a listener's TLS configuration: one for its whole life, so that
// sessions resume; the certificates are looked up in the table of the moment.
func (c *certs) config(p *proxy, key string) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cfg := c.configs[key]; cfg != nil {
		return cfg
	}
	if c.configs == nil {
		c.configs = map[string]*tls.Config{}
	}
	cfg := p.tlsConfig(key, "h2", "http/1.1")
	asIs := p.tlsConfig(key) // what is in the bytes of a TCP service is between its ends
	cfg.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if answer := c.acme.challenge(h); answer != nil {
			return answer, nil
		}
		if v := p.table.Load().listeners[key]; v != nil && v.bytes != nil {
			return asIs, nil
		}
		return nil, nil // as it is
	}
	c.configs[key] = cfg
	if len(c.tickets.keys) > 0 {
		cfg.SetSessionTicketKeys(c.tickets.keys)
	}
	return cfg
}

func (p *proxy) tlsConfig(key string, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     protocols,
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { return p.certificate(key, h) },
	}
}

// certificate gives the first certificate on a listener that fits the name the
// client asks for, else the first that there is. The first one ever of a host
// by ACME is waited for.
func (p *proxy) certificate(key string, h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	var first *tls.Certificate
	for _, s := range p.table.Load().config.Services {
		if !s.hasTLS() || !slices.Contains(s.Listen, key) {
			continue
		}
		for _, pair := range p.certs.of(s, h) {
			if h.SupportsCertificate(pair) == nil {
				return pair, nil
			}
			if first == nil {
				first = pair
			}
		}
	}
	if first == nil {
		return nil, errors.New("no certificate on this listener")
	}
	return first, nil
}

// of gives the certificates of a service that a client may get, the best first.
func (c *certs) of(s Service, h *tls.ClientHelloInfo) (pairs []*tls.Certificate) {
	if s.ACME == nil {
		if pair := c.get(s); pair != nil {
			pairs = append(pairs, pair)
		}
		return pairs
	}
	hosts := s.acmeHosts()
	if name := normalHost(h.ServerName); slices.Contains(hosts, name) {
		if pair := c.acme.await(h.Context(), name); pair != nil {
			return append(pairs, pair)
		}
	}
	for _, host := range hosts {
		if pair := c.acme.newest(host); pair != nil {
			return append(pairs, pair)
		}
	}
	return pairs
}

// hasTLS tells whether the service's listeners speak TLS.
func (s Service) hasTLS() bool { return s.CertFile != "" || s.ACME != nil }
