package check

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Each way to leave gRPC clients badly is found, by the case whose it is.
func TestGRPCFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]map[string]expect{
		"": {
			"grpc-health": {Pass, outcomeTurned},
			"grpc-unary":  {Pass, outcomeAnswered},
			"grpc-stream": {Pass, outcomeTold},
		},
		"grpc-serving":             {"grpc-health": {Warn, outcomeStillReady}},
		"grpc-serving,refuses-new": {"grpc-health": {Warn, outcomeNotOpened}},
		"lingers-briefly":          {"grpc-health": {Warn, outcomeShortNotice}},
		"h2-never-told,grpc-endless": {
			"grpc-health": {Warn, outcomeHalfTold},
			"grpc-stream": {Fail, outcomeNeverTold},
		},
		"grpc-refuses":   {"grpc-unary": {Fail, outcomeRefusedClose}},
		"grpc-cut":       {"grpc-stream": {Fail, outcomeCut}},
		"grpc-cancelled": {"grpc-stream": {Warn, outcomeToldOther}},
		"grpc-endless":   {"grpc-stream": {Fail, outcomeNeverTold}},
		"h2-cut":         {"grpc-unary": {Fail, outcomeCut}},
		"h2-one-step":    {}, // what is disowned is repeated by every gRPC library
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			target := fixtureTarget(fault)
			target.Paths, target.Grace = Paths{}, 3*time.Second // twice as long as calls are made around the signal
			holdTo(t, verdicts(t, target, "grpc-health", "grpc-unary", "grpc-stream"), want)
		})
	}
}

// A slow method that was named is called, too, and one that is not slow is
// refused: it would prove nothing.
func TestSlowCall(t *testing.T) {
	t.Parallel()
	target := fixtureTarget()
	target.Paths = Paths{GRPC: "/fixture.Slow/Call"}
	r := verdicts(t, target, "grpc-unary")
	holdTo(t, r, nil)
	for method, why := range map[string]string{healthCheck: "took only", "/fixture.Slow/Other": "none of gRPC"} {
		target.Paths.GRPC = method
		_, err := Run(t.Context(), target, Only("grpc-unary"))
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want an error that says %q", method, err, why)
		}
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		whole []serving
		rest  int
	}{
		"":                                     {nil, 0},
		"\x00\x00\x00\x00\x02\x08\x01":         {[]serving{isServing}, 0},
		"\x00\x00\x00\x00\x00":                 {[]serving{0}, 0}, // a field that is 0 is left out
		"\x00\x00\x00\x00\x02\x08":             {nil, 6},
		"\x00\x00\x00\x00\x02\x08\x02\x00\x00": {[]serving{isNotServing}, 2},
		"\x00\x00\x00\x00\x02\x08\x01\x00\x00\x00\x00\x02\x08\x02": {[]serving{isServing, isNotServing}, 0},
		"\x00\x00\x00\x00\x02\x12\x01":                             {[]serving{0}, 0}, // another field
	} {
		said, rest := messages([]byte(body))
		var got []serving
		for _, m := range said {
			got = append(got, servingOf(m))
		}
		if !slices.Equal(got, want.whole) || rest != want.rest {
			t.Errorf("%q: %v and %d bytes, want %v and %d", body, got, rest, want.whole, want.rest)
		}
	}
}

func TestStatusOf(t *testing.T) {
	t.Parallel()
	status := func(code string) http.Header { return http.Header{"Grpc-Status": {code}} }
	for _, tt := range []struct {
		header, trailer http.Header
		code            int
		ok              bool
	}{
		{nil, nil, 0, false},
		{http.Header{}, status("0"), 0, true},
		{status("14"), nil, 14, true}, // there was nothing but a header
		{nil, status("OK"), 0, false},
	} {
		if code, ok := statusOf(tt.header, tt.trailer); code != tt.code || ok != tt.ok {
			t.Errorf("%v, %v: %d, %v; want %d, %v", tt.header, tt.trailer, code, ok, tt.code, tt.ok)
		}
	}
}
