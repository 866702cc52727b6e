package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The example that the libraries of Standard Webhooks are tested with.
func TestSignature(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	sign(h, key, Message{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Body: []byte(`{"test": 2432232314}`)}, time.Unix(1614265330, 0))
	if got := h.Get("Webhook-Signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
	if h.Get("Webhook-Id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || h.Get("Webhook-Timestamp") != "1614265330" {
		t.Error(h)
	}
	h = http.Header{}
	sign(h, nil, Message{ID: "x"}, time.Now())
	if h.Get("Webhook-Signature") != "" || h.Get("Webhook-Id") != "x" {
		t.Error(h)
	}
}

// What a receiver answers, and what becomes of it. The path of the URL, which is
// the secret of chat services, is in no error.
func TestSend(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("told somebody else") }))
	defer elsewhere.Close()
	mux := http.NewServeMux()
	var got string
	mux.HandleFunc("POST /secret/ok", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = r.Header.Get("Content-Type") + " " + r.Header.Get("User-Agent") + " " + string(b)
		w.WriteHeader(http.StatusNoContent)
	})
	answer := func(path string, code int, header, value string) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(header, value)
			w.WriteHeader(code)
		})
	}
	answer("/secret/here", 307, "Location", "/secret/ok")
	answer("/secret/there", 308, "Location", elsewhere.URL+"/secret")
	answer("/secret/see", 302, "Location", "/secret/ok")
	answer("/secret/round", 307, "Location", "/secret/round")
	answer("/secret/busy", 429, "Retry-After", "7")
	answer("/secret/gone", 410, "X", "")
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{
		"/secret/ok": "", "/secret/here": "",
		"/secret/there": "redirects to another host", "/secret/see": "answered 302", "/secret/round": "again and again",
		"/secret/busy": "answered 429 Too Many Requests", "/secret/gone": "answered 410", "/secret/none": "answered 404",
	} {
		got = ""
		err := NewSender("segue/1").Send(t.Context(), Receiver{URL: server.URL + path}, Message{ID: "x", Body: []byte("{}")})
		if want == "" {
			if err != nil || got != "application/json segue/1 {}" {
				t.Errorf("%s: %v, got %q", path, err, got)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", path, err)
		}
		var refused *RefusedError
		if errors.As(err, &refused); path == "/secret/busy" && refused.After != 7*time.Second || path == "/secret/gone" && !refused.Gone() {
			t.Errorf("%s: %+v", path, refused)
		}
	}
}

func TestSendToNobody(t *testing.T) {
	server := httptest.NewServer(nil)
	url := server.URL
	server.Close()
	for _, url := range []string{url + "/secret", "http://secret\x00/", "ftp://127.0.0.1/secret"} {
		err := NewSender("segue/1").Send(t.Context(), Receiver{URL: url}, Message{})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewSender("segue/1").Send(ctx, Receiver{URL: url}, Message{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
