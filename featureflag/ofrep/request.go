package ofrep

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/seguehq/segue/featureflag"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keptBuffer is up to which size a buffer is used again.
const keptBuffer = 64 << 10

func free(b *bytes.Buffer) {
	if b.Cap() <= keptBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

// A failure is the answer to what cannot be evaluated.
type failure struct {
	status  int
	Key     string                `json:"key,omitempty"`
	Code    featureflag.ErrorCode `json:"errorCode,omitempty"`
	Details string                `json:"errorDetails"`
}

// read gives the context of a request.
func read(w http.ResponseWriter, r *http.Request) (featureflag.Context, *failure) {
	b := buffers.Get().(*bytes.Buffer)
	defer free(b)
	if _, err := io.Copy(b, http.MaxBytesReader(w, r.Body, MaxBody)); err != nil {
		var long *http.MaxBytesError
		if errors.As(err, &long) {
			return featureflag.Context{}, &failure{status: http.StatusRequestEntityTooLarge, Code: featureflag.InvalidContext, Details: "the body is longer than 1 MiB"}
		}
		return featureflag.Context{}, &failure{status: http.StatusBadRequest, Code: featureflag.General, Details: "the body ends early"}
	}
	return contextOf(b.Bytes())
}

func contextOf(body []byte) (featureflag.Context, *failure) {
	var request struct {
		Context map[string]any `json:"context"`
	}
	invalid := func(details string) (featureflag.Context, *failure) {
		return featureflag.Context{}, &failure{status: http.StatusBadRequest, Code: featureflag.InvalidContext, Details: details}
	}
	if err := json.Unmarshal(body, &request); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return invalid("the body is not an object with an object \"context\"")
		}
		return featureflag.Context{}, &failure{status: http.StatusBadRequest, Code: featureflag.ParseError, Details: "the body is no JSON: " + err.Error()}
	}
	if request.Context == nil {
		return invalid("there is no \"context\"")
	}
	c := featureflag.Context{Attributes: request.Context}
	switch key := request.Context["targetingKey"].(type) {
	case nil:
	case string:
		c.Key = key
	default:
		return invalid("\"targetingKey\" is no string")
	}
	return c, nil
}
