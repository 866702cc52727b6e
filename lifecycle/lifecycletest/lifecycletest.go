// Package lifecycletest asserts, in a service's own tests, that it stops and
// replaces itself well. The service is run in processes of its own, with real
// clients and real signals; they are the test binary, started anew.
//
//	func TestStopsWell(t *testing.T) {
//		lifecycletest.StopsWell(t, serve, check.Paths{Slow: "/report?seconds=1", Ready: "/ready"})
//	}
//
//	func TestReplacesItself(t *testing.T) {
//		lifecycletest.ReplacesItself(t, serve, drill.Plan{Method: "POST", Body: []byte("an order")})
//	}
//
// serve is what main does: func(ctx context.Context) error { return lifecycle.Run(ctx, …) }.
package lifecycletest

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/seguehq/segue/check"
	"github.com/seguehq/segue/check/checktest"
)

// variable makes a test the service itself; its value is the test's name.
const variable = "LIFECYCLETEST_SERVE"

// StopsWell starts the service again and again, brings clients of every kind
// into every position that they may be in, stops it by SIGTERM, and asserts that
// nobody has lost anything: the cases of package check, each as a subtest. What
// only costs somebody something is logged as a warning. It returns the report,
// for further assertions.
//
// The service must listen on the port in the environment variable PORT, as
// [github.com/seguehq/segue/lifecycle.HTTP] does with an empty Addr, and bring
// what it needs. The paths tell where requests are answered in special ways; what
// has none is not checked. It takes some ten seconds.
//
// It must be the first call of the test, but for t.Parallel: in a process that is
// to be the service it does not return.
func StopsWell(t *testing.T, serve func(context.Context) error, paths check.Paths, opts ...check.Option) *check.Report {
	t.Helper()
	command := self(t, serve)
	return checktest.Run(t, check.Target{Command: command, Env: []string{variable + "=" + t.Name()}, Paths: paths}, opts...)
}

// self is the command that starts this test as the service. In such a process it
// is the service, and does not return.
func self(t *testing.T, serve func(context.Context) error) []string {
	t.Helper()
	if os.Getenv(variable) == t.Name() {
		if err := serve(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	var run []string // -test.run takes a pattern for each level of subtests
	for level := range strings.SplitSeq(t.Name(), "/") {
		run = append(run, "^"+regexp.QuoteMeta(level)+"$")
	}
	return []string{os.Args[0], "-test.run=" + strings.Join(run, "/"), "-test.timeout=0"}
}
