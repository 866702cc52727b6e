package proxy

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// A proxy that is older than its agent takes what it knows of a table.
func TestApplyOfANewerAgent(t *testing.T) {
	p := newProxy(Options{})
	for body, want := range map[string]int{
		`{"version": 7, "services": [{"name": "shop", "listen": [":1"], "teleport": {"to": "mars"}}], "moon": 1}`: 200,
		`{"version": "seven"}`: 400,
		`{"services": [{}]}`:   422,
	} {
		w := httptest.NewRecorder()
		p.controlMux().ServeHTTP(w, httptest.NewRequest("POST", "/apply", strings.NewReader(body)))
		if w.Code != want {
			t.Errorf("%s: %d %s, want %d", body, w.Code, w.Body, want)
		}
	}
	if tb := p.table.Load(); tb.targets["shop"] == nil || tb.config.Version != 7 {
		t.Errorf("the table is %+v", tb.config)
	}
}
