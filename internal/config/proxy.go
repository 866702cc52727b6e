package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seguehq/segue/internal/deploy"
)

// extras fills in what a service's path of requests can do beyond forwarding.
func (s scope) extras(out *deploy.Proxy, name string, set *proxySettings) {
	if r := set.Retry; r != nil {
		out.Retry = &deploy.Retry{Budget: int(r.Budget), Least: int(r.Least)}
	}
	if o := set.Outlier; o != nil {
		out.Outlier = &deploy.Outlier{Failures: int(o.Failures), For: time.Duration(o.For), Most: int(o.Most), Errors: bool(o.Errors)}
	}
	out.Mirror = s.mirror(name, set.Mirror)
	out.Sticky = s.sticky(name, set.Sticky)
	out.Rate = s.rate(set.Rate)
	out.Pages = s.pages(set.Pages)
}

// mostMirrored is what the proxy keeps of a request's body.
const mostMirrored = 64 << 10

func (s scope) mirror(name string, set *mirror) *deploy.Mirror {
	if set == nil {
		return nil
	}
	to := string(set.To)
	switch {
	case s.failed("proxy.mirror"):
	case to == "":
		s.fail("proxy.mirror", "the copies go nowhere", "name another service: mirror: {to: NAME, share: 10%}")
	case !dnsLabel.MatchString(to):
		s.fail("proxy.mirror.to", "this is no service's name", "write the name of another service")
	case to == name:
		s.fail("proxy.mirror.to", "a service cannot be its own mirror", "name another one")
	case set.MaxBody > mostMirrored:
		s.fail("proxy.mirror.max_body", "larger bodies are passed on as they come, and not kept for a copy", "write 64KiB or less")
	}
	return &deploy.Mirror{To: to, Percent: int(set.Share), MaxBody: int64(set.MaxBody), Unsafe: bool(set.Unsafe)}
}

// checkMirror looks for the service that gets the copies.
func (s scope) checkMirror(f *File, service *Service) {
	m := service.Proxy.Mirror
	if m == nil || m.To == "" {
		return
	}
	n := slices.IndexFunc(f.Services, func(other Service) bool { return other.Name == m.To })
	switch {
	case n < 0:
		s.warn("proxy.mirror.to", "this file has no service "+clip(m.To), "nothing is copied unless the agent runs one, of another file")
	case !f.Services[n].Proxied() || f.Services[n].Proxy.Protocol == deploy.TCP:
		s.fail("proxy.mirror.to", m.To+" takes no HTTP requests from the proxy", "name a service that does")
	}
}

func (s scope) sticky(name string, set *sticky) *deploy.Sticky {
	if set == nil {
		return nil
	}
	out := &deploy.Sticky{Cookie: string(set.Cookie), TTL: time.Duration(set.TTL)}
	if !s.has("proxy.sticky.cookie") {
		out.Cookie = "segue-" + name
	} else if !isCookieName(out.Cookie) && !s.failed("proxy.sticky") {
		s.fail("proxy.sticky.cookie", "this cannot be the name of a cookie", "use letters, digits, - and _")
	}
	return out
}

// isCookieName wants a token (RFC 6265 §4.1.1, RFC 9110 §5.6.2).
func isCookieName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
}

// longestPer keeps what the proxy counts in nanoseconds within an int64.
const longestPer = time.Hour

func (s scope) rate(set *rate) *deploy.Rate {
	if set == nil {
		return nil
	}
	out := &deploy.Rate{Requests: int(set.Requests), Per: time.Duration(set.Per), Burst: int(set.Burst)}
	if !s.has("proxy.rate.burst") {
		out.Burst = out.Requests
	}
	switch {
	case s.failed("proxy.rate"):
	case !s.has("proxy.rate.requests"):
		s.fail("proxy.rate", "it does not say how many requests", "write rate: {requests: 100, per: 1s}")
	case out.Per > longestPer:
		s.fail("proxy.rate.per", "a rate is counted over an hour at most", "write 1h or less, and fewer requests")
	}
	return out
}

// Bounds of pages, which are kept with the release and given to the proxy.
const (
	mostPage  = 256 << 10
	mostPages = 1 << 20
)

// refusals are the statuses that the proxy answers by itself.
var refusals = []int{400, 404, 408, 413, 429, 431, 502, 503, 504}

// pages reads the files: a release has to show them when the folder that they
// came from has gone, and again after a rollback.
func (s scope) pages(files pages) map[int]string {
	if len(files) == 0 {
		return nil
	}
	out, total := map[int]string{}, 0
	_, section := s.find("proxy.pages")
	for _, e := range section.entries {
		name, ok := files[e.key.text]
		status, _ := strconv.Atoi(e.key.text) // checked when it was read
		if !ok {
			continue
		}
		fail := func(what, mend string) {
			s.r.failAt(e.value.line, e.value.col, join(s.path, "proxy.pages."+e.key.text), what, mend)
		}
		data, err := readBounded(s.absolute(name), clip(e.value.text))
		total += len(data)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			fail(err.Error(), "name a file with HTML, relative to segue.yaml")
		case err != nil:
			fail(err.Error(), "")
		case len(data) > mostPage:
			fail("a page of more than 256 KiB", "put its pictures elsewhere")
		case total > mostPages:
			fail("with this one, the pages have more than 1 MiB", "make them smaller")
		case len(data) == 0 || !utf8.Valid(data):
			fail("the file is empty, or no text in UTF-8", "write a whole HTML page into it")
		}
		out[status] = string(data)
	}
	return out
}

// read takes the pages' file names, by status.
func (v *pages) read(c cursor) {
	if c.n.kind != mapping {
		c.fail("found "+c.n.found()+" where STATUS: file pairs are wanted", "write pages: {503: errors/503.html}")
		return
	}
	out := make(pages, len(c.n.entries))
	for _, e := range c.n.entries {
		at := cursor{r: c.r, lookup: c.lookup, n: e.value, path: join(c.path, clip(e.key.text)), tag: c.tag}
		status, err := strconv.Atoi(e.key.text)
		if err != nil || !slices.Contains(refusals, status) || strconv.Itoa(status) != e.key.text {
			c.r.failAt(e.key.line, e.key.col, at.path, "the proxy itself never answers this", fmt.Sprintf("it can be one of %s", refusalList(", ")))
			continue
		}
		if name, _, _, ok := at.scalar("a file"); ok {
			if name == "" {
				at.fail("the file is not named", "name a file with HTML, relative to segue.yaml")
				continue
			}
			out[e.key.text] = name
		}
	}
	*v = out
}

func refusalList(sep string) string {
	var all []string
	for _, status := range refusals {
		all = append(all, strconv.Itoa(status))
	}
	return strings.Join(all, sep)
}

func (v *share) read(c cursor) {
	s, _, secret, ok := c.scalar("a percentage")
	if !ok {
		return
	}
	digits, percent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(digits)
	low, _ := strconv.Atoi(c.tag.Get("min"))
	switch {
	case err == nil && !percent && !secret:
		c.fail(clip(s)+" has no %", "write "+clip(s)+"% if that is meant")
	case err != nil || !percent:
		c.fail(c.shown()+" is not a whole percentage", "write it like 20%")
	case n < low || n > 100:
		c.fail(fmt.Sprintf("%s is not between %d%% and 100%%", c.shown(), low), "")
	default:
		*v = share(n)
	}
}
