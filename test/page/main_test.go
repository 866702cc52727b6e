// Package page_test runs segue.js in a real browser: against a site that says what
// a test has it say, and against Segue.
package page_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestPage has one browser for all of it.
func TestPage(t *testing.T) {
	b := start(t)
	for name, run := range map[string]func(*testing.T, *browser){
		"breaking": breaking,
		"kept":     kept,
		"late":     late,
		"told":     told,
		"circle":   circle,
		"full":     full,
		"held":     held,
		"shared":   shared,
		"alone":    alone,
		"requests": requests,
		"patience": patience,
		"policy":   policy,
		"garbage":  garbage,
		"cache":    cache,
		"module":   module,
		"crossing": crossing,
		"segue":    segue,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); run(t, b) })
	}
}
