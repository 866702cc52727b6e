package boottime

import (
	"testing"
	"time"
)

func TestItGoesForward(t *testing.T) {
	before, begun := Now(), time.Now()
	for time.Since(begun) < 10*time.Millisecond {
	}
	if passed, at := Now().Sub(before), time.Since(begun); passed < 10*time.Millisecond || passed > 2*at {
		t.Errorf("%v passed, in %v of Go's clock", passed, at)
	}
	if later := before.Add(time.Second); later.Sub(before) != time.Second {
		t.Errorf("a second later is %v later", later.Sub(before))
	}
}
