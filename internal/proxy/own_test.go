package proxy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/internal/proxy"
)

// fakeFlags evaluates nothing: it answers with what it was made from, and how
// much of the body it could read.
func fakeFlags(definitions []byte, public bool) (http.Handler, error) {
	if strings.Contains(string(definitions), "broken") {
		return nil, errors.New("no flags at all")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		fmt.Fprintf(w, "%s public=%v %s %s %d", definitions, public, r.Method, r.URL.Path, len(body))
	}), nil
}

func definitions(s string) json.RawMessage { return json.RawMessage(`"` + s + `"`) }

// Flags that pages may see are evaluated on the service's own address, whatever
// is spoken there and whoever is there to answer anything else.
func TestOwnPath(t *testing.T) {
	p := start(t, proxy.Service{Flags: definitions("one"), Instances: []proxy.Instance{named(t, "a")}})
	const path = "/.segue/ofrep/v1/evaluate/flags"
	for name, c := range map[string]*http.Client{"HTTP/1.1": fresh(), "HTTP/2": over2(t)} {
		for _, try := range []struct{ path, want string }{
			{path, `"one" public=true POST ` + path + " 2"},
			{"/%2esegue/ofrep/v1/x", `"one" public=true POST /.segue/ofrep/v1/x 2`},
			{"/.segueway", "a "},
			{"/x/.segue/ofrep/v1/x", "a "},
		} {
			res, body := sendAs(t, c, "POST", p.url(try.path), "{}")
			if res.StatusCode != 200 || body != try.want {
				t.Errorf("%s %s: %d %q, want %q", name, try.path, res.StatusCode, body, try.want)
			}
		}
		for _, path := range []string{"/.segue", "/.segue/", "/.segue/ofrep", "/.segue/else"} {
			res, body := sendAs(t, c, "GET", p.url(path), "")
			if res.StatusCode != 404 || res.Header.Get("Segue-Error") != "not-found" || !strings.HasPrefix(body, "{") {
				t.Errorf("%s %s: %d %q", name, path, res.StatusCode, body)
			}
		}
	}
	p.close(&proxy.Maintenance{})
	if res, body := sendAs(t, fresh(), "POST", p.url(path), "{}"); res.StatusCode != 200 {
		t.Errorf("in maintenance: %d %q", res.StatusCode, body)
	}
	p.route()
	if res, body := sendAs(t, fresh(), "POST", p.url(path), strings.Repeat("x", 2<<20)); res.StatusCode != 413 {
		t.Errorf("more than it takes: %d %q", res.StatusCode, body)
	}
	for _, s := range p.status().Services {
		for _, r := range s.Releases {
			if r.Release != "r-a" || r.Requests != 4 {
				t.Errorf("counted for release %q: %d requests, want the 4 that an instance has answered", r.Release, r.Requests)
			}
		}
	}
}

// A service without anything of its own has the path for itself.
func TestOwnPathIsTheServicesWithoutFlags(t *testing.T) {
	p := start(t, proxy.Service{Instances: []proxy.Instance{named(t, "a")}})
	if res, body := sendAs(t, fresh(), "GET", p.url("/.segue/x"), ""); res.StatusCode != 200 || body != "a " {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

// A new document is in force with the table that brings it; the handler of one
// that stays goes on, and one that cannot be read changes nothing.
func TestFlagsChange(t *testing.T) {
	p := start(t, proxy.Service{Routes: []proxy.Route{{Path: "/shop/"}, {Host: "b.example"}}, Flags: definitions("one")})
	give := func(s string) {
		t.Helper()
		p.change(func(x *proxy.Service) {
			x.Flags = nil
			if s != "" {
				x.Flags = definitions(s)
			}
		})
	}
	const path = "/shop/.segue/ofrep/v1/evaluate/flags/a"
	for _, step := range []struct{ give, want string }{{"one", "one"}, {"two", "two"}, {"broken", "two"}, {"three", "three"}} {
		give(step.give)
		if res, body := sendAs(t, fresh(), "POST", p.url(path), ""); res.StatusCode != 200 || !strings.HasPrefix(body, `"`+step.want+`"`) {
			t.Errorf("%s: %d %q", step.give, res.StatusCode, body)
		}
	}
	give("")
	if res, _ := sendAs(t, fresh(), "GET", p.url("/elsewhere"), ""); res.StatusCode != 404 {
		t.Error("not a route of the service:", res.StatusCode)
	}
}

// An entry that is nothing but flags answers with all of them.
func TestOFREP(t *testing.T) {
	ln := listen(t)
	defer ln.Close()
	flags := func(name string) proxy.Service {
		return proxy.Service{Name: name + " (flags)", Listen: []string{key}, Routes: []proxy.Route{{Path: "/" + name}}, OFREP: true, Flags: definitions(name)}
	}
	p := startConfig(t, ln, proxy.Config{Version: 1, Services: []proxy.Service{flags("shop"), flags("depot"), {Name: "empty (flags)",
		Listen: []string{key}, Routes: []proxy.Route{{Path: "/empty"}}, OFREP: true}}}, 5*time.Second)
	for _, name := range []string{"shop", "depot"} {
		path := "/" + name + "/ofrep/v1/evaluate/flags/a"
		if _, body := sendAs(t, fresh(), "POST", p.url(path), "{}"); body != `"`+name+`" public=false POST `+path+" 2" {
			t.Errorf("%s: %q", name, body)
		}
	}
	for _, path := range []string{"/shop", "/shop/x", "/shopping/ofrep/v1/evaluate/flags", "/empty/ofrep/v1/evaluate/flags", "/"} {
		if res, _ := sendAs(t, fresh(), "POST", p.url(path), "{}"); res.StatusCode != 404 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	s := flags("bad")
	s.Instances = []proxy.Instance{{ID: "x", Addr: "127.0.0.1:1"}}
	if err := p.client.Apply(t.Context(), proxy.Config{Services: []proxy.Service{s}}); err == nil {
		t.Error("instances beside ofrep are taken")
	}
}
