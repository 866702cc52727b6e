package cli

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// What pages are told has where they hear of changes; what programs are told has not, as
// their address has no events.
func TestServeFlags(t *testing.T) {
	document := `{"flags": {"shown": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on", "metadata": {"public": true}},
		"kept": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}}`
	for public, want := range map[bool]string{true: `"requestUri":"/.segue/events"`, false: `"key":"kept"`} {
		h, err := serveFlags([]byte(document), public)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", "/.segue/ofrep/v1/evaluate/flags", strings.NewReader(`{"context": {}}`)))
		if got := w.Body.String(); !strings.Contains(got, want) || !strings.Contains(got, `"key":"shown"`) || public == strings.Contains(got, `"kept"`) || public != strings.Contains(got, "eventStreams") {
			t.Errorf("public %v: %s", public, got)
		}
	}
	if _, err := serveFlags([]byte("{"), true); err == nil {
		t.Error("no error of what is no document")
	}
}
