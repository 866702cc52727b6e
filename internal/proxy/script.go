package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"
)

// scriptAge is for how long browsers use segue.js without asking: a new Segue
// brings a new one.
const scriptAge = "public, max-age=300"

// serveScript gives segue.js.
func (x *exchange) serveScript(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", scriptAge)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Etag", x.p.scriptTag)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(x.p.script))
}

// readOnly is a handler of requests that only read.
func readOnly(serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
			return
		}
		serve(w, r)
	})
}

// tagOf is a strong entity tag (RFC 9110 §8.8.3) of what the parts say.
func tagOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		io.WriteString(h, p)
		h.Write([]byte{0})
	}
	return `"` + hex.EncodeToString(h.Sum(nil)[:12]) + `"`
}
