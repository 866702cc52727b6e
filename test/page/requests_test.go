package page_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// requests: those of the page say which release it is of, to its own service only.
func requests(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("7", "")
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*") // and no fields of ours
		fmt.Fprintf(w, "%s, release %q", r.Method, r.Header.Get("Segue-Release"))
	}))
	t.Cleanup(foreign.Close)
	s.api = func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("to") != "" {
			http.Redirect(w, r, r.FormValue("to"), http.StatusFound)
			return
		}
		body, _ := io.ReadAll(r.Body) // the browser's: it says what there is
		fmt.Fprintf(w, "%s %q %s", r.Method, r.Header.Get("Segue-Release"), body)
	}
	x := b.open(t, b.somebody(t), s.URL, noted)
	for call, want := range map[string]string{
		`fetch("/api").then((r) => r.text())`:                                          `GET "7" `,
		`fetch(new Request("/api", {method: "PUT", body: "a"})).then((r) => r.text())`: `PUT "7" a`,
		`fetch("/api", new Request("/x", {method: "DELETE"})).then((r) => r.text())`:   `DELETE "7" `,
		`fetch("/api", {headers: {"Segue-Release": "3"}}).then((r) => r.text())`:       `GET "3" `,
		`fetch("/api", {segue: "off"}).then((r) => r.text())`:                          `GET "" `,
		`fetch("` + foreign.URL + `").then((r) => r.text())`:                           `GET, release ""`,
		`fetch("/api?to=` + foreign.URL + `").then((r) => r.text())`:                   `GET, release ""`,
		`fetch("http://")`: `TypeError: Failed to execute 'fetch' on 'Window': Failed to parse URL from http://`,
		`new Promise((ok) => { const x = new XMLHttpRequest(); x.onload = () => ok(x.responseText); x.open("POST", "api"); x.send("c") })`:             `POST "7" c`,
		`new Promise((ok) => { const x = new XMLHttpRequest(); x.onload = () => ok(x.responseText); x.open("GET", "` + foreign.URL + `"); x.send() })`: `GET, release ""`,
	} {
		x.want(`(`+call+`).catch((e) => String(e))`, want)
	}
}

// patience: a request that can be repeated waits out a 503 that says when, with a line; the
// page sees no error. Others get it as it is.
func patience(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	var mu sync.Mutex
	left := map[string]int{} // path → 503s to come
	after := func(r *http.Request) string { return r.FormValue("after") }
	s.api = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // the browser's: it says what there is
		mu.Lock()
		defer mu.Unlock()
		left[r.FormValue("key")]++
		if left[r.FormValue("key")] <= 2 || r.FormValue("key") == "" {
			w.Header().Set("Retry-After", after(r))
			w.WriteHeader(503)
			return
		}
		fmt.Fprintf(w, "%s %s", r.Method, body)
	}
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.get(`window.answers = {}; window.ask = (name, ...q) => fetch(...q).then((r) => r.text().then((text) => answers[name] = r.status + " " + text), (e) => answers[name] = e.name); 1`)
	date := time.Now().UTC().Format(http.TimeFormat) // it has passed by the time it is read
	x.get(`ask("get", "/api?key=get&after=0");
	ask("date", "/api?key=date&after=` + strings.ReplaceAll(date, " ", "%20") + `");
	ask("put", "/api?key=put&after=0", {method: "PUT", body: "b", headers: {"Idempotency-Key": "k"}});
	ask("marked", "/api?key=marked&after=0", {method: "POST", body: new Blob(["c"]), segue: "wait"});
	ask("post", "/api?key=post&after=0", {method: "POST", body: "d"});
	ask("long", "/api?after=3600"); ask("none", "/api?after=soon"); 1`)
	x.is(`Object.keys(answers).length === 7`)
	for name, want := range map[string]string{"get": "200 GET ", "date": "200 GET ", "put": "200 PUT b", "marked": "200 POST c", "post": "503 ", "long": "503 ", "none": "503 "} {
		x.want(`answers.`+name, want)
	}
	x.is(`heard.some((h) => h.startsWith("segue:back")) && ` + shown + ` === ""`)

	// One that would wait for a minute: it can be called off, and goes on as soon as
	// the service is back.
	s.say("maintenance", `{"closed":"all","why":"new shelves","retry_after":60}`)
	x.get(`window.off = new AbortController(); ask("off", "/api?after=60", {signal: off.signal}); ask("soon", "/api?key=soon&after=60"); 1`)
	x.is(shown + `.startsWith("One moment – we are back in ")`)
	x.shot("wait")
	x.get(`off.abort(); 1`)
	x.is(`answers.off === "AbortError"`)
	mu.Lock()
	left["soon"] = 2
	mu.Unlock()
	s.say("maintenance", `{"closed":""}`)
	x.is(`answers.soon === "200 GET "`)
	x.is(shown + ` === ""`)
}

// policy: the strictest policies have nothing against it.
func policy(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	s.header.Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-n1'; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'")
	s.pages["/"] = tag(`nonce=n1 data-notice`) + `<input name=name>`
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.is(`segue.current === "1"`)
	x.do("fill", "[name=name]", "Ada")
	s.now("2", "")
	x.is(shown + ` !== ""`)
	x.want(`getComputedStyle(document.querySelector("segue-line")).position`, "fixed")
	s.now("3", "3")
	x.is(`document.body.dataset.release === "3" && window.restored`)
	x.want(`document.querySelector("[name=name]").value`, "Ada")
	x.calm()
}

// module: for those who bundle; and all that was begun can be ended.
func module(t *testing.T, b *browser) {
	s := newSite(t)
	s.now("1", "")
	s.pages["/"] = `<script type=module>
	const before = window.fetch;
	const { connect } = await import("/segue-mjs");
	window.handle = connect({ notice: true });
	window.again = connect() === handle;
	window.end = () => (handle.close(), window.fetch === before);
	</script>`
	x := b.open(t, b.somebody(t), s.URL, noted)
	x.is(`window.handle?.current === "1"`)
	x.want(`again && typeof window.segue`, "undefined")
	s.now("2", "")
	x.is(shown + ` !== ""`)
	x.want(`end() && !document.querySelector("segue-line")`, "true")
	until(t, "the stream is closed", func() bool { return s.open() == 0 })
	x.calm()
}
