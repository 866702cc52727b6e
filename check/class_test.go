package check

import "testing"

// Each class has a server that is of it and is right otherwise.
func TestClasses(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]Class{
		"class-none":       ClassNone,
		"class-immediate":  ClassImmediate,
		"":                 ClassOneMore,
		"class-imperfect":  ClassImperfect,
		"class-refuse":     ClassRefuse,
		"class-cut":        ClassCut,
		"class-never-ends": ClassNeverEnds,
	} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			r := verdicts(t, fixtureTarget(fault), "exit-idle", "exit-kept-alive", "in-flight-slow", "used-after-signal", "used-after-busy")
			if r.Class != want {
				t.Errorf("class %q, want %q", r.Class, want)
			}
		})
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		outcomes map[string]Outcome
		want     Class
	}{
		"a proxy answers 502 for a server that was killed": {map[string]Outcome{"in-flight-slow": outcomeRefusedClose, "used-after-signal": outcomeHungUp}, ClassNone},
		"goes on for a while, then hangs up":               {map[string]Outcome{"used-after-signal": outcomeAnsweredOn, "used-after-busy": outcomeHungUp}, ClassImmediate},
		"goes on for a while, then hangs up on a request":  {map[string]Outcome{"used-after-signal": outcomeAnsweredOn, "used-after-busy": outcomeCut}, ClassImmediate},
		"goes on for a while, then says that it ends":      {map[string]Outcome{"used-after-signal": outcomeAnsweredOn, "used-after-busy": outcomeLastAnswer}, ClassOneMore},
		"goes on for as long as it is asked":               {map[string]Outcome{"used-after-signal": outcomeAnsweredOn, "used-after-busy": outcomeAnsweredOn}, ClassNeverEnds},
		"goes on, and nobody knows for how long":           {map[string]Outcome{"used-after-signal": outcomeAnsweredOn}, ClassNeverEnds},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of := func(name string) Outcome { return tt.outcomes[name] }
			if got := classify(&Survey{HTTP1: true, KeepAlive: true}, of); got != tt.want {
				t.Errorf("class %q, want %q", got, tt.want)
			}
		})
	}
}
