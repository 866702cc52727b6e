// Package page_test runs segue.js in a real browser.
package page_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
