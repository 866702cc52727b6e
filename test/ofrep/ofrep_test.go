// Package ofrep holds our OFREP to those who speak it: OpenFeature's SDKs for servers
// and for pages, with the OFREP providers of npm's registry.
package ofrep

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/featureflag/ofrep"
	"github.com/seguehq/segue/test/harness"
)

const flags = `{"flags": {
	"ramp": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
		"targeting": {"if": [{"==": [{"fractional": [["on", 5000], ["", 5000]]}, "on"]}, "on", null]}},
	"plan": {"state": "ENABLED", "variants": {"big": "BIG", "small": "SMALL"}, "defaultVariant": "small",
		"targeting": {"if": [{"in": [{"var": "account.plan"}, ["gold", "silver"]]}, "big"]}, "metadata": {"owner": "shop"}},
	"limit": {"state": "ENABLED", "variants": {"v": 12.5}, "defaultVariant": "v"},
	"theme": {"state": "ENABLED", "variants": {"v": {"dark": true, "sizes": [1, 2]}}, "defaultVariant": "v"},
	"team/new ui": {"state": "ENABLED", "variants": {"v": true}, "defaultVariant": "v"},
	"own": {"state": "ENABLED", "variants": {"v": false}},
	"dark": {"state": "DISABLED", "variants": {"v": false}, "defaultVariant": "v"},
	"broken": {"state": "ENABLED", "variants": {"v": false}, "targeting": "w"}},
	"metadata": {"set": "test"}}`

func compiled(t *testing.T, document string) *featureflag.Set {
	d, err := featureflag.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return featureflag.Compile(d)
}

// A line is what a client has made of a flag.
type line struct {
	What, Variant, Reason, Error string
	Value                        any
	Metadata                     map[string]any
}

// run gives the lines of a script, by what they are about.
func run(t *testing.T, script string, args ...string) map[string]line {
	t.Helper()
	c := exec.CommandContext(t.Context(), "node", append([]string{script}, args...)...)
	c.Dir = harness.Node(t, "test/ofrep/client")
	var diagnostics bytes.Buffer
	c.Stderr = &diagnostics
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, out, diagnostics.Bytes())
	}
	lines := map[string]line{}
	for text := range strings.Lines(string(out)) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%s printed %q: %v", script, text, err)
		}
		lines[l.What] = l
	}
	return lines
}

func want(t *testing.T, lines map[string]line, what string, value any, variant, reason, code string) {
	t.Helper()
	l, ok := lines[what]
	if !ok {
		t.Errorf("%s: nothing was printed", what)
		return
	}
	if !reflect.DeepEqual(l.Value, value) || l.Variant != variant || l.Reason != reason || l.Error != code {
		t.Errorf("%s: %+v, want %v, %s, %s, %s", what, l, value, variant, reason, code)
	}
}

var theme = map[string]any{"dark": true, "sizes": []any{1.0, 2.0}}

// TestServerSDK: one request for each evaluation.
func TestServerSDK(t *testing.T) {
	set := compiled(t, flags)
	s := httptest.NewServer(ofrep.Handler(func() *featureflag.Set { return set }))
	defer s.Close()
	lines := run(t, "server.mjs", s.URL+"/shop")
	on := 0
	for i := range 8 {
		who := "user-" + string(rune('1'+i))
		value, variant, reason := false, "off", "DEFAULT"
		if set.Bool("ramp", featureflag.For(who), false) {
			value, variant, reason = true, "on", "TARGETING_MATCH"
			on++
		}
		want(t, lines, "ramp "+who, value, variant, reason, "")
	}
	if on == 0 || on == 8 {
		t.Errorf("%d of 8 have the variant", on)
	}
	want(t, lines, "gold", "BIG", "big", "TARGETING_MATCH", "")
	want(t, lines, "lead", "SMALL", "small", "DEFAULT", "")
	want(t, lines, "nobody", "SMALL", "small", "DEFAULT", "")
	want(t, lines, "number", 12.5, "v", "STATIC", "")
	want(t, lines, "object", theme, "v", "STATIC", "")
	want(t, lines, "slash", true, "v", "STATIC", "")
	// The provider for servers (0.1.3) is older than OFREP's answer without a value. It
	// gives the caller's default all the same, but calls it an error.
	want(t, lines, "own", true, "", "ERROR", "GENERAL")
	want(t, lines, "disabled", true, "", "ERROR", "GENERAL")
	want(t, lines, "missing", true, "", "ERROR", "FLAG_NOT_FOUND")
	want(t, lines, "wrong type", 7.0, "", "ERROR", "TYPE_MISMATCH")
	want(t, lines, "broken", true, "", "ERROR", "GENERAL")
	if m := lines["gold"].Metadata; m["owner"] != "shop" || m["set"] != "test" {
		t.Errorf("metadata %v", m)
	}
}

// TestWebSDK: all at once; again while nothing changes (304), and when something does.
func TestWebSDK(t *testing.T) {
	var set atomic.Pointer[featureflag.Set]
	set.Store(compiled(t, flags))
	polled := make(chan struct{}) // closed by the first answer of 304
	var once sync.Once
	evaluate := ofrep.Handler(set.Load)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /change", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-polled:
		case <-r.Context().Done():
			return
		}
		set.Store(compiled(t, strings.Replace(flags, `"SMALL"`, `"TINY"`, 1)))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer := &noted{ResponseWriter: w}
		evaluate.ServeHTTP(answer, r)
		if answer.status == http.StatusNotModified {
			once.Do(func() { close(polled) })
		}
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	lines := run(t, "web.mjs", s.URL+"/.segue", s.URL+"/change")
	ramp := set.Load().Evaluate("ramp", featureflag.For("user-1"))
	want(t, lines, "ramp", ramp.Value, ramp.Variant, string(ramp.Reason), "")
	want(t, lines, "gold", "BIG", "big", "TARGETING_MATCH", "")
	want(t, lines, "number", 12.5, "v", "STATIC", "")
	want(t, lines, "object", theme, "v", "STATIC", "")
	want(t, lines, "slash", true, "v", "STATIC", "")
	want(t, lines, "own", true, "", "DEFAULT", "")
	want(t, lines, "disabled", true, "", "DISABLED", "")
	want(t, lines, "missing", true, "", "ERROR", "FLAG_NOT_FOUND")
	want(t, lines, "wrong type", 7.0, "", "ERROR", "TYPE_MISMATCH")
	want(t, lines, "broken", true, "", "ERROR", "GENERAL")
	want(t, lines, "lead", "SMALL", "small", "DEFAULT", "")
	want(t, lines, "after a change", "TINY", "small", "DEFAULT", "")
	want(t, lines, "changed", []any{"plan"}, "", "", "")
}

// noted knows the status of an answer.
type noted struct {
	http.ResponseWriter
	status int
}

func (c *noted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}
