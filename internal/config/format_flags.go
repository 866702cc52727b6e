package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"

	"github.com/seguehq/segue/internal/deploy"
)

// flags gives the file of feature flags as it is named, and where it is. What is in
// it is looked at when it is brought in.
func (s scope) flags(name string) (shown, file string) {
	if name == "" {
		if s.has("flags") && !s.failed("flags") {
			s.fail("flags", "the file is not named", "name a file with flags in flagd's JSON, relative to segue.yaml")
		}
		return "", ""
	}
	return filepath.ToSlash(filepath.Clean(name)), s.absolute(name)
}

// ofrep gives the services the address where their flags are evaluated. Who can
// reach it sees all of them, and so it is to be of this machine alone.
func (s scope) ofrep(f *File, addr string) {
	if addr == "" {
		return
	}
	host, _, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		s.fail("ofrep", "others can reach this address, and whoever asks there is told of all flags", "write an address of this machine alone, such as 127.0.0.1:8016; pages are told of public flags on the services' own addresses")
		return
	}
	for i := range f.Services {
		service := &f.Services[i]
		for _, own := range service.Addresses() {
			if own == addr || clash(own, addr) {
				s.fail("ofrep", fmt.Sprintf("%s (line %d) listens on %s", service.Name, service.Line, own), "give it a port of its own, such as 127.0.0.1:8016")
				return
			}
		}
		if service.Engine != "" && service.Engine != deploy.EngineProcess {
			s.warn("ofrep", "no agent of Segue's runs "+service.Name+", so that nobody evaluates its flags there", "in Go, package featureflag reads them from the store by itself; for other languages, run flagd there")
		}
		service.OFREP = addr
	}
}

// flagsElsewhere tells of flags where no agent brings them in.
func (s scope) flagsElsewhere(where string) {
	if s.has("flags") {
		s.warn("flags", "a deploy to "+where+" does not bring it in: no agent of Segue's is there", "run `segue flag apply` with the file before the deploy, where the store can be reached")
	}
}
