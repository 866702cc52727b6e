package check

import "testing"

func TestUsedAfterBusy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fault   string
		verdict Verdict
		outcome Outcome
		class   Class
	}{
		{"", Pass, outcomeLastAnswer, ClassOneMore},
		{"busy-kept", Fail, outcomeAnsweredOn, ClassNeverEnds},
		{"class-none", Skip, "", ClassNone},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			r := verdicts(t, fixtureTarget(tt.fault), "in-flight-slow", "used-after-signal", "used-after-busy")
			if c, _ := r.Of("used-after-busy"); c.Verdict != tt.verdict || c.Outcome != tt.outcome {
				t.Errorf("%s (%s), want %s (%s)", c.Verdict, c.Outcome, tt.verdict, tt.outcome)
			}
			if r.Class != tt.class {
				t.Errorf("class %q, want %q", r.Class, tt.class)
			}
			if c, _ := r.Of("in-flight-slow"); tt.fault == "busy-kept" && c.Verdict != Pass {
				t.Error("the fault of one case has failed another")
			}
		})
	}
}
