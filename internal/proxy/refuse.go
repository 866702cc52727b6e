package proxy

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// refusal is an answer of the proxy itself. word goes into the Segue-Error
// field and the metrics, so that a drill can say why.
type refusal struct {
	status int
	word   string
	text   string
	retry  int // Retry-After, seconds; 0 none
}

// Every way in which the proxy may refuse. Addresses and causes stay in the log.
var (
	refuseNoRoute    = refusal{404, "no-route", "No service is here.", 0}
	refuseBadRequest = refusal{400, "bad-request", "The request cannot be passed on.", 0}
	refuseHeader     = refusal{431, "header-too-large", "The request's header is too large.", 0}
	refuseBody       = refusal{413, "body-too-large", "The request's body is too large.", 0}
	refuseSlowBody   = refusal{408, "body-timeout", "The request's body did not arrive in time.", 0}
	refuseBodyBroken = refusal{400, "body-broken", "The request's body is malformed.", 0}
	refuseRate       = refusal{429, "rate-limited", "Too many requests come from this address.", 1}
	refuseHoldFull   = refusal{503, "hold-full", "The service is being replaced and too many requests wait for it.", 1}
	refuseNoInstance = refusal{503, "no-instance", "The service has no instance that is ready.", 1}
	refuseReset      = refusal{502, "closed-before-answer", "The service closed the connection before it answered.", 1}
	refuseBudget     = refusal{502, "retry-budget", "The service closed the connection before it answered, as it does too often to try again.", 1}
	refuseDrained    = refusal{503, "drained", "Service restart: the request can be sent again.", 1}
	refuseBroken     = refusal{502, "bad-answer", "The service's answer cannot be understood.", 0}
	refuseTimeout    = refusal{504, "answer-timeout", "The service did not answer in time.", 0}
)

// errorHeader tells a drill why the proxy refused.
const errorHeader = "Segue-Error"

// refuse answers in place of an instance: JSON or a plain page, by Accept; a
// gRPC status for gRPC.
func (x *exchange) refuse(f refusal) {
	x.word, x.status = f.word, f.status
	x.p.stats.refusals.count(f.word)
	h := x.w.Header()
	clear(h)
	h.Set(errorHeader, f.word)
	h.Set("Cache-Control", "no-store")
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retry))
	}
	x.sayGoodbye(h)
	if x.leavesClient() {
		h["Connection"] = []string{"close"}
	}
	if isGRPC(x.r) && x.r.ProtoMajor == 2 {
		x.refuseGRPC(f)
		return
	}
	kind, body := x.refusalBody(f)
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(f.status)
	if x.r.Method != http.MethodHead {
		n, _ := io.WriteString(x.w, body)
		x.out += int64(n)
	}
	x.leaveBody()
}

func (f refusal) json() string {
	return fmt.Sprintf("{\"status\":%d,\"error\":%q,\"message\":%q}\n", f.status, f.word, f.text)
}

// refusalBody is JSON or a page, by Accept: the service's own page if it has one.
func (x *exchange) refusalBody(f refusal) (kind, body string) {
	if f.word == wordMaintenance {
		return x.closedBody(f)
	}
	if wantsJSON(x.r) {
		return "application/json", f.json()
	}
	const page = "text/html; charset=utf-8"
	if own := x.page(f.status); own != "" {
		return page, own
	}
	title := fmt.Sprintf("%d %s", f.status, http.StatusText(f.status))
	return page, "<!doctype html><meta charset=utf-8><title>" + title + "</title><h1>" + title + "</h1><p>" + html.EscapeString(f.text) + "\n"
}

// refuseGRPC answers with trailers only; status 14 (UNAVAILABLE) is the one
// that clients retry.
func (x *exchange) refuseGRPC(f refusal) {
	code := "14"
	switch {
	case f.status == http.StatusTooManyRequests:
		code = "8" // RESOURCE_EXHAUSTED
	case f.status < 500:
		code = "13"
	}
	h := x.w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", code)
	h.Set("Grpc-Message", grpcMessage(f.text))
	x.w.WriteHeader(http.StatusOK)
}

// grpcMessage encodes a text as gRPC's field of that name wants it: what is no
// printable ASCII, and the per cent sign, as in URLs.
func grpcMessage(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isGRPC(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// wantsJSON looks for JSON before HTML in Accept. Most programs say nothing or
// */* and get JSON; browsers name text/html.
func wantsJSON(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header["Accept"], ","))
	page := strings.Index(accept, "text/html")
	if page < 0 {
		return true
	}
	j := strings.Index(accept, "json")
	return j >= 0 && j < page
}
