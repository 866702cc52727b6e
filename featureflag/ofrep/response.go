package ofrep

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/seguehq/segue/featureflag"
	"github.com/twmb/murmur3"
)

// A result is one flag of an answer: a success, or a failure if Code is set.
type result struct {
	Key      string                `json:"key"`
	Value    any                   `json:"value,omitempty"` // none: the caller's default
	Reason   featureflag.Reason    `json:"reason,omitempty"`
	Variant  string                `json:"variant,omitempty"`
	Code     featureflag.ErrorCode `json:"errorCode,omitempty"`
	Details  string                `json:"errorDetails,omitempty"`
	Metadata map[string]any        `json:"metadata,omitempty"`
}

func resultOf(key string, e featureflag.Evaluation) result {
	if e.Err != "" {
		return result{Key: key, Code: e.Err, Details: e.Detail, Metadata: e.Metadata}
	}
	return result{Key: key, Value: e.Value, Reason: e.Reason, Variant: e.Variant, Metadata: e.Metadata}
}

func evaluate(w http.ResponseWriter, r *http.Request, set *featureflag.Set, key string) {
	c, f := read(w, r)
	if f != nil {
		f.Key = key
		refuse(w, f.status, *f)
		return
	}
	answer := resultOf(key, set.Evaluate(key, c))
	status := http.StatusOK
	switch answer.Code {
	case "":
	case featureflag.FlagNotFound:
		status = http.StatusNotFound
	default:
		status = http.StatusBadRequest
	}
	write(w, r, status, answer, false)
}

func evaluateAll(w http.ResponseWriter, r *http.Request, set *featureflag.Set, streams []eventStream) {
	c, f := read(w, r)
	if f != nil {
		refuse(w, f.status, *f)
		return
	}
	keys := set.Keys()
	answer := struct {
		Flags    []result       `json:"flags"`
		Streams  []eventStream  `json:"eventStreams,omitempty"`
		Metadata map[string]any `json:"metadata,omitempty"`
	}{Flags: make([]result, len(keys)), Streams: streams, Metadata: set.Metadata()}
	for i, key := range keys {
		answer.Flags[i] = resultOf(key, set.Evaluate(key, c))
	}
	write(w, r, http.StatusOK, answer, true)
}

func refuse(w http.ResponseWriter, status int, f failure) {
	data, err := json.Marshal(f)
	if err != nil {
		data = []byte(`{}`)
	}
	send(w, status, data)
}

// write sends an answer, or 304 if it is tagged and the client has it.
func write(w http.ResponseWriter, r *http.Request, status int, answer any, tagged bool) {
	b := buffers.Get().(*bytes.Buffer)
	defer free(b)
	if err := json.NewEncoder(b).Encode(answer); err != nil {
		// Metadata that a program has put together and that JSON has no form for.
		refuse(w, http.StatusInternalServerError, failure{Details: "the answer cannot be told: " + err.Error()})
		return
	}
	if tagged {
		etag := tag(b.Bytes())
		w.Header().Set("ETag", etag)
		if matches(r.Header.Values("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	send(w, status, b.Bytes())
}

func send(w http.ResponseWriter, status int, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	_, _ = w.Write(data) // the client has gone, or gets it
}

func tag(data []byte) string {
	h1, h2 := murmur3.Sum128(data)
	return fmt.Sprintf(`"%016x%016x"`, h1, h2)
}

// matches tells whether an If-None-Match has the tag (RFC 9110 §13.1.2: weak comparison).
func matches(fields []string, etag string) bool {
	for _, field := range fields {
		for candidate := range strings.SplitSeq(field, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}
