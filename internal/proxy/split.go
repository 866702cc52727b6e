package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Split divides a service's requests between the releases of its instances.
// It is decided for each request, before an instance is: first by Matches, the
// first that matches; then by Shares. Where the release that is chosen has no
// instance that can be, another one with a share is taken.
type Split struct {
	// Shares are the weights of the releases that get requests by chance; one
	// without a share gets only what matches.
	Shares  []Share      `json:"shares"`
	Matches []SplitMatch `json:"matches,omitempty"`
	// Cookie is the name of a cookie by which a client stays with the release it
	// got while that one's share does not shrink; "" sets none. It holds a number
	// from 0 to 9999 drawn once, not a release: as a share grows, clients only
	// move to it, and when it ends they all move back.
	Cookie string        `json:"cookie,omitempty"`
	TTL    time.Duration `json:"ttl,omitempty"` // of the cookie; 0: until the browser ends
	// Address makes the client's address stand for the cookie, which is then not set.
	Address bool `json:"address,omitempty"`
}

// Share is the weight of a release among the shares of a Split. The last one
// with a weight has the low numbers of the cookie.
type Share struct {
	Release string `json:"release"`
	Weight  int    `json:"weight"` // 0 or more; it gets Weight of the sum of all
}

// SplitMatch sends requests to a release. Those of its fields that are set must
// all match.
type SplitMatch struct {
	Release string `json:"release"`
	Listen  string `json:"listen,omitempty"` // key of the listener that the request came by
	Header  string `json:"header,omitempty"` // name of a field that the request has
	Cookie  string `json:"cookie,omitempty"` // name of a cookie that the request has
	Value   string `json:"value,omitempty"`  // of Header or Cookie, exactly; "" any
	// Only keeps the request from every other release: without an instance of
	// its own it waits, as for a service that has none.
	Only bool `json:"only,omitempty"`
}

// mostWeight bounds a share's weight, so that no sum of them overflows.
const mostWeight = 1_000_000

func (s *Split) weight() (sum int) {
	for _, share := range s.Shares {
		sum += share.Weight
	}
	return sum
}

// setsCookie tells whether clients get a cookie.
func (s *Split) setsCookie() bool { return s != nil && s.Cookie != "" && !s.Address }

// hasListener tells whether requests of a listener are led to a release.
func (s *Split) hasListener(key string) bool {
	return s != nil && slices.ContainsFunc(s.Matches, func(m SplitMatch) bool { return m.Listen == key })
}

func (s *Split) validate(of *Service) error {
	if s == nil {
		return nil
	}
	var errs []error
	seen := map[string]bool{}
	for _, share := range s.Shares {
		if share.Weight < 0 || share.Weight > mostWeight || seen[share.Release] {
			errs = append(errs, fmt.Errorf("release %q with the weight %d: from 0 to %d, and once", share.Release, share.Weight, mostWeight))
		}
		seen[share.Release] = true
	}
	if s.weight() == 0 {
		errs = append(errs, errors.New("no release has a share"))
	}
	if s.Cookie != "" && (!isToken(s.Cookie) || of.Sticky != nil && of.Sticky.Cookie == s.Cookie) {
		errs = append(errs, fmt.Errorf("%q is no name of a cookie, or the sticky one's", s.Cookie))
	}
	for _, m := range s.Matches {
		errs = append(errs, m.validate(s, of))
	}
	return errors.Join(errs...)
}

func (m *SplitMatch) validate(s *Split, of *Service) error {
	switch {
	case m.Listen == "" && m.Header == "" && m.Cookie == "":
		return fmt.Errorf("the match of release %q asks for nothing: it needs a listener, a header or a cookie", m.Release)
	case m.Listen != "" && !slices.Contains(of.Listen, m.Listen):
		return fmt.Errorf("the match of release %q has the listener %s, which must be among the service's", m.Release, m.Listen)
	case m.Header != "" && (!isToken(m.Header) || strings.EqualFold(m.Header, "Host")):
		return fmt.Errorf("%q is no name of a header that can be matched", m.Header)
	case m.Cookie != "" && !isToken(m.Cookie):
		return fmt.Errorf("%q is no name of a cookie", m.Cookie)
	case m.Cookie != "" && (m.Cookie == s.Cookie || of.Sticky != nil && m.Cookie == of.Sticky.Cookie):
		return fmt.Errorf("the cookie %q is the proxy's own and cannot be matched", m.Cookie)
	case m.Header != "" && m.Cookie != "" && m.Value != "":
		return fmt.Errorf("the match of release %q has one value for a header and a cookie: give a match for each", m.Release)
	}
	return nil
}
