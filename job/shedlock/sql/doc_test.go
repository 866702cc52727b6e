package sql_test

import (
	"testing"

	"github.com/seguehq/segue/internal/doctest"
)

func TestFirstExampleOfThePageIsRun(t *testing.T) {
	doctest.FirstExample(t, "../../../docs/job-shedlock.md", "example_test.go")
}
