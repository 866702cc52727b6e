package config

import (
	"fmt"
	"slices"

	"github.com/seguehq/segue/internal/deploy"
)

// A claim is one address and route that a service wants for itself.
type claim struct {
	addr  string
	route deploy.Route
}

// checkTogether refuses services that cannot run side by side.
func checkTogether(top scope, f *File) {
	claims := map[claim]*Service{}
	owner := map[string]*Service{} // of an address: the first that listens there
	var addrs []string
	for i := range f.Services {
		s := &f.Services[i]
		in := top.of(s)
		in.checkMirror(f, s)
		for _, addr := range s.Listen {
			if first := owner[addr]; first == nil {
				addrs = append(addrs, addr)
				owner[addr] = s
			} else if (first.TLS == nil) != (s.TLS == nil) {
				in.fail("listen", fmt.Sprintf("%s (line %d) listens on this address too, and only one of the two has tls", first.Name, first.Line), "give both tls, or another address")
			}
			if in.claimSocket(owner[addr], s) {
				continue
			}
			if first := owner[addr]; first != s {
				in.shares(addr, s, first)
			}
			in.claimRoutes(claims, s, addr)
		}
	}
	top.checkAddresses(f, append(addrs, top.previews(f, owner)...), owner)
}

// previews adds the addresses of previews, which nobody else may have.
func (s scope) previews(f *File, owner map[string]*Service) (addrs []string) {
	for i := range f.Services {
		service := &f.Services[i]
		p := service.Strategy.Preview
		if p == nil || p.Listen == "" || slices.Contains(service.Listen, p.Listen) {
			continue
		}
		if other := owner[p.Listen]; other != nil {
			s.of(service).fail("strategy.preview.listen", fmt.Sprintf("%s (line %d) has this address already", other.Name, other.Line), "give the preview an address of its own")
			continue
		}
		owner[p.Listen] = service
		addrs = append(addrs, p.Listen)
	}
	return addrs
}

// shares refuses what cannot hold for one of two services on an address alone.
func (s scope) shares(addr string, service, first *Service) {
	if service.Proxy.Protocol == deploy.TCP || first.Proxy.Protocol == deploy.TCP {
		s.fail("listen", fmt.Sprintf("%s (line %d) listens on %s too, and one of the two takes every connection as it is (proxy.protocol: tcp)", first.Name, first.Line, addr), "give it an address of its own")
		return
	}
	if !slices.Equal(slices.Sorted(slices.Values(service.Proxy.AcceptProxy)), slices.Sorted(slices.Values(first.Proxy.AcceptProxy))) {
		s.fail("proxy.proxy_protocol.accept", fmt.Sprintf("%s (line %d) listens on %s too, and takes PROXY headers from other networks", first.Name, first.Line, addr), "write the same for both: who a connection is from is known before its service")
	}
}

// of is the scope of one service.
func (s scope) of(service *Service) scope {
	if !s.has("services") {
		_, s.name = s.root.get("service")
		return s
	}
	_, all := s.root.get("services")
	s.name, s.root = all.get(service.Name)
	s.path = "services." + clip(service.Name)
	return s
}

// claimSocket refuses two services on one address when one of them accepts on
// it by itself: nobody would sort the requests.
func (s scope) claimSocket(first, service *Service) (refused bool) {
	if first != service && (first.Inherits() || service.Inherits()) {
		s.fail("listen", fmt.Sprintf("%s (line %d) listens on this address too, and with via: socket nothing sorts the requests of two services", first.Name, first.Line), "give one of the two another address")
		return true
	}
	return false
}

func (s scope) claimRoutes(claims map[claim]*Service, service *Service, addr string) {
	routes := service.Routes
	if len(routes) == 0 {
		routes = []deploy.Route{{}}
	}
	for _, r := range routes {
		c := claim{addr, r.Match()}
		if first := claims[c]; first == nil {
			claims[c] = service
		} else if first != service {
			path := "listen"
			if s.has("routes") {
				path = "routes"
			}
			s.fail(path, fmt.Sprintf("%s (line %d) takes %s on this address already", first.Name, first.Line, requests(r)), "give one of the two other routes or another address")
		}
	}
}

// requests tells people what a route takes.
func requests(r deploy.Route) string {
	if r.Match() == (deploy.Route{}) {
		return "all requests"
	}
	return "the same requests"
}

// checkAddresses refuses addresses of which the kernel lets only one be opened.
func (s scope) checkAddresses(f *File, addrs []string, owner map[string]*Service) {
	byPort := map[string][]string{}
	for _, addr := range addrs {
		for _, other := range byPort[portOf(addr)] {
			if clash(addr, other) {
				s.of(owner[addr]).fail("listen", fmt.Sprintf("this address and the one of %s (line %d) cannot both be opened: one is every interface of the same port", owner[other].Name, owner[other].Line), "write the same address for both, or another port")
			}
		}
		byPort[portOf(addr)] = append(byPort[portOf(addr)], addr)
		if f.Metrics != "" && (addr == f.Metrics || clash(addr, f.Metrics)) {
			s.fail("metrics", fmt.Sprintf("the service in line %d listens on this port already", owner[addr].Line), "use another port")
		}
	}
}
