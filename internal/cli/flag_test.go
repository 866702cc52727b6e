package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seguehq/segue/featureflag"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"new-checkout", "new-search", "dark", "search-v2", "a"}
	for name, want := range map[string][]string{
		"new-chekout":  {"new-checkout"},
		"NEW-CHECKOUT": {"new-checkout"},
		"checkout":     {"new-checkout"},
		"search":       {"new-search", "search-v2"},
		"drak":         nil,
		"dar":          {"dark"},
		"zzz":          nil,
		"":             {"a"},
	} {
		if got := nearest(name, names); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestPercentage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"25%": 25, "0.5%": 0.5, "100": 100, "0%": 0, "12.5 %": 12.5} {
		var p percentage
		if err := p.UnmarshalText([]byte(text)); err != nil || float64(p) != want {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "%", "-1%", "100.1%", "NaN", "+Inf%", "half"} {
		if err := new(percentage).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestShortly(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{4 * time.Hour: "4h", 90 * time.Minute: "1h30m", 500 * time.Millisecond: "500ms", 10 * time.Second: "10s", time.Minute: "1m", 0: "0s", 10 * time.Minute: "10m"} {
		if got := shortly(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	got, err := attributes([]string{"plan=gold", "age=40", "staff=true", `name="7"`, "note=a=b", "list=[1]", "empty="})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"age":40,"empty":"","list":[1],"name":"7","note":"a=b","plan":"gold","staff":true}`; string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	if _, err := attributes([]string{"plan"}); err == nil {
		t.Error("an attribute without a value is taken")
	}
}

// What `segue flag ls` says is in force, and what to know beside.
func TestHowAFlagIsShown(t *testing.T) {
	t.Parallel()
	off := "off"
	onOff := featureflag.Definition{State: featureflag.Enabled, Variants: map[string]json.RawMessage{"on": []byte("true"), "off": []byte("false")}, DefaultVariant: &off}
	with := func(change func(f *flagOf)) flagOf {
		f := flagOf{Services: []string{"shop"}, Flag: featureflag.Flag{Key: "f", Definition: onOff}}
		change(&f)
		return f
	}
	for _, c := range []struct {
		flag        flagOf
		state, note string
	}{
		{with(func(f *flagOf) {}), "off", ""},
		{with(func(f *flagOf) { f.Broken = "no JSON" }), "broken", "no JSON; `segue flag rm` forgets it"},
		{with(func(f *flagOf) { f.Definition.State = featureflag.Disabled }), "disabled", ""},
		{with(func(f *flagOf) { f.shed = &featureflag.Shed{Level: "normal"} }), "off, shed", ""},
		{with(func(f *flagOf) { f.shed = &featureflag.Shed{Level: "low"} }), "off", ""},
		{with(func(f *flagOf) { f.Definition.Targeting = []byte(`{"if":[true,"on"]}`) }), "targeting, else off", ""},
		{with(func(f *flagOf) { f.Definition.DefaultVariant = nil }), "the caller's default", ""},
		{with(func(f *flagOf) {
			f.Ramp = &featureflag.Ramp{Variant: "on", To: 100, Percent: 25, Over: 4 * time.Hour, Ran: time.Hour, State: featureflag.RampRunning}
		}), "25 % of on, 3h0m left", ""},
		{with(func(f *flagOf) {
			f.Ramp = &featureflag.Ramp{Variant: "on", From: 50, To: 0, Percent: 25, Over: 4 * time.Hour, Ran: 2 * time.Hour, State: featureflag.RampRunning}
		}), "25 % of on, 2h0m left to 0 %", ""},
		{with(func(f *flagOf) {
			f.Ramp = &featureflag.Ramp{Variant: "on", To: 100, Percent: 25, State: featureflag.RampStopped, Note: "errors 3.2 % of 812 requests, 1 % allowed"}
		}), "25 % of on, stopped", "stopped at 25 %: errors 3.2 % of 812 requests, 1 % allowed"},
		{with(func(f *flagOf) {
			f.Ramp = &featureflag.Ramp{Variant: "on", To: 100, Percent: 100, State: featureflag.RampDone}
		}), "on, ramped up", ""},
		{with(func(f *flagOf) { f.Ramp = &featureflag.Ramp{Variant: "on", State: featureflag.RampDone} }), "off", ""},
		{with(func(f *flagOf) { f.Definition.Targeting = []byte(`{"nonsense":[]}`) }), "targeting, else off", "it cannot be evaluated"},
	} {
		if got := c.flag.state(); got != c.state {
			t.Errorf("%q, want %q", got, c.state)
		}
		if got := c.flag.note(); got != c.note && (c.note == "" || !strings.HasPrefix(got, c.note)) {
			t.Errorf("%s: %q, want %q", c.state, got, c.note)
		}
	}
}
