package proxy_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// page is an instance of a release: it answers a page at /, 404 below /assets/,
// and elsewhere what it has got of the field and who it is.
func page(t testing.TB, id, release string) proxy.Instance {
	in := backend(t, id, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Segue-Release", "made up")
		switch {
		case r.URL.Path == "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			io.WriteString(w, id)
		case strings.HasPrefix(r.URL.Path, "/assets/"):
			http.Error(w, "none "+id, http.StatusNotFound)
		default:
			io.WriteString(w, id+" "+r.Header.Get("Segue-Release"))
		}
	})
	in.Release = release
	return in
}

func skewed(t testing.TB, s proxy.Skew, more ...func(*proxy.Service)) *running {
	svc := proxy.Service{Skew: &s, Instances: []proxy.Instance{page(t, "a", "7"), page(t, "b", "8"), page(t, "c", "8"), page(t, "d", "8")},
		Split: &proxy.Split{Shares: []proxy.Share{{Release: "7"}, {Release: "8", Weight: 100}}}}
	for _, f := range more {
		f(&svc)
	}
	return start(t, svc)
}

// skew changes what the service says of pages.
func (r *running) skew(s proxy.Skew) {
	r.t.Helper()
	svc := r.cfg.Services[0]
	svc.Skew = &s
	r.cfg.Services = []proxy.Service{svc}
	if err := r.client.Apply(r.t.Context(), r.cfg); err != nil {
		r.t.Fatal(err)
	}
}

var (
	navigation = http.Header{"Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}, "Accept": {"text/html,*/*;q=0.8"}}
	aFetch     = http.Header{"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Accept": {"text/html"}}
)

func with(h http.Header, more ...string) http.Header {
	h = h.Clone()
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

// Each answer says which release gave it, once, whatever an instance says, and
// instances are not told.
func TestSkewSigns(t *testing.T) {
	p := skewed(t, proxy.Skew{Current: "8"})
	c := kept(t)
	for range 20 {
		res, body := send(t, c, "GET", p.url("/api"), "", with(aFetch, "Segue-Release", "7"))
		want(t, "releases", res.Header["Segue-Release"], "[7]")
		want(t, "body", body, "a ")
		want(t, "drill's", res.Header["Segue-Instance"], "[]")
		res, _ = send(t, c, "GET", p.url("/api"), "", aFetch)
		want(t, "releases", res.Header["Segue-Release"], "[8]")
	}
	res, _ := send(t, c, "GET", p.url("/api"), "", with(aFetch, "Segue-Drill", "1"))
	want(t, "a drill's", len(res.Header["Segue-Release"])+len(res.Header["Segue-Instance"]), 2)
	p.cfg.Services[0].Skew = nil
	p.route(p.cfg.Services[0].Instances...)
	res, body := send(t, c, "GET", p.url("/api"), "", with(aFetch, "Segue-Release", "7"))
	want(t, "without skew", res.Header["Segue-Release"], "[made up]")
	want(t, "without skew", body[1:], " 7")
}

// A page gets the release that answered as its own; what it asks for goes there by
// cookie or field, the field before the cookie; another page is loaded from
// whichever release is in force.
func TestSkewPages(t *testing.T) {
	p := skewed(t, proxy.Skew{Current: "8", Stay: 10 * time.Minute})
	c := kept(t)
	for name, h := range map[string]http.Header{
		"a navigation":              navigation,
		"one from an old page":      with(navigation, "Cookie", "x=1; segue-release=7"),
		"an old browser":            {"Accept": {"text/html"}},
		"an old browser, old page":  {"Accept": {"text/html"}, "Cookie": {"segue-release=7"}},
		"only the mode is told":     {"Sec-Fetch-Mode": {"navigate"}},
		"a page that does not know": with(navigation, "Cookie", "segue-release=nonsense"),
	} {
		res, body := send(t, c, "GET", p.url("/"), "", h)
		if body == "a" {
			t.Errorf("%s: answered by the old release", name)
		}
		set := res.Header.Get("Set-Cookie")
		if got := res.Header.Get("Server-Timing"); got != `segue-release;desc="8"` {
			t.Errorf("%s: Server-Timing: %q", name, got)
		}
		if len(res.Cookies()) != 1 || res.Cookies()[0].Value != "8" || !strings.HasPrefix(set, "segue-release=8; Path=/; SameSite=Lax; Max-Age=87000") {
			t.Errorf("%s: cookie %q", name, set)
		}
	}
	for name, q := range map[string]struct {
		method, path string
		h            http.Header
		want         string
	}{
		"a fetch by cookie":            {"GET", "/api", with(aFetch, "Cookie", "segue-release=7"), "7"},
		"a fetch by field":             {"GET", "/api", with(aFetch, "Segue-Release", "7"), "7"},
		"the field wins":               {"GET", "/api", with(aFetch, "Cookie", "segue-release=8", "Segue-Release", "7"), "7"},
		"a part of a page":             {"GET", "/", with(aFetch, "Cookie", "segue-release=7"), "7"},
		"a frame":                      {"GET", "/", with(navigation, "Sec-Fetch-Dest", "iframe", "Cookie", "segue-release=7"), "7"},
		"a write":                      {"POST", "/api", with(aFetch, "Cookie", "segue-release=7"), "7"},
		"a program without a page":     {"GET", "/api", nil, "8"},
		"a release that is not there":  {"GET", "/api", with(aFetch, "Cookie", "segue-release=6"), "8"},
		"a page of the new release":    {"GET", "/api", with(aFetch, "Cookie", "segue-release=8"), "8"},
		"a navigation with the field":  {"GET", "/api", with(http.Header{"Accept": {"text/html"}}, "Segue-Release", "7"), "7"},
		"a form, sent from an old one": {"POST", "/api", with(navigation, "Cookie", "segue-release=7"), "7"},
	} {
		for range 5 {
			res, _ := send(t, c, q.method, p.url(q.path), "", q.h)
			want(t, name, res.StatusCode, 200)
			want(t, name, res.Header.Get("Segue-Release"), q.want)
			want(t, name+": cookies", len(res.Cookies()), 0)
		}
	}
	res, _ := send(t, c, "POST", p.url("/"), "", with(navigation, "Cookie", "segue-release=7"))
	want(t, "a form whose answer is a page", res.Header.Get("Set-Cookie")[:15], "segue-release=7")
	res, _ = send(t, c, "GET", p.url("/api"), "", navigation)
	want(t, "a document that is no page", len(res.Cookies()), 0)
}

// A page's release is left for one that serves, without an error and at once: when
// its instances are gone, when they refuse connections, and when one dies with a
// request.
func TestSkewLeavesRelease(t *testing.T) {
	p := skewed(t, proxy.Skew{Current: "8"})
	old := with(aFetch, "Cookie", "segue-release=7")
	c := kept(t)
	dead := listen(t)
	gone := proxy.Instance{ID: "gone", Addr: dead.Addr().String(), Release: "7"}
	dead.Close()
	p.route(append(p.cfg.Services[0].Instances[1:], gone)...)
	for range 20 {
		res, _ := send(t, c, "POST", p.url("/api"), "x", old)
		want(t, "instead of one that refuses", res.StatusCode, 200)
		want(t, "release", res.Header.Get("Segue-Release"), "8")
	}
	p.route(p.cfg.Services[0].Instances[:3]...)
	res, _ := send(t, c, "GET", p.url("/api"), "", old)
	want(t, "none of the release", res.Header.Get("Segue-Release"), "8")
}

// Nobody can ask for a release that is not out, or is being taken back; and a
// match that keeps requests from others keeps pages, too.
func TestSkewBarred(t *testing.T) {
	preview := &proxy.Split{Shares: []proxy.Share{{Release: "7", Weight: 100}, {Release: "8"}},
		Matches: []proxy.SplitMatch{{Release: "8", Header: "X-Preview", Only: true}}}
	p := skewed(t, proxy.Skew{Current: "7", Barred: []string{"8"}}, func(s *proxy.Service) { s.Split = preview })
	c := kept(t)
	res, _ := send(t, c, "GET", p.url("/api"), "", with(aFetch, "Cookie", "segue-release=8"))
	want(t, "not out", res.Header.Get("Segue-Release"), "7")
	res, _ = send(t, c, "GET", p.url("/api"), "", with(aFetch, "Cookie", "segue-release=7", "X-Preview", "1"))
	want(t, "the preview", res.Header.Get("Segue-Release"), "8")
}

// assetFolders are two releases' folders, with what tries to get out of them.
func assetFolders(t *testing.T) []proxy.Assets {
	base := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("secret", "secret")
	write("7/app-3f2a9c1d.js", "old app")
	write("7/both.css", "old")
	write("7/deep/er.txt", "deep")
	write("8/both.css", "new")
	for _, link := range [][2]string{{"../secret", "7/out"}, {filepath.Join(base, "secret"), "7/absolute"}, {"both.css", "7/inside.css"}} {
		if err := os.Symlink(link[0], filepath.Join(base, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	return []proxy.Assets{{Path: "/assets/", Dirs: []proxy.AssetDir{{"9", filepath.Join(base, "9")}, {"8", filepath.Join(base, "8")}, {"7", filepath.Join(base, "7")}}}}
}

// What no instance has is found among the files of kept releases, the newest
// first, and nothing else is.
func TestSkewAssets(t *testing.T) {
	p := skewed(t, proxy.Skew{Current: "8", Assets: assetFolders(t)})
	c := kept(t)
	res, body := send(t, c, "GET", p.url("/assets/app-3f2a9c1d.js?v=1"), "", aFetch)
	want(t, "body", body, "old app")
	for field, value := range map[string]string{"Segue-Release": "7", "Content-Type": "text/javascript; charset=utf-8", "Content-Length": "7",
		"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"} {
		want(t, field, res.Header.Get(field), value)
	}
	tag := res.Header.Get("Etag")
	res, _ = send(t, c, "GET", p.url("/assets/app-3f2a9c1d.js"), "", with(aFetch, "If-None-Match", tag))
	want(t, "unchanged", res.StatusCode, 304)
	res, body = send(t, c, "GET", p.url("/assets/app-3f2a9c1d.js"), "", with(aFetch, "Range", "bytes=4-"))
	want(t, "a range", res.StatusCode, 206)
	want(t, "a range", body, "app")
	res, body = send(t, c, "HEAD", p.url("/assets/app-3f2a9c1d.js"), "", aFetch)
	want(t, "HEAD", res.StatusCode, 200)
	want(t, "HEAD", body+res.Header.Get("Content-Length"), "7")
	res, body = send(t, c, "GET", p.url("/assets/both.css"), "", aFetch)
	want(t, "the newest", body, "new")
	want(t, "without a digest", res.Header.Get("Cache-Control"), "public, max-age=60")
	for path, text := range map[string]string{"/assets/deep/er.txt": "deep", "/assets/inside.css": "old", "/assets/%62oth.css": "new"} {
		_, body := send(t, c, "GET", p.url(path), "", aFetch)
		want(t, path, body, text)
	}
	for _, path := range []string{"/assets/", "/assets/deep", "/assets/out", "/assets/absolute", "/assets/..%2f..%2fsecret", "/assets/../secret",
		"/assets/%2e%2e/secret", "/assets//etc/passwd", "/assets/none.js", "/assets/app-3f2a9c1d.js/", "/assets/a%00b"} {
		res, body := send(t, c, "GET", p.url(path), "", aFetch)
		if res.StatusCode == 200 && !strings.HasPrefix(body, "b ") && !strings.HasPrefix(body, "c ") && !strings.HasPrefix(body, "d ") || strings.Contains(body, "secret") {
			t.Errorf("%s: %d %q", path, res.StatusCode, body)
		}
	}
	res, _ = send(t, c, "POST", p.url("/assets/both.css"), "x", aFetch)
	want(t, "a POST is the instance's", res.StatusCode, 404)
}

// An asset is served when no instance of its release is there, of HTTP/2 instances
// too.
func TestSkewAssetsH2(t *testing.T) {
	in := h2Backend(t, "h", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	p := start(t, proxy.Service{Protocol: proxy.H2C, Instances: []proxy.Instance{in}, Skew: &proxy.Skew{Assets: assetFolders(t)}})
	res, body := get(t, kept(t), p.url("/assets/app-3f2a9c1d.js"))
	want(t, "status", res.StatusCode, 200)
	want(t, "body", body, "old app")
	want(t, "release", res.Header["Segue-Release"], "[7]")
	res, _ = get(t, kept(t), p.url("/assets/none"))
	want(t, "status", res.StatusCode, 404)
	eventually(t, "nothing is in flight", func() bool { return p.status().Services[0].Instances[0].InFlight == 0 })
}

// segue.js is the proxy's own, and so is all beside it.
func TestOwnScript(t *testing.T) {
	p := skewed(t, proxy.Skew{Current: "8"})
	c := kept(t)
	res, body := get(t, c, p.url("/.segue/segue.js"))
	want(t, "script", body, "/* a script */")
	want(t, "type", res.Header.Get("Content-Type"), "text/javascript; charset=utf-8")
	res, _ = send(t, c, "GET", p.url("/.segue/segue.js"), "", http.Header{"If-None-Match": {res.Header.Get("Etag")}})
	want(t, "unchanged", res.StatusCode, 304)
	for _, path := range []string{"/.segue/", "/.segue", "/.segue/x", "/%2esegue/x", "/.segue/events/x"} {
		res, _ = send(t, c, "GET", p.url(path), "", nil)
		want(t, path, res.StatusCode, 404)
	}
	res, _ = send(t, c, "POST", p.url("/.segue/events"), "x", nil)
	want(t, "POST", res.StatusCode, 405)
	_, body = send(t, c, "GET", p.url("/.seguex"), "", nil)
	want(t, "another path", body[1:], " ")
	n := 0
	for _, in := range p.status().Services[0].Instances {
		n += int(in.Requests)
	}
	want(t, "requests of instances", n, 1)
}
