// Package ofrep serves flags over OpenFeature's Remote Evaluation Protocol, so that
// any language's OpenFeature client works with them.
package ofrep

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/seguehq/segue/featureflag"
)

// MaxBody is how long a request's body may be, in bytes; a longer one is answered with 413.
const MaxBody = 1 << 20

const base = "/ofrep/v1/evaluate/flags"

// Handler answers POST …/ofrep/v1/evaluate/flags and …/flags/{key}, whatever
// stands before /ofrep in the path, from what set gives at each request. It follows
// OFREP's OpenAPI document 0.3.0, and where that leaves things open, what flagd does:
//
//   - A flag that is disabled, or whose default is the caller's, is answered with 200 and
//     without a value.
//   - A context without a targetingKey is one of nobody in particular; one whose
//     targetingKey is no string is refused (400, INVALID_CONTEXT).
//   - The reason DEFAULT is given, although the document's list of examples has it not.
//
// The ETag of a bulk evaluation is one of its answer, so that it holds for the flags,
// the context and the time: a request whose If-None-Match has it gets 304.
//
// It may be used concurrently. It asks nobody who he is.
func Handler(set func() *featureflag.Set, options ...Option) http.Handler {
	var streams []eventStream
	for _, o := range options {
		o(&streams)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, single, ok := target(r.URL)
		switch {
		case !ok:
			refuse(w, http.StatusNotFound, failure{Details: "OFREP has POST …" + base + " and POST …" + base + "/{key}"})
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			refuse(w, http.StatusMethodNotAllowed, failure{Details: "OFREP evaluates by POST"})
		case single:
			evaluate(w, r, set(), key)
		default:
			evaluateAll(w, r, set(), streams)
		}
	})
}

// An Option changes what Handler makes.
type Option func(*[]eventStream)

// Events tells those who ask for all flags where they hear of changes (OFREP's
// "eventStreams"): uri is a path on the same origin, of server-sent events of which one
// without a name has the data {"type":"refetchEvaluation"}. Without it they have to poll.
func Events(uri string) Option {
	return func(s *[]eventStream) { *s = append(*s, eventStream{"sse", endpoint{uri}}) }
}

type eventStream struct {
	Type     string   `json:"type"`
	Endpoint endpoint `json:"endpoint"`
}

type endpoint struct {
	RequestURI string `json:"requestUri"`
}

// target tells what is asked for: one flag, or all. A flag's key may have a slash in it, escaped or not.
func target(u *url.URL) (key string, single, ok bool) {
	path := u.EscapedPath()
	i := strings.Index(path, base)
	if i < 0 {
		return "", false, false
	}
	rest := path[i+len(base):]
	if rest == "" {
		return "", false, true
	}
	key, err := url.PathUnescape(strings.TrimPrefix(rest, "/"))
	return key, true, err == nil && rest[0] == '/' && key != ""
}
