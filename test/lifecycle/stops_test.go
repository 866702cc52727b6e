package lifecycle_test

import (
	"os"
	"testing"

	"github.com/seguehq/segue/check"
	"github.com/seguehq/segue/check/checktest"
	"github.com/seguehq/segue/test/harness"
)

var paths = check.Paths{Slow: "/slow", Stream: "/stream", Upload: "/upload", Ready: "/ready", Events: "/events", WebSocket: "/ws"}

func TestServersPassEveryCase(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		target check.Target
		except []string
		class  check.Class
	}{
		{"http", check.Target{Command: []string{os.Args[0]}, Env: []string{serveVariable + "=well"}, Paths: paths},
			// Of requests that a client sends without waiting for answers net/http has
			// read some already, and does not tell which: those behind the answer with
			// Connection: close have to be sent again, and the client knows that.
			[]string{"pipelined"}, check.ClassOneMore},
		{"https", check.Target{Command: []string{os.Args[0]}, Env: []string{serveVariable + "=tls"}, Paths: paths, URL: "https://127.0.0.1:{port}/"},
			[]string{"pipelined"}, check.ClassOneMore},
		{"grpc", check.Target{Command: []string{harness.Foreign(t, "./stopping")}, Paths: check.Paths{GRPC: "/test.Slow/Wait"}}, nil, check.ClassUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := checktest.Run(t, c.target, check.Except(c.except...))
			for _, each := range r.Results {
				if each.Verdict == check.Warn {
					t.Errorf("%s: %s", each.Case, each.Observed)
				}
			}
			if r.Class != c.class {
				t.Errorf("class %q, want %q", r.Class, c.class)
			}
		})
	}
}
