package lock_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A state is that of the lock and of the register which it guards.
type lockState struct {
	granted  int64 // the last token
	accepted int64 // the greatest token that the register has seen
	value    int64
}

// model is what a lock promises, whatever happens to those who use it:
//
//   - A grant has a greater token than all grants before it.
//   - Who looks and sees that it holds the lock is the one to whom it was granted
//     last: nobody else has been granted it up to that moment.
//   - The register, which refuses a token less than one it has seen, has what the
//     holder of the greatest token has written last.
var model = porcupine.Model{
	Init: func() any { return lockState{} },
	Step: func(state, input, output any) (bool, any) {
		s, o, known := state.(lockState), input.(operation), output.(bool)
		switch o.Kind {
		case "acquire":
			granted := s.granted
			s.granted = o.Token
			return o.Token > granted, s
		case "look":
			return !o.OK || o.Token == s.granted, s
		case "write":
			accepts := o.Token >= s.accepted
			if accepts {
				s.accepted, s.value = o.Token, o.Value
			}
			return !known || o.OK == accepts, s
		default: // read
			return o.Token == s.accepted && o.Value == s.value, s
		}
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
}

// history is what porcupine reads. Of what a process was about to do when it died
// only a write can have happened; the register may have got it at any later time,
// or never, which is to be at the end where nobody sees it.
func history(operations []operation) (all []porcupine.Operation) {
	for _, o := range operations {
		if o.Return == 0 && o.Kind != "write" {
			continue
		}
		known := o.Return != 0
		if !known {
			o.Return = math.MaxInt64
		}
		all = append(all, porcupine.Operation{ClientId: o.Worker, Input: o, Call: o.Call, Output: known, Return: o.Return})
	}
	return all
}

// judge has the history checked.
func (w *world) judge() { w.Helper(); w.judgeBut("") }

// judgeBut leaves operations of a kind out.
func (w *world) judgeBut(kind string) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = slices.DeleteFunc(w.history, func(o operation) bool { return o.Kind == kind })
	count := map[string]int{}
	for _, o := range w.history {
		count[o.Kind]++
	}
	if count["acquire"] < 10 || count["write"] < 10 {
		w.Errorf("too little has happened to tell: %v", count)
	}
	begun := time.Now()
	result := porcupine.CheckOperationsTimeout(model, history(w.history), patience)
	w.Logf("%v in %v: %v", count, time.Since(begun).Round(time.Millisecond), result)
	if result != porcupine.Ok {
		w.Errorf("the history is not that of a lock: %v", result)
	}
}

// A judge that condemns nobody proves nothing.
func TestTheJudgeCondemns(t *testing.T) {
	acquire := func(worker int, token, at int64) operation {
		return operation{Worker: worker, Kind: "acquire", Token: token, OK: true, Call: at, Return: at + 1}
	}
	for name, c := range map[string]struct {
		lawful bool
		then   []operation
	}{
		"nothing more":              {true, nil},
		"the holder looks":          {true, []operation{{Worker: 2, Kind: "look", Token: 2, OK: true, Call: 5, Return: 6}}},
		"who lost it sees it":       {true, []operation{{Worker: 1, Kind: "look", Token: 1, Call: 5, Return: 6}}},
		"who lost it does not":      {false, []operation{{Worker: 1, Kind: "look", Token: 1, OK: true, Call: 5, Return: 6}}},
		"the same token":            {false, []operation{acquire(3, 2, 5)}},
		"a token that goes back":    {false, []operation{acquire(3, 1, 5)}},
		"a write that is too late":  {false, []operation{{Worker: 2, Kind: "write", Token: 2, OK: true, Call: 5, Return: 6}, {Worker: 1, Kind: "write", Token: 1, OK: true, Call: 7, Return: 8}}},
		"one that is refused":       {true, []operation{{Worker: 2, Kind: "write", Token: 2, OK: true, Call: 5, Return: 6}, {Worker: 1, Kind: "write", Token: 1, Call: 7, Return: 8}}},
		"one of the dead comes yet": {true, []operation{{Worker: 2, Kind: "write", Token: 2, Value: 7, Call: 5}, {Worker: 1, Kind: "read", Token: 2, Value: 7, Call: 9, Return: 10}}},
	} {
		all := append([]operation{acquire(1, 1, 1), acquire(2, 2, 3)}, c.then...)
		if got := porcupine.CheckOperations(model, history(all)); got != c.lawful {
			t.Errorf("%s: judged %v, want %v", name, got, c.lawful)
		}
	}
}
