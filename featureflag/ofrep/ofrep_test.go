package ofrep_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/featureflag/ofrep"
)

const flags = `{"flags": {
	"new": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
		"targeting": {"if": [{"==": [{"var": "plan"}, "gold"]}, "on"]}, "metadata": {"public": true, "owner": "shop"}},
	"size": {"state": "ENABLED", "variants": {"s": 10}, "defaultVariant": "s"},
	"own": {"state": "ENABLED", "variants": {"s": 10}},
	"dark": {"state": "DISABLED", "variants": {"s": {"a": 1}}, "defaultVariant": "s"},
	"a/b": {"state": "ENABLED", "variants": {"s": {"a": 1}}, "defaultVariant": "s"},
	"me": {"state": "ENABLED", "variants": {"s": "me"}, "targeting": {"if": [{"==": [{"var": "targetingKey"}, "u"]}, "s"]}},
	"wrong": {"state": "ENABLED", "variants": {"s": 10}, "targeting": {"whatever": 1}},
	"unknown": {"state": "ENABLED", "variants": {"s": 10}, "targeting": "t"}},
	"metadata": {"version": "7"}}`

func set(t testing.TB, document string) *featureflag.Set {
	d, err := featureflag.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return featureflag.Compile(d)
}

func handler(t testing.TB) http.Handler {
	s := set(t, flags)
	return ofrep.Handler(func() *featureflag.Set { return s })
}

func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestOneFlag(t *testing.T) {
	h := handler(t)
	for _, c := range []struct {
		key, context, want string
		status             int
	}{
		{"new", `{"plan": "gold"}`, `{"key":"new","value":true,"reason":"TARGETING_MATCH","variant":"on","metadata":{"owner":"shop","public":true,"version":"7"}}`, 200},
		{"new", `{}`, `{"key":"new","value":false,"reason":"DEFAULT","variant":"off","metadata":{"owner":"shop","public":true,"version":"7"}}`, 200},
		{"size", `{}`, `{"key":"size","value":10,"reason":"STATIC","variant":"s","metadata":{"version":"7"}}`, 200},
		{"own", `{}`, `{"key":"own","reason":"DEFAULT","metadata":{"version":"7"}}`, 200},
		{"dark", `{}`, `{"key":"dark","reason":"DISABLED","metadata":{"version":"7"}}`, 200},
		{"a%2Fb", `{}`, `{"key":"a/b","value":{"a":1},"reason":"STATIC","variant":"s","metadata":{"version":"7"}}`, 200},
		{"me", `{"targetingKey": "u"}`, `{"key":"me","value":"me","reason":"TARGETING_MATCH","variant":"s","metadata":{"version":"7"}}`, 200},
		{"none", `{}`, `{"key":"none","errorCode":"FLAG_NOT_FOUND","errorDetails":"there is no flag none","metadata":{"version":"7"}}`, 404},
		{"wrong", `{}`, `{"key":"wrong","errorCode":"PARSE_ERROR","errorDetails":"targeting: there is no operator \"whatever\"","metadata":{"version":"7"}}`, 400},
		{"unknown", `{}`, `{"key":"unknown","errorCode":"GENERAL","errorDetails":"targeting gives \"t\", which is not among the variants","metadata":{"version":"7"}}`, 400},
		{"new", `{"targetingKey": 7}`, `{"key":"new","errorCode":"INVALID_CONTEXT","errorDetails":"\"targetingKey\" is no string"}`, 400},
		{"new", `null`, `{"key":"new","errorCode":"INVALID_CONTEXT","errorDetails":"there is no \"context\""}`, 400},
		{"new", `"x"`, `{"key":"new","errorCode":"INVALID_CONTEXT","errorDetails":"the body is not an object with an object \"context\""}`, 400},
	} {
		for _, before := range []string{"", "/shop", "/.segue"} {
			w := ask(h, "POST", before+"/ofrep/v1/evaluate/flags/"+c.key, `{"context": `+c.context+`}`)
			if got := strings.TrimSpace(w.Body.String()); got != c.want || w.Code != c.status || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s%s for %s: %d %s\nwant %d %s", before, c.key, c.context, w.Code, got, c.status, c.want)
			}
		}
	}
}

func TestAllFlags(t *testing.T) {
	h := handler(t)
	w := ask(h, "POST", "/shop/ofrep/v1/evaluate/flags", `{"context": {"targetingKey": "u", "plan": "gold"}}`)
	var answer struct {
		Flags    []map[string]any
		Metadata map[string]any
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		t.Fatalf("%d: %v", w.Code, err)
	}
	keys := ""
	for _, f := range answer.Flags {
		keys += f["key"].(string) + " "
		if (f["errorCode"] != nil) != (f["key"] == "wrong" || f["key"] == "unknown") {
			t.Errorf("%v", f)
		}
	}
	if keys != "a/b dark me new own size unknown wrong " || answer.Metadata["version"] != "7" {
		t.Errorf("keys %q, metadata %v", keys, answer.Metadata)
	}
}

// TestETag: it follows the answer, whether the flags or the context make it another.
func TestETag(t *testing.T) {
	current := set(t, flags)
	h := ofrep.Handler(func() *featureflag.Set { return current })
	const path, gold, other = "/ofrep/v1/evaluate/flags", `{"context": {"plan": "gold"}}`, `{"context": {"plan": "lead"}}`
	etag := ask(h, "POST", path, gold).Header().Get("ETag")
	if len(etag) < 10 || etag[0] != '"' {
		t.Fatalf("ETag %s", etag)
	}
	for _, have := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
		w := ask(h, "POST", path, gold, "If-None-Match", have)
		if w.Code != 304 || w.Body.Len() > 0 || w.Header().Get("ETag") != etag {
			t.Errorf("If-None-Match: %s: %d %s", have, w.Code, w.Body)
		}
	}
	if w := ask(h, "POST", path, other, "If-None-Match", etag); w.Code != 200 || w.Header().Get("ETag") == etag {
		t.Errorf("another context: %d %s", w.Code, w.Header().Get("ETag"))
	}
	current = set(t, strings.Replace(flags, `"gold"`, `"silver"`, 1))
	if w := ask(h, "POST", path, gold, "If-None-Match", etag); w.Code != 200 {
		t.Errorf("other flags: %d", w.Code)
	}
}

func TestRefused(t *testing.T) {
	h := handler(t)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/ofrep/v1/evaluate/flags", "", 405},
		{"GET", "/ofrep/v1/evaluate/flags/new", "", 405},
		{"POST", "/ofrep/v1/configuration", `{"context": {}}`, 404},
		{"POST", "/ofrep/v1/evaluate/flags/", `{"context": {}}`, 404},
		{"POST", "/ofrep/v1/evaluate/flagsnew", `{"context": {}}`, 404},
		{"POST", "/ofrep/v1/evaluate/flags/new", "", 400},
		{"POST", "/ofrep/v1/evaluate/flags", "[]", 400},
		{"POST", "/ofrep/v1/evaluate/flags", `{"context": {"a": "` + strings.Repeat("x", ofrep.MaxBody) + `"}}`, 413},
		{"POST", "/ofrep/v1/evaluate/flags/new", `{"context": {"a": "` + strings.Repeat("x", ofrep.MaxBody) + `"}}`, 413},
		{"POST", "/ofrep/v1/evaluate/flags", `{"context": ` + strings.Repeat(`{"a":`, 20_000) + `1` + strings.Repeat(`}`, 20_000) + `}`, 400},
	} {
		w := ask(h, c.method, c.path, c.body)
		var answer struct{ ErrorCode, ErrorDetails string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != c.status || answer.ErrorDetails == "" {
			t.Errorf("%s %s: %d %v (%.100s), want %d", c.method, c.path, w.Code, answer, err, c.status)
		}
	}
}

// TestEvents: who asks for all is told where he hears of changes.
func TestEvents(t *testing.T) {
	h := ofrep.Handler(func() *featureflag.Set { return nil }, ofrep.Events("/.segue/events"))
	want := `{"flags":[],"eventStreams":[{"type":"sse","endpoint":{"requestUri":"/.segue/events"}}]}`
	if w := ask(h, "POST", "/.segue/ofrep/v1/evaluate/flags", `{"context": {}}`); strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("%s, want %s", w.Body, want)
	}
}

// TestNoSet: before there are flags, none is known.
func TestNoSet(t *testing.T) {
	h := ofrep.Handler(func() *featureflag.Set { return nil })
	if w := ask(h, "POST", "/ofrep/v1/evaluate/flags/new", `{"context": {}}`); w.Code != 404 {
		t.Errorf("one: %d", w.Code)
	}
	if w := ask(h, "POST", "/ofrep/v1/evaluate/flags", `{"context": {}}`); strings.TrimSpace(w.Body.String()) != `{"flags":[]}` {
		t.Errorf("all: %s", w.Body)
	}
}

func FuzzHandler(f *testing.F) {
	for _, body := range []string{`{"context": {}}`, `{"context": {"targetingKey": "u", "plan": ["a", {"b": null}]}}`, `[`, ``, `{"context": {"plan": {"var": "plan"}}}`} {
		f.Add("/ofrep/v1/evaluate/flags", body)
		f.Add("/x/ofrep/v1/evaluate/flags/a%2Fb", body)
	}
	h := handler(f)
	f.Fuzz(func(t *testing.T, path, body string) {
		r, err := http.NewRequest("POST", "http://h", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		r.URL.Path, r.URL.RawPath = path, path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		data, _ := io.ReadAll(w.Body)
		if w.Code != 304 && !json.Valid(data) {
			t.Errorf("%d: %q is no JSON", w.Code, data)
		}
	})
}
