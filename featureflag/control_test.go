package featureflag_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seguehq/segue/featureflag"
	"github.com/seguehq/segue/internal/servertest"
	"github.com/seguehq/segue/store"
)

// onOff is a simple flag, with this default variant.
func onOff(variant string) featureflag.Definition {
	return featureflag.Definition{
		Variants:       map[string]json.RawMessage{"on": []byte("true"), "off": []byte("false")},
		DefaultVariant: &variant,
	}
}

// must ends a test whose preparation fails.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// said are the words of a history.
func said(t *testing.T, c *featureflag.Control, key string) []string {
	t.Helper()
	history, err := c.History(t.Context(), key)
	must(t, err)
	var words []string
	for _, h := range history {
		if h.By != "ann@laptop" || h.At.IsZero() {
			t.Errorf("%q was done by %q at %v", h.What, h.By, h.At)
		}
		words = append(words, strings.TrimSpace(h.What+"  "+h.Why))
	}
	return words
}

func TestAFlagsLife(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		ctx, c := t.Context(), featureflag.NewControl(open(t), "ann@laptop")
		get := func() featureflag.Flag {
			t.Helper()
			f, err := c.Get(ctx, "new-checkout")
			must(t, err)
			return f
		}
		if _, err := c.Get(ctx, "new-checkout"); !errors.Is(err, featureflag.ErrUnknown) {
			t.Errorf("before it is made: %v", err)
		}
		must(t, c.Set(ctx, "new-checkout", onOff("off"), "for the autumn"))
		must(t, c.Set(ctx, "new-checkout", onOff("off"), "once more"))
		must(t, c.Ramp(ctx, "new-checkout", featureflag.Ramp{Variant: "on", To: 50, Over: time.Hour}, "carefully"))

		f := get()
		moved := *f.Ramp
		moved.Percent, moved.Ran = 25, 30*time.Minute
		must(t, c.MoveRamp(ctx, "new-checkout", f.Version, moved))
		if err := c.MoveRamp(ctx, "new-checkout", f.Version, moved); !errors.Is(err, store.ErrConflict) {
			t.Errorf("moved twice from one version: %v", err)
		}
		must(t, c.Kill(ctx, "new-checkout", "it burns"))
		must(t, c.Kill(ctx, "new-checkout", "it burns still"))
		if err := c.Ramp(ctx, "new-checkout", featureflag.Ramp{Variant: "on", To: 100}, ""); !errors.Is(err, featureflag.ErrKilled) {
			t.Errorf("ramp of a flag that is killed: %v", err)
		}
		if f := get(); f.Killed == nil || f.Killed.Why != "it burns" || f.Ramp.State != featureflag.RampStopped || f.Ramp.Percent != 25 {
			t.Errorf("killed: %+v, ramp %+v", f.Killed, f.Ramp)
		}
		must(t, c.Restore(ctx, "new-checkout", "mended"))
		must(t, c.Restore(ctx, "new-checkout", "mended"))

		// A ramp of the same variant begins where the one before stands.
		must(t, c.Ramp(ctx, "new-checkout", featureflag.Ramp{Variant: "on", To: 100, Over: time.Hour}, ""))
		if r := get().Ramp; r.From != 25 || r.Percent != 25 || r.State != featureflag.RampRunning {
			t.Errorf("the second ramp: %+v", r)
		}
		must(t, c.StopRamp(ctx, "new-checkout", false, "lunch"))
		must(t, c.StopRamp(ctx, "new-checkout", false, "lunch"))
		must(t, c.Ramp(ctx, "new-checkout", featureflag.Ramp{Variant: "on", To: 100}, ""))
		if r := get().Ramp; r.Percent != 100 || r.State != featureflag.RampDone {
			t.Errorf("at once: %+v", r)
		}
		must(t, c.Set(ctx, "new-checkout", onOff("on"), ""))
		must(t, c.Remove(ctx, "new-checkout", "it is there to stay"))
		if err := c.Kill(ctx, "new-checkout", ""); !errors.Is(err, featureflag.ErrUnknown) {
			t.Errorf("kill of a flag that was removed: %v", err)
		}
		want := []string{
			"made: off of off, on  for the autumn",
			"ramp of on: 0 % to 50 % over 1h0m0s  carefully",
			"killed, and its ramp stopped at 25 %  it burns",
			"restored  mended",
			"ramp of on: 25 % to 100 % over 1h0m0s",
			"ramp of on stopped at 25 %  lunch",
			"ramp of on: at 100 %",
			"set: on of off, on; the ramp of on at 100 % is over",
			"removed  it is there to stay",
		}
		if got := said(t, c, "new-checkout"); !slices.Equal(got, want) {
			t.Errorf("history:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		must(t, c.Set(ctx, "new-checkout", onOff("off"), ""))
		if f := get(); f.Ramp != nil || f.Killed != nil || f.Removed != nil || len(f.History) != len(want)+1 {
			t.Errorf("made again: %+v", f)
		}
	})
}

// Two people, and the mover of a ramp, change one flag at once.
func TestNothingIsLostBetweenTwo(t *testing.T) {
	t.Parallel()
	servertest.EachStore(t, func(t *testing.T, open func(t *testing.T) store.Store) {
		const each = 10
		must(t, featureflag.NewControl(open(t), "x").Set(t.Context(), "f", onOff("off"), ""))
		var wg sync.WaitGroup
		for n := range 2 {
			c := featureflag.NewControl(open(t), fmt.Sprint("someone", n))
			wg.Go(func() {
				for i := range each {
					d := onOff("off")
					d.Metadata = map[string]any{"who": n, "i": i}
					if err := c.Set(t.Context(), "f", d, fmt.Sprint(i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		f, err := featureflag.NewControl(open(t), "x").Get(t.Context(), "f")
		must(t, err)
		next := map[string]int{}
		for _, h := range f.History[1:] {
			if h.Why != fmt.Sprint(next[h.By]) {
				t.Errorf("%s's change %s comes where his %d should", h.By, h.Why, next[h.By])
			}
			next[h.By]++
		}
		if f.Version != 2*each+1 || len(f.History) != 2*each+1 {
			t.Errorf("version %d and %d lines of history after %d changes", f.Version, len(f.History), 2*each+1)
		}
	})
}

func TestAHistoryHasAnEnd(t *testing.T) {
	t.Parallel()
	c := featureflag.NewControl(servertest.Memory()(), "ann@laptop")
	must(t, c.Set(t.Context(), "f", onOff("off"), ""))
	for n := range featureflag.HistoryKept {
		must(t, c.Ramp(t.Context(), "f", featureflag.Ramp{Variant: "on", To: float64(n + 1)}, ""))
	}
	got := said(t, c, "f")
	if len(got) != featureflag.HistoryKept || got[0] != "ramp of on: at 1 %" || got[len(got)-1] != "ramp of on: at 100 %" {
		t.Errorf("%d lines from %q to %q", len(got), got[0], got[len(got)-1])
	}
}

// What a newer release has written of a flag stays when this one changes it.
func TestWhatIsNotKnownIsKept(t *testing.T) {
	t.Parallel()
	s := servertest.Memory()()
	c := featureflag.NewControl(s, "ann@laptop")
	must(t, c.Set(t.Context(), "f", onOff("off"), ""))
	must(t, c.Ramp(t.Context(), "f", featureflag.Ramp{Variant: "on", To: 50, Over: time.Hour}, ""))
	edit(t, s, func(f map[string]any) {
		f["owner"] = "team-a"
		f["definition"].(map[string]any)["title"] = "The new checkout"
		f["ramp"].(map[string]any)["region"] = "eu"
		f["history"].([]any)[0].(map[string]any)["ticket"] = "T-1"
	})
	f, err := c.Get(t.Context(), "f")
	must(t, err)
	moved := *f.Ramp
	moved.Percent = 10
	must(t, c.MoveRamp(t.Context(), "f", f.Version, moved))
	must(t, c.Kill(t.Context(), "f", ""))
	edit(t, s, func(f map[string]any) {
		text, err := json.Marshal(f)
		must(t, err)
		for _, kept := range []string{`"owner":"team-a"`, `"title":"The new checkout"`, `"region":"eu"`, `"ticket":"T-1"`, `"percent":10`, `"what":"killed`} {
			if !strings.Contains(string(text), kept) {
				t.Errorf("%s is not in %s", kept, text)
			}
		}
	})
}

// edit changes the flag f as another program would.
func edit(t *testing.T, s store.Store, how func(f map[string]any)) {
	t.Helper()
	e, err := s.Get(t.Context(), "flag/f")
	must(t, err)
	var f map[string]any
	must(t, json.Unmarshal(e.Value, &f))
	how(f)
	value, err := json.Marshal(f)
	must(t, err)
	_, err = s.Put(t.Context(), store.Write{Key: "flag/f", Value: value, Expect: e.Revision})
	must(t, err)
}

// write puts an entry that no Control would.
func write(t *testing.T, s store.Store, key, value string) {
	t.Helper()
	_, err := s.Put(t.Context(), store.Write{Key: key, Value: []byte(value), Expect: store.Any})
	must(t, err)
}

func TestABrokenEntryCostsItsFlagAlone(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "{", "null", "[]", `{"definition":7}`, `{"key":"other"}`, "\x00\xff"} {
		s := servertest.Memory()()
		c := featureflag.NewControl(s, "ann@laptop")
		must(t, c.Set(t.Context(), "well", onOff("on"), ""))
		write(t, s, "flag/ill", value)
		write(t, s, "flagrant", "of somebody else")
		write(t, s, "flagshed", "{")
		flags, shed, err := c.List(t.Context())
		if err != nil || shed != nil || len(flags) != 2 || flags[0].Key != "ill" || flags[0].Broken == "" || flags[1].Broken != "" {
			t.Fatalf("%q: %+v, %v, %v", value, flags, shed, err)
		}
		if d := featureflag.InForce(flags, shed); len(d.Flags) != 1 {
			t.Errorf("%q: in force are %v", value, d.Flags)
		}
		for what, err := range map[string]error{
			"kill": c.Kill(t.Context(), "ill", ""),
			"set":  c.Set(t.Context(), "ill", onOff("on"), ""),
		} {
			if !errors.Is(err, featureflag.ErrInvalid) || !strings.Contains(err.Error(), "cannot be read") {
				t.Errorf("%q: %s: %v", value, what, err)
			}
		}
		must(t, c.Remove(t.Context(), "ill", ""))
		must(t, c.Set(t.Context(), "ill", onOff("on"), ""))
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	c := featureflag.NewControl(servertest.Memory()(), "ann@laptop")
	must(t, c.Set(t.Context(), "f", onOff("off"), ""))
	ramp := func(r featureflag.Ramp) func() error {
		return func() error { return c.Ramp(t.Context(), "f", r, "") }
	}
	broken := onOff("off")
	broken.DefaultVariant = new(string)
	*broken.DefaultVariant = "blue"
	critical := featureflag.Critical
	for name, do := range map[string]func() error{
		"a variant that is not there":  ramp(featureflag.Ramp{Variant: "blue", To: 10}),
		"more than all":                ramp(featureflag.Ramp{Variant: "on", To: 101}),
		"less than none":               ramp(featureflag.Ramp{Variant: "on", From: -1, To: 10}),
		"backward in time":             ramp(featureflag.Ramp{Variant: "on", To: 10, Over: -1}),
		"a guard of more than all":     ramp(featureflag.Ramp{Variant: "on", To: 10, Guard: &featureflag.Guard{Errors: 101}}),
		"a default that is no variant": func() error { return c.Set(t.Context(), "f", broken, "") },
		"no name":                      func() error { return c.Set(t.Context(), "", onOff("off"), "") },
		"a name with a blank":          func() error { return c.Set(t.Context(), "a b", onOff("off"), "") },
		"a name that is too long":      func() error { return c.Set(t.Context(), strings.Repeat("x", 201), onOff("off"), "") },
		"what is critical shed":        func() error { return c.Shed(t.Context(), &critical, "") },
	} {
		if err := do(); !errors.Is(err, featureflag.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f, err := c.Get(t.Context(), "f"); err != nil || f.Version != 1 {
		t.Errorf("it has changed all the same: %+v, %v", f, err)
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), featureflag.NewControl(servertest.Memory()(), "ann@laptop")
	file := func(checkout, search string) featureflag.Definitions {
		d, err := featureflag.Parse(fmt.Appendf(nil, `{
			"flags": {
				"checkout": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": %q},
				"search": {"state": "ENABLED", "variants": {"new": "v2", "old": "v1"}, "defaultVariant": %q, "metadata": {"owner": "b"},
					"targeting": {"if": [{"$ref": "staff"}, "new"]}}},
			"$evaluators": {"staff": {"and": [{"$ref": "us"}, true]}, "us": {"ends_with": [{"var": "email"}, "@segue.example"]}},
			"metadata": {"owner": "a", "team": "shop"}
		}`, checkout, search))
		must(t, err)
		return d
	}
	apply := func(d featureflag.Definitions, want ...string) {
		t.Helper()
		changed, err := c.Apply(ctx, d, "deploy")
		if err != nil || !slices.Equal(changed, want) {
			t.Errorf("changed %v, %v; want %v", changed, err, want)
		}
	}
	variant := func(key string, user featureflag.Context) string {
		t.Helper()
		flags, shed, err := c.List(ctx)
		must(t, err)
		return featureflag.Compile(featureflag.InForce(flags, shed)).Evaluate(key, user).Variant
	}
	apply(file("off", "old"), "checkout", "search")
	apply(file("off", "old"))
	staff := featureflag.Context{Key: "u", Attributes: map[string]any{"email": "ann@segue.example"}}
	if got := variant("search", staff); got != "new" {
		t.Errorf("what the file's evaluator targets: %q", got)
	}
	if f, err := c.Get(ctx, "search"); err != nil || f.Definition.Metadata["owner"] != "b" || f.Definition.Metadata["team"] != "shop" {
		t.Errorf("metadata %v, %v", f.Definition.Metadata, err)
	}
	// What was set by command since stays, until the file says something new.
	must(t, c.Set(ctx, "checkout", onOff("on"), ""))
	must(t, c.Kill(ctx, "search", ""))
	apply(file("off", "old"))
	if got := variant("checkout", featureflag.For("u")); got != "on" {
		t.Errorf("the same file has undone what was set: %q", got)
	}
	apply(file("off", "new"), "search")
	if f, err := c.Get(ctx, "search"); err != nil || f.Killed == nil || *f.Definition.DefaultVariant != "new" {
		t.Errorf("the kill is gone: %+v, %v", f, err)
	}
	// A flag that was removed is brought back.
	must(t, c.Remove(ctx, "checkout", ""))
	apply(file("off", "new"), "checkout")

	d := file("on", "old")
	d.Flags["bad"] = featureflag.Definition{State: "ENABLED", Variants: map[string]json.RawMessage{"on": []byte("true")}, Targeting: []byte(`{"$ref": "nobody"}`)}
	if changed, err := c.Apply(ctx, d, ""); !errors.Is(err, featureflag.ErrInvalid) || !strings.Contains(err.Error(), `"bad"`) || len(changed) > 0 {
		t.Errorf("a bad flag: %v, %v", changed, err)
	}
	apply(file("off", "new"))

	// A ramp of a variant that a new definition no longer has is over.
	must(t, c.Ramp(ctx, "checkout", featureflag.Ramp{Variant: "on", To: 50}, ""))
	d = featureflag.Definitions{Flags: map[string]featureflag.Definition{"checkout": onOff("off")}}
	d.Flags["checkout"].Variants["yes"] = []byte("true")
	delete(d.Flags["checkout"].Variants, "on")
	apply(d, "checkout")
	if f, err := c.Get(ctx, "checkout"); err != nil || f.Ramp != nil || !strings.Contains(f.History[len(f.History)-1].What, "no such variant") {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestApplyEndsInACircle(t *testing.T) {
	t.Parallel()
	d := featureflag.Definitions{Flags: map[string]featureflag.Definition{"f": onOff("off")}, Evaluators: map[string]json.RawMessage{"a": []byte(`{"$ref": "b"}`), "b": []byte(`{"!": {"$ref": "a"}}`)}}
	f := d.Flags["f"]
	f.Targeting = []byte(`{"if": [{"$ref": "a"}, "on"]}`)
	d.Flags["f"] = f
	if _, err := featureflag.NewControl(servertest.Memory()(), "").Apply(t.Context(), d, ""); !errors.Is(err, featureflag.ErrInvalid) || !strings.Contains(err.Error(), "circle") {
		t.Error(err)
	}
}

// A store whose answers get lost: what was written may be written, and is told so.
func TestAnErrorOfTheStoreIsTold(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	c := featureflag.NewControl(servertest.Memory()(), "ann@laptop")
	if err := c.Set(ctx, "f", onOff("off"), ""); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), `flag "f"`) {
		t.Error(err)
	}
}
