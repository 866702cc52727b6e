package lifecycle_test

import (
	"testing"

	"github.com/seguehq/segue/internal/doctest"
)

func TestFirstExampleOfThePage(t *testing.T) {
	doctest.FirstExample(t, "../docs/lifecycle.md", "example_test.go")
}
