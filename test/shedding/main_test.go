package shedding_test

import (
	"testing"

	"github.com/seguehq/segue/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
