package agent

import (
	"testing"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/servertest"
)

// Levels of requests are those of flags, and each is taken back.
func TestShedFlagsInStore(t *testing.T) {
	s := servertest.Memory()()
	t.Cleanup(func() { s.Close() })
	c := featureflag.NewControl(s, "shedding")
	for level, want := range []string{"low", "normal", "high"} {
		if err := writeShed(t.Context(), c, level, "in flight 9 of 3"); err != nil {
			t.Fatal(err)
		}
		shed, err := c.Shedding(t.Context())
		if err != nil || shed == nil || shed.Level != want || shed.By != "shedding" || shed.Why != "in flight 9 of 3" {
			t.Errorf("level %d: %+v, %v", level, shed, err)
		}
	}
	for range 2 {
		if err := writeShed(t.Context(), c, -1, ""); err != nil {
			t.Fatal(err)
		}
		if shed, err := c.Shedding(t.Context()); err != nil || shed != nil {
			t.Errorf("taken back: %+v, %v", shed, err)
		}
	}
}
