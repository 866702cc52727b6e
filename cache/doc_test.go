package cache_test

import (
	"testing"

	"github.com/seguehq/segue/internal/doctest"
)

func TestThePageBeginsWithTheExample(t *testing.T) {
	doctest.FirstExample(t, "../docs/cache.md", "example_test.go")
}
