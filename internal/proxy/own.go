package proxy

import (
	"net/http"
	"strings"
	"time"
)

// ownPath is where a service's own addresses have what the proxy itself answers,
// for pages: behind the path of the service's route, /.segue/… or /shop/.segue/….
// No instance is asked, so that it is there while there are none, and in times of
// maintenance; nothing of it counts for a release.
const ownPath = "/.segue"

// mostOwnBody is the most that is read of a request to ownPath.
const mostOwnBody = 1 << 20

var refuseOwn = refusal{404, "not-found", "Segue has nothing here.", 0}

// hasOwn tells whether the proxy itself answers anything for the service.
func (s *Service) hasOwn() bool { return s.OFREP || len(s.Flags) > 0 || s.Skew != nil }

// ownPart gives what follows ownPath in the path of a request that the proxy
// itself is to answer: "/ofrep/v1/…". For a service that is nothing but flags
// (Service.OFREP), it is what follows the route's path.
func (t *target) ownPart(path string) (rest string, own bool) {
	if !t.hasOwn {
		return "", false
	}
	for i := range t.cfg.Routes {
		rest, ok := strings.CutPrefix(path, strings.TrimRight(t.cfg.Routes[i].Path, "/"))
		if ok && !t.cfg.OFREP {
			rest, ok = strings.CutPrefix(rest, ownPath)
		}
		if ok && (rest == "" || rest[0] == '/') {
			return rest, true
		}
	}
	return "", t.cfg.OFREP
}

// ownHandler finds who answers; nil: nobody does.
func (x *exchange) ownHandler(rest string) http.Handler {
	switch {
	case strings.HasPrefix(rest, "/ofrep/v1/"):
		return x.target.flags.handler()
	case rest == "/segue.js" && x.p.script != "":
		return readOnly(x.serveScript)
	case rest == "/events":
		return readOnly(x.serveNews)
	}
	return nil
}

// answerOwn answers in place of an instance.
func (x *exchange) answerOwn(rest string) {
	h := x.ownHandler(rest)
	if h == nil {
		x.refuse(refuseOwn)
		return
	}
	if d := x.target.cfg.BodyTimeout; d > 0 && x.r.ContentLength != 0 {
		rc := http.NewResponseController(x.w)
		rc.SetReadDeadline(time.Now().Add(d))
		defer rc.SetReadDeadline(time.Time{})
	}
	w := &ownWriter{x.w, x}
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, mostOwnBody)
	x.sayGoodbye(w.Header())
	x.began = true
	h.ServeHTTP(w, x.r)
	if x.status == 0 {
		x.status = http.StatusOK // by net/http, when the handler has said nothing
	}
}

// ownWriter notes for the records what is answered.
type ownWriter struct {
	http.ResponseWriter
	x *exchange
}

func (w *ownWriter) WriteHeader(status int) {
	if w.x.status == 0 && status >= 200 {
		w.x.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *ownWriter) Write(b []byte) (int, error) {
	if w.x.status == 0 {
		w.x.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.x.out += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *ownWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
