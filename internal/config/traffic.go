package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/deploy"
)

// tls makes the certificate's paths absolute, or settles from whom it is got.
func (s scope) tls(set *tlsSettings, service *deploy.Service, worker bool) *deploy.TLS {
	if set == nil {
		return nil
	}
	if worker {
		s.fail("tls", "this service is a worker, so nobody connects to it", "take it out, or give the service a listen address")
		return nil
	}
	if set.ACME != nil {
		return s.acme(set, service)
	}
	s.named("tls.cert", set.Cert)
	s.named("tls.key", set.Key)
	return &deploy.TLS{Cert: s.absolute(string(set.Cert)), Key: s.absolute(string(set.Key))}
}

// acme checks what a CA would refuse.
func (s scope) acme(set *tlsSettings, service *deploy.Service) *deploy.TLS {
	for _, path := range []string{"tls.cert", "tls.key"} {
		if s.has(path) {
			s.fail(path, "the certificate is got by acme", "keep cert and key, or acme")
		}
	}
	if !bool(set.ACME.Agree) && !s.failed("tls.acme.agree") {
		s.fail("tls.acme.agree", "a CA issues certificates only to who agrees to its terms of service", "read them, for Let's Encrypt at https://letsencrypt.org/repository, and write agree: true")
	}
	if u, err := url.Parse(string(set.ACME.CA)); !s.failed("tls.acme.ca") && (err != nil || u.Scheme != "https" || u.Host == "") {
		s.fail("tls.acme.ca", "this is no https:// URL", "write the URL of the CA's ACME directory, or take it out for Let's Encrypt")
	}
	if !s.failed("routes") {
		s.checkHosts(service.Routes)
	}
	if !s.failed("listen") && !slices.ContainsFunc(service.Listen, func(addr string) bool { return portOf(addr) == "443" }) {
		s.warn("listen", "the CA asks back at port 443, where this service does not listen", "see to it that port 443 of its hosts leads here")
	}
	out := &deploy.ACME{CA: string(set.ACME.CA), Email: string(set.ACME.Email)}
	if set.ACME.Roots != "" {
		out.Roots = s.absolute(string(set.ACME.Roots))
	}
	return &deploy.TLS{ACME: out}
}

// checkHosts wants routes that say which hosts certificates are for.
func (s scope) checkHosts(routes []deploy.Route) {
	if len(routes) == 0 {
		s.fail("tls.acme", "no route says which hosts the certificates are for", "write routes: [{host: shop.example.com}]")
	}
	for _, r := range routes {
		switch {
		case r.Host == "":
			s.fail("routes", "a route for any host leaves open which hosts the certificates are for", "give each route a host, or use tls.cert and tls.key")
			return
		case strings.HasPrefix(r.Host, "*."):
			s.fail("routes", "a CA gives a certificate for "+r.Host+" only to who controls its DNS, which segue does not", "name the hosts one by one, or use tls.cert and tls.key")
			return
		}
	}
}

func (s scope) named(path string, file text) {
	if file == "" && !s.failed(path) {
		s.fail(path, "the file is not named", "name both: tls: {cert: shop.pem, key: shop-key.pem}")
	}
}

// routes checks and normalizes which requests go to the service.
func (s scope) routes(routes []route, worker bool) []deploy.Route {
	key, section := s.root.get("routes")
	switch {
	case key == nil:
		return nil
	case worker:
		s.fail("routes", "this service is a worker, so no request reaches it", "take it out, or give the service a listen address")
		return nil
	case section.kind == list && len(section.items) == 0:
		s.fail("routes", "the list is empty", "take it out: without it, every request goes to the service")
	}
	out := make([]deploy.Route, 0, len(routes))
	seen := map[deploy.Route]bool{}
	for i, r := range routes {
		item := section.items[i]
		if item.kind != mapping {
			continue // reported by decode
		}
		got, ok := s.route(item, r)
		if !ok {
			continue
		}
		match := got.Match()
		if seen[match] {
			s.r.failAt(item.line, item.col, join(s.path, "routes"), "this route stands here twice", "keep one of them")
		}
		seen[match] = true
		out = append(out, got)
	}
	return out
}

// route checks one entry of routes, and tells whether it can be used.
func (s scope) route(item *node, r route) (out deploy.Route, ok bool) {
	before := len(s.r.errs)
	var bad *flaw
	if _, n := item.get("host"); n != nil && r.Host != "" {
		if out.Host, bad = parseHost(string(r.Host)); bad != nil {
			s.r.failAt(n.line, n.col, join(s.path, "routes.host"), bad.what, bad.mend)
		}
	}
	if _, n := item.get("path"); n != nil && r.Path != "" {
		if out.Path, bad = parsePath(string(r.Path)); bad != nil {
			s.r.failAt(n.line, n.col, join(s.path, "routes.path"), bad.what, bad.mend)
		}
	}
	out.Drain = time.Duration(r.Drain)
	if len(item.entries) == 0 {
		s.r.failAt(item.line, item.col, join(s.path, "routes"), "the route says neither host nor path", "say one, or take routes out to get every request")
	}
	return out, len(s.r.errs) == before && len(item.entries) > 0
}

// networks checks a list of networks.
func (s scope) networks(path string, list words) []string {
	var out []string
	for i, cidr := range list {
		if cidr == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(cidr)
		if err == nil {
			out = append(out, prefix.Masked().String())
			continue
		}
		mend := "write it like 10.0.0.0/8 or fd00::/8"
		if ip := ipOf(cidr); ip.IsValid() {
			mend = fmt.Sprintf("for one address, write /%d behind it", ip.BitLen())
		}
		item := s.item(path, i)
		s.r.failAt(item.line, item.col, join(s.path, path), clip(item.text)+" is no network in CIDR form", mend)
	}
	return out
}

// bytes settles what is different where connections are passed on as bytes.
func (s scope) bytes(p *deploy.Proxy) {
	if p.Protocol != deploy.TCP {
		if p.SendProxy != "" {
			s.fail("proxy.proxy_protocol.send", "an HTTP instance is told of its client by Forwarded and X-Forwarded-For", "take it out, or set proxy.protocol: tcp")
		}
		return
	}
	if s.has("routes") {
		s.fail("routes", "with proxy.protocol: tcp there are no requests to tell apart", "take it out, and give the service addresses of its own")
	}
	s.onlyKeys("proxy", "protocol", "hold", "timeouts", "proxy_protocol")
	s.onlyKeys("proxy.timeouts", "header", "idle")
	if !s.has("proxy.timeouts.idle") {
		p.IdleTimeout = 0
	}
}

// onlyKeys refuses what says nothing to a service that takes bytes.
func (s scope) onlyKeys(path string, known ...string) {
	_, section := s.find(path)
	if section == nil {
		return
	}
	for _, e := range section.entries {
		if !slices.Contains(known, e.key.text) {
			s.fail(path+"."+e.key.text, "with proxy.protocol: tcp there are no requests that it could be about", "take it out")
		}
	}
}
