package featureflag_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seguehq/segue/featureflag"
)

// inForce is what one flag is, with what is laid over it.
func inForce(f featureflag.Flag, shed *featureflag.Shed) *featureflag.Set {
	f.Key = "f"
	return featureflag.Compile(featureflag.InForce([]featureflag.Flag{f}, shed))
}

func definition(t *testing.T, text string) featureflag.Definition {
	t.Helper()
	var d featureflag.Definition
	must(t, json.Unmarshal([]byte(text), &d))
	return d
}

func TestWhatIsInForce(t *testing.T) {
	t.Parallel()
	const (
		colours = `"state": "ENABLED", "variants": {"red": "#f00", "blue": "#00f", "none": ""}, "defaultVariant": "blue"`
		staff   = `"targeting": {"if": [{"==": [{"var": "staff"}, true]}, "red"]}`
	)
	at := func(variant string, percent float64) *featureflag.Ramp {
		return &featureflag.Ramp{Variant: variant, Percent: percent, State: featureflag.RampStopped}
	}
	user, staffer := featureflag.For("u"), featureflag.Context{Key: "u", Attributes: map[string]any{"staff": true}}
	low, normal, high := &featureflag.Shed{Level: "low"}, &featureflag.Shed{Level: "normal"}, &featureflag.Shed{Level: "high"}
	killed := &featureflag.Stamp{By: "ann"}
	for _, c := range []struct {
		name, definition string
		flag             featureflag.Flag
		shed             *featureflag.Shed
		who              featureflag.Context
		want             string
	}{
		{"nothing over it", colours, featureflag.Flag{}, nil, user, "blue STATIC"},
		{"nothing over its targeting", colours + "," + staff, featureflag.Flag{}, nil, staffer, "red TARGETING_MATCH"},
		{"a ramp at none", colours + "," + staff, featureflag.Flag{Ramp: at("none", 0)}, nil, staffer, "red TARGETING_MATCH"},
		{"a ramp at all", colours + "," + staff, featureflag.Flag{Ramp: at("none", 100)}, nil, staffer, "none STATIC"},
		{"a ramp at nearly none", colours, featureflag.Flag{Ramp: at("none", 0.001)}, nil, user, "blue STATIC"},
		{"a ramp of nobody in particular", colours, featureflag.Flag{Ramp: at("red", 99.99)}, nil, featureflag.Context{}, "blue DEFAULT"},
		{"a ramp of a variant that has gone", colours, featureflag.Flag{Ramp: at("green", 100)}, nil, user, "blue STATIC"},
		{"killed without an off", colours + "," + staff, featureflag.Flag{Killed: killed}, nil, staffer, " DISABLED"},
		{"killed with an off", colours + "," + staff + `,"metadata": {"off": "none"}`, featureflag.Flag{Killed: killed, Ramp: at("red", 100)}, nil, staffer, "none STATIC"},
		{"killed with a variant off", `"state": "ENABLED", "variants": {"off": 0, "on": 1}, "defaultVariant": "on"`, featureflag.Flag{Killed: killed}, nil, user, "off STATIC"},
		{"killed with a false", `"state": "ENABLED", "variants": {"yes": true, "no": false}, "defaultVariant": "yes"`, featureflag.Flag{Killed: killed}, nil, user, "no STATIC"},
		{"disabled", `"state": "DISABLED", "variants": {"yes": true}, "defaultVariant": "yes"`, featureflag.Flag{Ramp: at("yes", 50)}, nil, user, " DISABLED"},
		{"low, shed", colours + `,"metadata": {"off": "none", "importance": "low"}`, featureflag.Flag{}, low, user, "none STATIC"},
		{"normal, low shed", colours + `,"metadata": {"off": "none"}`, featureflag.Flag{}, low, user, "blue STATIC"},
		{"normal, normal shed", colours + `,"metadata": {"off": "none"}`, featureflag.Flag{}, normal, user, "none STATIC"},
		{"high, normal shed", colours + `,"metadata": {"off": "none", "importance": "high"}`, featureflag.Flag{}, normal, user, "blue STATIC"},
		{"high, high shed", colours + `,"metadata": {"off": "none", "importance": "high"}`, featureflag.Flag{}, high, user, "none STATIC"},
		{"critical, high shed", colours + `,"metadata": {"off": "none", "importance": "critical"}`, featureflag.Flag{}, high, user, "blue STATIC"},
		{"nonsense shed", colours + `,"metadata": {"off": "none", "importance": "low"}`, featureflag.Flag{}, &featureflag.Shed{Level: "all"}, user, "blue STATIC"},
		{"a level of nothing", colours + `,"metadata": {"off": "none", "importance": "low"}`, featureflag.Flag{}, &featureflag.Shed{}, user, "blue STATIC"},
	} {
		c.flag.Definition = definition(t, "{"+c.definition+"}")
		e := inForce(c.flag, c.shed).Evaluate("f", c.who)
		if got := fmt.Sprint(e.Variant, " ", e.Reason); got != c.want || e.Err != "" {
			t.Errorf("%s: %s %s %s, want %s", c.name, got, e.Err, e.Detail, c.want)
		}
	}
}

// The form of a ramp is an agreement with whoever evaluates the document elsewhere.
func TestTheFormOfARamp(t *testing.T) {
	t.Parallel()
	d := definition(t, `{"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"}`)
	for targeting, want := range map[string]string{
		"":            "null",
		`{"var":"x"}`: `{"var":"x"}`,
	} {
		d.Targeting = json.RawMessage(targeting)
		flag := featureflag.Flag{Key: "f", Definition: d, Ramp: &featureflag.Ramp{Variant: "on", Percent: 12.345}}
		got := string(featureflag.InForce([]featureflag.Flag{flag}, nil).Flags["f"].Targeting)
		if want := `{"if":[{"==":[{"fractional":[["on",1235],["",8765]]},"on"]},"on",` + want + `]}`; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// While a ramp goes up, nobody who has its variant loses it; how many have it is the
// ramp's share; and who has it is the same for other flags' ramps only by chance.
func TestARampOnlyAdds(t *testing.T) {
	t.Parallel()
	const users = 10_000
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	names := make([]featureflag.Context, users)
	for i := range names {
		names[i] = featureflag.For([]string{fmt.Sprint("user-", i), fmt.Sprintf("%016x", random.Uint64()), fmt.Sprint(i) + "@segue.example"}[i%3])
	}
	flag := featureflag.Flag{Definition: onOff("off")}
	flag.Definition.State = featureflag.Enabled
	had := make([]bool, users)
	for _, p := range steps(random) {
		flag.Ramp = &featureflag.Ramp{Variant: "on", Percent: p}
		set, have := inForce(flag, nil), 0
		for i, u := range names {
			on := set.Bool("f", u, false)
			if had[i] && !on {
				t.Fatalf("at %v %% %s has lost it", p, u.Key)
			}
			if had[i] = on; on {
				have++
			}
		}
		share := p / 100
		// Six standard deviations of a binomial: one run in a hundred million misses by chance.
		if off := math.Abs(float64(have)/users - share); off > 6*math.Sqrt(share*(1-share)/users)+1e-9+0.00005 {
			t.Errorf("%v %% are %d of %d", p, have, users)
		}
	}
}

// steps go from 0 to 100 percent, oddly.
func steps(random *rand.Rand) []float64 {
	all := []float64{0, 0.01, 0.5, 1}
	for p := 1.0; p < 99; {
		p += random.Float64() * 3
		all = append(all, min(p, 99))
	}
	return append(all, 99.5, 99.99, 100)
}
