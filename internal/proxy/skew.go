package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seguehq/segue/internal/proxy/wire"
)

// Skew is what the proxy does for pages in browsers, which outlive the release
// that they were loaded from. Each answer says in the field Segue-Release which
// release gave it. A page gets a cookie with that at its loading, and whatever it
// asks for by the cookie, or by a field of that name, goes to an instance of that
// release for as long as one can be chosen: else to anybody's. It never waits for
// one, nor fails for want of one. Under /.segue/ pages learn of newer releases.
type Skew struct {
	// Current is the release that pages are told of: a page that is loaded now
	// must get it. "" tells them of none.
	Current string `json:"current,omitempty"`
	// Breaking is the newest release, Current or an older one, that pages of those
	// before it cannot work with; "" none.
	Breaking string `json:"breaking,omitempty"`
	// Stay is for how long the instances of a release are kept when it was
	// replaced. The cookie lives for a day more.
	Stay time.Duration `json:"stay,omitempty"`
	// Barred are releases that nobody can ask for: not out yet, or being taken back.
	Barred []string `json:"barred,omitempty"`
	// Assets are files of kept releases that are served when instances know
	// nothing of them.
	Assets []Assets `json:"assets,omitempty"`
}

// Assets are folders of files below one path. A GET or HEAD below it that an
// instance answers 404 is looked for in the folders, and the first file of that
// name is the answer.
type Assets struct {
	Path string     `json:"path"` // "/assets/"
	Dirs []AssetDir `json:"dirs"` // the newest first
}

// AssetDir is the folder of one release. One that is not there holds no files.
type AssetDir struct {
	Release string `json:"release"`
	Dir     string `json:"dir"` // absolute
}

// releaseName is the field, and releaseCookie the cookie, by which a page says
// which release it is of. The field is also on answers.
const (
	releaseName   = "Segue-Release"
	releaseCookie = "segue-release"
)

// cookieLives is how long the cookie outlives Skew.Stay: pages stay open for long
// before their release is replaced.
const cookieLives = 24 * time.Hour

func (s *Skew) validate() error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, a := range s.Assets {
		if !strings.HasPrefix(a.Path, "/") || !strings.HasSuffix(a.Path, "/") {
			errs = append(errs, fmt.Errorf("the path of assets %q does not begin and end with a slash", a.Path))
		}
		for _, d := range a.Dirs {
			if !filepath.IsAbs(d.Dir) {
				errs = append(errs, fmt.Errorf("the folder of assets %q is not absolute", d.Dir))
			}
		}
	}
	return errors.Join(errs...)
}

// crews gives the instances of each release that can be asked for.
func (s *Skew) crews(instances []*instance) map[string][]*instance {
	if s == nil {
		return nil
	}
	m := map[string][]*instance{}
	for _, in := range instances {
		if !slices.Contains(s.Barred, in.Release) {
			m[in.Release] = append(m[in.Release], in)
		}
	}
	return m
}

// stayWith takes an instance of the release that the request's page is of; nil
// when none can be chosen, or a match of the Split keeps the request from others.
// A request that was tried on one of its instances in vain leaves the release
// when that has no other.
func (t *target) stayWith(w *wish, now int64, tried []*instance) *instance {
	crew := t.crews[w.stay]
	if len(crew) == 0 {
		return nil
	}
	if t.division != nil {
		if _, _, only := t.division.side(w); only {
			return nil
		}
	}
	if in := t.favourite(w.token, now, tried); in != nil && in.Release == w.stay {
		return in
	}
	return pick(crew, now, tried).best
}

// A request's part in skew.
type paged struct {
	release  string // that its page is of; "" it is of none, or is the loading of a page
	document bool   // it loads a page: the answer's release is to be the page's
}

// pagedOf reads it. Only what a person sees as a page counts as the loading of one,
// not a frame in it. A form that is sent is of the page it stands on.
func pagedOf(method string, field func(name string) string, cookie func() string) (p paged) {
	dest, mode := field("Sec-Fetch-Dest"), field("Sec-Fetch-Mode")
	switch {
	case dest != "":
		p.document = dest == "document"
	case mode != "":
		p.document = mode == "navigate"
	default: // a browser without Fetch Metadata
		p.document = (method == "GET" || method == "HEAD") && strings.Contains(field("Accept"), "text/html")
	}
	if p.release = field(releaseName); p.release != "" {
		p.document = false // a script asks
		return p
	}
	if !p.document || method != "GET" && method != "HEAD" {
		p.release = cookie()
	}
	return p
}

// page finds out which release the request's page is of, and takes the field off
// it, which is between page and proxy.
func (x *exchange) findPage() {
	if x.target.cfg.Skew == nil {
		return
	}
	h := x.r.Header
	p := pagedOf(x.r.Method, h.Get, func() (v string) {
		for v = range cookies(h, releaseCookie) {
			break
		}
		return v
	})
	x.wish.stay, x.document = p.release, p.document
	if h[releaseName] != nil {
		delete(h, releaseName)
	}
}

// pagedFast is findPage for the fast path. What it gives holds for as long as the
// request's bytes do.
func pagedFast(r *wire.Request) paged {
	get := func(name string) string {
		for i := range r.Fields {
			if strings.EqualFold(view(r.Fields[i].Name), name) {
				return view(r.Fields[i].Value)
			}
		}
		return ""
	}
	return pagedOf(view(r.Method), get, func() string { return cookieIn(r) })
}

// cookieIn is the release in a request's cookies.
func cookieIn(r *wire.Request) string {
	for i := range r.Fields {
		if !strings.EqualFold(view(r.Fields[i].Name), "Cookie") {
			continue
		}
		for v := range cookies(map[string][]string{"Cookie": {view(r.Fields[i].Value)}}, releaseCookie) {
			return v
		}
	}
	return ""
}

// signPage gives a page that was loaded its release.
func (x *exchange) signPage(h map[string][]string, status int) {
	s := x.target.cfg.Skew
	if s == nil || !x.document || !isPage(h["Content-Type"], status) {
		return
	}
	x.setCookieFor(h, releaseCookie, x.in.Release, s.Stay+cookieLives, "")
	// All tabs share the cookie. This is kept with the document, also in a cache.
	h["Server-Timing"] = append(h["Server-Timing"], releaseCookie+`;desc="`+x.in.Release+`"`)
}

// isPage tells whether an answer is a page, or says that the one which the
// browser has is this one.
func isPage(kind []string, status int) bool {
	if len(kind) == 0 {
		return status == 304
	}
	k := strings.ToLower(kind[0])
	return strings.HasPrefix(k, "text/html") || strings.HasPrefix(k, "application/xhtml+xml")
}

func isReleaseName(name []byte) bool {
	return len(name) == len(releaseName) && strings.EqualFold(view(name), releaseName)
}

// mayBeKept tells whether a kept release may have the file that the instance has
// not.
func (t *trip) mayBeKept() bool {
	if t.target.cfg.Skew == nil {
		return false
	}
	path, _, _ := bytes.Cut(t.uri, []byte{'?'})
	dirs, _ := t.target.assetsFor(view(t.method), unescaped(path))
	return len(dirs) > 0
}
