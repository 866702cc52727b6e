package systemd

import (
	"testing"

	"github.com/seguehq/segue/internal/lint/linttest"
)

func TestRulesAreAsDocumented(t *testing.T) { linttest.Docs(t, Rules()) }
