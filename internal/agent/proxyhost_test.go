package agent

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seguehq/segue/internal/proxy"
)

// A proxy that was started by an older segue would pass over what it does not
// know and send requests astray: what needs it is refused, with the mend.
func TestOlderProxy(t *testing.T) {
	for _, c := range []struct {
		knows []string
		want  string
	}{
		{nil, "run `segue upgrade`"},
		{[]string{proxy.KnowsMaintenance}, "how to divide requests"},
		{[]string{proxy.KnowsMaintenance, proxy.KnowsSplit}, ""},
	} {
		path := filepath.Join(t.TempDir(), "proxy.sock")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(proxy.Status{Version: "0.9", Knows: c.knows})
		}))
		s.Listener.Close()
		s.Listener = l
		s.Start()
		h := &proxyHost{current: &proxyProc{client: proxy.NewClient(path)}}
		err = h.mustKnow(t.Context(), proxy.KnowsSplit)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v", c.knows, err)
		}
		s.Close()
	}
}

// TestNobodyWaitsForAProxyThatIsNotNeeded: when the last service goes, another
// that went just before may still have something to tell the proxy.
func TestNobodyWaitsForAProxyThatIsNotNeeded(t *testing.T) {
	h := newProxyHost(&Agent{})
	got := make(chan error, 1)
	go func() {
		_, err := h.get(t.Context())
		got <- err
	}()
	h.set(nil)
	if err := <-got; !errors.Is(err, errIdle) {
		t.Errorf("got %v", err)
	}
	h.set(&proxyProc{})
	if _, err := h.get(t.Context()); err != nil {
		t.Errorf("there is a proxy again, and %v", err)
	}
}
