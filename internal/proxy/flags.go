package proxy

import (
	"bytes"
	"fmt"
	"net/http"
)

// A FlagServer makes the handler that evaluates flags by OFREP, from flagd's JSON,
// whatever stands before /ofrep in a request's path. With public it knows only
// the flags that browsers may see. It is called once for each document.
type FlagServer func(definitions []byte, public bool) (http.Handler, error)

// flags evaluates one service's flags; nil knows none. It never changes.
type flags struct {
	definitions []byte
	public      bool
	serve       http.Handler
}

func (f *flags) handler() http.Handler {
	if f == nil {
		return nil
	}
	return f.serve
}

// flagsOf gives who evaluates a service's flags: whoever did, while its
// definitions are the same. Such as cannot be read leave the old in force, for
// what an instance or page is told must not go back to defaults.
func (p *proxy) flagsOf(s *Service, old *target) *flags {
	var was *flags
	if old != nil {
		was = old.flags
	}
	if len(s.Flags) == 0 {
		return nil
	}
	if was != nil && was.public == !s.OFREP && bytes.Equal(was.definitions, s.Flags) {
		return was
	}
	h, err := p.makeFlags(s)
	if err != nil {
		p.log.Error("flags cannot be read; those of before stay in force", "service", s.Name, "error", err)
		return was
	}
	return &flags{s.Flags, !s.OFREP, h}
}

func (p *proxy) makeFlags(s *Service) (http.Handler, error) {
	if p.flagServer == nil {
		return nil, fmt.Errorf("this proxy evaluates none")
	}
	return p.flagServer(s.Flags, !s.OFREP)
}
